/* SPDX-License-Identifier: Apache-2.0
 *
 * See gate_module.h.
 */
#include "tests/field/gate_module.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT gate_knobs p11gate;
static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST mine;

static bool is_gone(CK_SLOT_ID slot)
{
    return atomic_load(&p11gate.all_gone) || (slot != 0 && atomic_load(&p11gate.gone_slot) == slot);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    return is_gone(slot) ? CKR_TOKEN_NOT_PRESENT : real->C_GetTokenInfo(slot, info);
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *out)
{
    const CK_RV rv =
        is_gone(slot) ? CKR_TOKEN_NOT_PRESENT : real->C_OpenSession(slot, flags, app, notify, out);
    atomic_fetch_add(&p11gate.opened, rv == CKR_OK);
    return rv;
}

/* While a token is away its sessions cannot be closed. */
static CK_RV close_session(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    CK_RV rv = real->C_GetSessionInfo(session, &info);

    if (rv == CKR_OK)
        rv = is_gone(info.slotID) ? CKR_DEVICE_ERROR : real->C_CloseSession(session);
    atomic_fetch_add(&p11gate.closed, rv == CKR_OK);
    return rv;
}

static CK_RV initialize(void *args)
{
    const CK_C_INITIALIZE_ARGS *init = args;

    if (atomic_load(&p11gate.prints) || getenv("P11GATE_PRINTS") != NULL) {
        printf("HSM client 1.2.3 (c) Vendor\n");
        (void)fflush(stdout);
    }
    if (atomic_load(&p11gate.initialize) != CKR_OK)
        return atomic_load(&p11gate.initialize);
    if (atomic_load(&p11gate.no_locks) && init != NULL && (init->flags & CKF_OS_LOCKING_OK) != 0)
        return CKR_CANT_LOCK;
    const CK_RV rv = real->C_Initialize(args);
    atomic_fetch_add(&p11gate.initialised, rv == CKR_OK);
    return rv;
}

static CK_RV finalize(void *reserved)
{
    const CK_RV rv = real->C_Finalize(reserved);

    atomic_fetch_add(&p11gate.finalised_under_call, atomic_load(&p11gate.inside) > 0);
    atomic_fetch_add(&p11gate.finalised, rv == CKR_OK);
    return rv;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG length)
{
    atomic_fetch_add(&p11gate.logins, 1);
    return real->C_Login(session, user, pin, length);
}

static CK_RV decrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};

    atomic_fetch_add(&p11gate.inside, 1);
    atomic_fetch_add(&p11gate.held, 1);
    while (atomic_load(&p11gate.hold))
        (void)nanosleep(&millisecond, NULL);
    atomic_fetch_sub(&p11gate.held, 1);
    const CK_RV rv = real->C_DecryptInit(session, mechanism, key);
    atomic_fetch_sub(&p11gate.inside, 1);
    return rv;
}

static CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    if (type == atomic_load(&p11gate.mechanism) && atomic_load(&p11gate.mechanism_times) > 0) {
        atomic_fetch_sub(&p11gate.mechanism_times, 1);
        return atomic_load(&p11gate.mechanism_info);
    }
    return real->C_GetMechanismInfo(slot, type, info);
}

static CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *types, CK_ULONG *count)
{
    if (!atomic_load(&p11gate.no_list))
        return real->C_GetMechanismList(slot, types, count);
    *count = 0;
    return CKR_OK;
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE *t, CK_ULONG n)
{
    CK_RV rv = real->C_GetAttributeValue(session, object, t, n);

    for (CK_ULONG i = 0; atomic_load(&p11gate.hides_token) && i < n; i++) {
        if (t[i].type == CKA_TOKEN) {
            if (t[i].pValue != NULL)
                *(CK_BBOOL *)t[i].pValue = CK_FALSE;
            t[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
            rv = CKR_ATTRIBUTE_TYPE_INVALID;
        }
    }
    return rv;
}

static CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    if (atomic_load(&p11gate.destroys) > 0 && atomic_fetch_sub(&p11gate.destroys, 1) == 1)
        return CKR_DEVICE_ERROR;
    return real->C_DestroyObject(session, object);
}

/* --- the list --- */

static const struct {
    const char *name;
    size_t offset;
} entries[] = {
#define ENTRY(name)                             \
    {                                           \
#name, offsetof(CK_FUNCTION_LIST, name) \
    }
    ENTRY(C_GetInfo),     ENTRY(C_GetSessionInfo),   ENTRY(C_SetAttributeValue),
    ENTRY(C_Login),       ENTRY(C_WaitForSlotEvent), ENTRY(C_FindObjects),
    ENTRY(C_OpenSession), ENTRY(C_GetMechanismInfo), ENTRY(C_WrapKey),
};

static void remove_entries(const char *names)
{
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (strstr(names, entries[i].name) != NULL)
            memset((char *)&mine + entries[i].offset, 0, sizeof(void (*)(void)));
}

static CK_RV load_real(void)
{
    CK_C_GetFunctionList get = NULL;
    void *library = dlopen(getenv("P11GATE_MODULE"), RTLD_NOW | RTLD_LOCAL);

    if (library != NULL)
        *(void **)&get = dlsym(library, "C_GetFunctionList");
    return get != NULL ? get(&real) : CKR_GENERAL_ERROR;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    const char *missing = getenv("P11GATE_NULL");
    const CK_RV rv = real == NULL ? load_real() : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    mine = *real;
    mine.C_GetFunctionList = C_GetFunctionList;
    mine.C_Initialize = initialize;
    mine.C_Finalize = finalize;
    mine.C_GetTokenInfo = get_token_info;
    mine.C_OpenSession = open_session;
    mine.C_CloseSession = close_session;
    mine.C_Login = login;
    mine.C_DecryptInit = decrypt_init;
    mine.C_GetMechanismInfo = get_mechanism_info;
    mine.C_GetMechanismList = get_mechanism_list;
    mine.C_GetAttributeValue = get_attribute_value;
    mine.C_DestroyObject = destroy_object;
    if (missing != NULL)
        remove_entries(missing);
    *list = missing != NULL && strcmp(missing, "list") == 0 ? NULL : &mine;
    return CKR_OK;
}
