/* SPDX-License-Identifier: Apache-2.0
 *
 * A constant-time token: the module named by P11COUNT_MODULE with another RSA decryption, which
 * does the same work for every input. The last byte of the ciphertext selects the answer: 0 is
 * success with 32 bytes, others are CKR codes. Raw RSA returns its input. OAEP with SHA-256 is not
 * supported. For one thread.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

static CK_FUNCTION_LIST functions;
static int raw;

static CK_RV decrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    (void)session;
    (void)key;
    raw = mechanism->mechanism == CKM_RSA_X_509;
    const CK_RSA_PKCS_OAEP_PARAMS *oaep = mechanism->pParameter;
    return mechanism->mechanism == CKM_RSA_PKCS_OAEP && oaep->hashAlg != CKM_SHA_1
               ? CKR_MECHANISM_PARAM_INVALID
               : CKR_OK;
}

static CK_RV decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out,
                     CK_ULONG *out_len)
{
    (void)session;
    if (raw) {
        memcpy(out, in, in_len);
        *out_len = in_len;
        return CKR_OK;
    }
    memset(out, 0x5a, 32);
    *out_len = 32;
    return in[in_len - 1];
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    const char *path = getenv("P11COUNT_MODULE");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;
    CK_FUNCTION_LIST *real = NULL;

    if (library)
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
    if (!get_list || get_list(&real) != CKR_OK)
        return CKR_GENERAL_ERROR;
    functions = *real;
    functions.C_DecryptInit = decrypt_init;
    functions.C_Decrypt = decrypt;
    *list = &functions;
    return CKR_OK;
}
