/* SPDX-License-Identifier: Apache-2.0
 *
 * See raw.h.
 */
#include "raw.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(const char *what, CK_RV rv)
{
    fprintf(stderr, "raw token: %s: 0x%lx\n", what, rv);
    return false;
}

static bool load(raw_token *token, const char *path)
{
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;

    token->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (token->library)
        *(void **)&get_list = dlsym(token->library, "C_GetFunctionList");
    if (!get_list || get_list(&token->f) != CKR_OK || !token->f) {
        fprintf(stderr, "raw token: %s cannot be loaded: %s\n", path, dlerror());
        return false;
    }
    return true;
}

/* NSS's CK_C_INITIALIZE_ARGS has LibraryParameters where the standard's has pReserved, and one more
 * member after it, which NSS reads from `extra`. */
static CK_RV initialize(const raw_token *token, char *reserved)
{
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *extra[4];
    } space;
    CK_RV rv;

    memset(&space, 0, sizeof space);
    space.args.flags = CKF_OS_LOCKING_OK;
    space.args.pReserved = reserved && *reserved ? reserved : NULL;
    rv = token->f->C_Initialize(&space.args);
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

static bool label_is(const CK_TOKEN_INFO *info, const char *label)
{
    unsigned char padded[sizeof info->label];

    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, strlen(label) < sizeof padded ? strlen(label) : sizeof padded);
    return memcmp(padded, info->label, sizeof padded) == 0;
}

static bool find_slot(raw_token *token, const char *label)
{
    CK_SLOT_ID slots[64];
    CK_ULONG count = sizeof slots / sizeof slots[0];
    CK_RV rv = token->f->C_GetSlotList(CK_TRUE, slots, &count);

    if (rv != CKR_OK)
        return complain("C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        if (token->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(&info, label)) {
            token->slot = slots[i];
            return true;
        }
    }
    fprintf(stderr, "raw token: no token \"%s\"\n", label);
    return false;
}

bool raw_open_public(raw_token *token)
{
    const char *module = getenv("MODULE"), *label = getenv("TOKEN");
    CK_RV rv;

    memset(token, 0, sizeof *token);
    if (!module || !label) {
        fprintf(stderr, "raw token: MODULE and TOKEN are not set: run under with-token\n");
        return false;
    }
    if (!load(token, module))
        return false;
    rv = initialize(token, getenv("INIT_ARGS"));
    if (rv != CKR_OK)
        return complain("C_Initialize", rv);
    if (!find_slot(token, label))
        return false;
    token->session = raw_session(token);
    return token->session || complain("C_OpenSession", CKR_SESSION_COUNT);
}

bool raw_open(raw_token *token)
{
    const char *pin = getenv("PIN");
    CK_RV rv;

    if (!pin) {
        fprintf(stderr, "raw token: PIN is not set: run under with-token\n");
        return false;
    }
    if (!raw_open_public(token))
        return false;
    rv = token->f->C_Login(token->session, CKU_USER, (CK_BYTE *)(uintptr_t)pin, strlen(pin));
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN || complain("C_Login", rv);
}

void raw_close(raw_token *token, bool finalize)
{
    if (token->session) {
        (void)token->f->C_Logout(token->session);
        (void)token->f->C_CloseSession(token->session);
        token->session = 0;
    }
    if (finalize && token->f)
        (void)token->f->C_Finalize(NULL);
}

CK_SESSION_HANDLE raw_session(const raw_token *token)
{
    CK_SESSION_HANDLE session = 0;
    CK_RV rv = token->f->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                       &session);
    return rv == CKR_OK ? session : 0;
}

static CK_BBOOL yes = CK_TRUE;
#define TEXT(label) ((void *)(uintptr_t)(label))

CK_RV raw_generate_rsa(const raw_token *token, const char *label, CK_ULONG bits, bool persistent,
                       CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL kept = persistent ? CK_TRUE : CK_FALSE;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE public_part[] = {{CKA_TOKEN, &kept, sizeof kept},
                                  {CKA_MODULUS_BITS, &bits, sizeof bits},
                                  {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
                                  {CKA_ENCRYPT, &yes, sizeof yes},
                                  {CKA_VERIFY, &yes, sizeof yes},
                                  {CKA_LABEL, TEXT(label), strlen(label)}};
    CK_ATTRIBUTE private_part[] = {
        {CKA_TOKEN, &kept, sizeof kept},   {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_SIGN, &yes, sizeof yes},      {CKA_LABEL, TEXT(label), strlen(label)}};

    return token->f->C_GenerateKeyPair(
        token->session, &mechanism, public_part, sizeof public_part / sizeof public_part[0],
        private_part, sizeof private_part / sizeof private_part[0], public_key, private_key);
}

CK_RV raw_generate_aes(const raw_token *token, const char *label, CK_ULONG bits, bool persistent,
                       CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL kept = persistent ? CK_TRUE : CK_FALSE;
    CK_ULONG length = bits / 8;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &kept, sizeof kept},        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},      {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_ENCRYPT, &yes, sizeof yes},        {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_LABEL, TEXT(label), strlen(label)}};

    return token->f->C_GenerateKey(token->session, &mechanism, template,
                                   sizeof template / sizeof template[0], key);
}

CK_OBJECT_HANDLE raw_find(const raw_token *token, CK_OBJECT_CLASS class, const char *label)
{
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class},
                               {CKA_LABEL, TEXT(label), strlen(label)}};
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;

    if (token->f->C_FindObjectsInit(token->session, template, 2) != CKR_OK)
        return 0;
    (void)token->f->C_FindObjects(token->session, &object, 1, &count);
    (void)token->f->C_FindObjectsFinal(token->session);
    return count ? object : 0;
}

bool raw_has(const raw_token *token, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM_INFO info;

    return token->f->C_GetMechanismInfo(token->slot, type, &info) == CKR_OK;
}
