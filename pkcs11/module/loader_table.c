/* SPDX-License-Identifier: Apache-2.0
 *
 * A module's function list, checked once when it is loaded. Entries that the standard wants to be
 * there may be NULL in real modules. Without some nothing works here, and the module is refused;
 * for the others a function stands in that answers CKR_FUNCTION_NOT_SUPPORTED, so that no caller
 * has to look.
 */
#include <stddef.h>
#include <string.h>
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "pkcs11/module/loader_private.h"

/* X(name, parameters): what is called but can be done without, or only by some operations. */
#define TABLE_OPTIONAL(X)                                                                          \
    X(C_GetInfo, (CK_INFO * a))                                                                    \
    X(C_GetSlotInfo, (CK_SLOT_ID a, CK_SLOT_INFO * b))                                             \
    X(C_GetMechanismList, (CK_SLOT_ID a, CK_MECHANISM_TYPE * b, CK_ULONG * c))                     \
    X(C_GetMechanismInfo, (CK_SLOT_ID a, CK_MECHANISM_TYPE b, CK_MECHANISM_INFO * c))              \
    X(C_GetSessionInfo, (CK_SESSION_HANDLE a, CK_SESSION_INFO * b))                                \
    X(C_Logout, (CK_SESSION_HANDLE a))                                                             \
    X(C_SetPIN, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c, CK_BYTE * d, CK_ULONG e))           \
    X(C_CreateObject, (CK_SESSION_HANDLE a, CK_ATTRIBUTE * b, CK_ULONG c, CK_OBJECT_HANDLE * d))   \
    X(C_CopyObject, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE * c, CK_ULONG d,        \
                     CK_OBJECT_HANDLE * e))                                                        \
    X(C_DestroyObject, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b))                                  \
    X(C_SetAttributeValue,                                                                         \
      (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE * c, CK_ULONG d))                     \
    X(C_EncryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c))                  \
    X(C_Encrypt, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c, CK_BYTE * d, CK_ULONG * e))        \
    X(C_EncryptFinal, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG * c))                            \
    X(C_DecryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c))                  \
    X(C_Decrypt, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c, CK_BYTE * d, CK_ULONG * e))        \
    X(C_DecryptFinal, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG * c))                            \
    X(C_SignInit, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c))                     \
    X(C_Sign, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c, CK_BYTE * d, CK_ULONG * e))           \
    X(C_SignFinal, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG * c))                               \
    X(C_VerifyInit, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c))                   \
    X(C_Verify, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c, CK_BYTE * d, CK_ULONG e))           \
    X(C_GenerateKey,                                                                               \
      (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_ATTRIBUTE * c, CK_ULONG d, CK_OBJECT_HANDLE * e)) \
    X(C_GenerateKeyPair,                                                                           \
      (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_ATTRIBUTE * c, CK_ULONG d, CK_ATTRIBUTE * e,      \
       CK_ULONG f, CK_OBJECT_HANDLE * g, CK_OBJECT_HANDLE * h))                                    \
    X(C_WrapKey, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c, CK_OBJECT_HANDLE d,   \
                  CK_BYTE * e, CK_ULONG * f))                                                      \
    X(C_UnwrapKey, (CK_SESSION_HANDLE a, CK_MECHANISM * b, CK_OBJECT_HANDLE c, CK_BYTE * d,        \
                    CK_ULONG e, CK_ATTRIBUTE * f, CK_ULONG g, CK_OBJECT_HANDLE * h))               \
    X(C_GenerateRandom, (CK_SESSION_HANDLE a, CK_BYTE * b, CK_ULONG c))

#define TABLE_REQUIRED(X)    \
    X(C_Initialize, )        \
    X(C_Finalize, )          \
    X(C_GetSlotList, )       \
    X(C_GetTokenInfo, )      \
    X(C_OpenSession, )       \
    X(C_CloseSession, )      \
    X(C_Login, )             \
    X(C_GetAttributeValue, ) \
    X(C_FindObjectsInit, )   \
    X(C_FindObjects, )       \
    X(C_FindObjectsFinal, )

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define AS_ABSENT(name, parameters)        \
    static CK_RV absent_##name parameters  \
    {                                      \
        return CKR_FUNCTION_NOT_SUPPORTED; \
    }
TABLE_OPTIONAL(AS_ABSENT)
#pragma GCC diagnostic pop

#define AS_MEMBER(name, parameters) .name = absent_##name,
static const CK_FUNCTION_LIST absent = {TABLE_OPTIONAL(AS_MEMBER)};

#define AS_ROW(name, parameters) {#name, offsetof(CK_FUNCTION_LIST, name)},
typedef struct table_row {
    const char *name;
    size_t offset;
} table_row;
static const table_row required_rows[] = {TABLE_REQUIRED(AS_ROW)};
static const table_row optional_rows[] = {TABLE_OPTIONAL(AS_ROW)};

typedef void (*any_function)(void);

static any_function entry_of(const CK_FUNCTION_LIST *list, const table_row *row)
{
    any_function entry = NULL;
    memcpy(&entry, (const char *)list + row->offset, sizeof entry);
    return entry;
}

core_status tok_table_check(const char *path, const CK_FUNCTION_LIST *list, core_err *err)
{
    for (size_t i = 0; i < sizeof required_rows / sizeof required_rows[0]; i++) {
        if (entry_of(list, &required_rows[i]) == NULL)
            return core_fail(err, ST_MODULE_LOAD,
                             "module \"%s\": its function list has no %s, without which it cannot "
                             "be used; ask its vendor, or name another module",
                             path, required_rows[i].name);
    }
    return ST_OK;
}

core_status tok_table_complete(const char *path, const CK_FUNCTION_LIST *own,
                               CK_FUNCTION_LIST **list, core_err *err)
{
    core_str names = {.limit = 400};
    CK_FUNCTION_LIST *whole = NULL;

    for (size_t i = 0; i < sizeof optional_rows / sizeof optional_rows[0]; i++) {
        const table_row *row = &optional_rows[i];
        if (entry_of(own, row) != NULL)
            continue;
        if (whole == NULL) {
            whole = core_calloc(1, sizeof *whole);
            if (whole == NULL) {
                core_str_free(&names);
                return core_fail(err, ST_NO_MEMORY, "out of memory");
            }
            *whole = **list;
        }
        memcpy((char *)whole + row->offset, (const char *)&absent + row->offset,
               sizeof(any_function));
        core_str_addf(&names, "%s%s", names.length > 0 ? ", " : "", row->name);
    }
    if (whole != NULL) {
        *list = whole;
        core_log(CORE_LOG_WARNING,
                 "module \"%s\": its function list lacks %s; what needs them fails", path,
                 core_str_get(&names));
    }
    core_str_free(&names);
    return ST_OK;
}
