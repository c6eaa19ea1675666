/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token's mechanisms.
 */
#include "private.h"

#include <openssl/rsa.h>

#define CRYPTS (CKF_ENCRYPT | CKF_DECRYPT)
#define SIGNS  (CKF_SIGN | CKF_VERIFY)
#define WRAPS  (CKF_WRAP | CKF_UNWRAP)

static const EVP_CIPHER *aes_ecb(size_t n)
{
    return n == 16 ? EVP_aes_128_ecb() : n == 24 ? EVP_aes_192_ecb() : EVP_aes_256_ecb();
}

static const EVP_CIPHER *aes_cbc(size_t n)
{
    return n == 16 ? EVP_aes_128_cbc() : n == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
}

static const EVP_CIPHER *aes_wrap(size_t n)
{
    return n == 16 ? EVP_aes_128_wrap() : n == 24 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();
}

static const EVP_CIPHER *des3_cbc(size_t n)
{
    (void)n;
    return EVP_des_ede3_cbc();
}

static const mem_mechanism mechanisms[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, 1024, 4096, CKF_GENERATE_KEY_PAIR, CKK_RSA, 0, false, NULL},
    {CKM_RSA_PKCS, 1024, 4096, CRYPTS | SIGNS | WRAPS, CKK_RSA, RSA_PKCS1_PADDING, false, NULL},
    {CKM_RSA_X_509, 1024, 4096, CRYPTS | SIGNS, CKK_RSA, RSA_NO_PADDING, false, NULL},
    {CKM_RSA_PKCS_OAEP, 1024, 4096, CRYPTS | WRAPS, CKK_RSA, RSA_PKCS1_OAEP_PADDING, false, NULL},
    {CKM_SHA256_RSA_PKCS, 1024, 4096, SIGNS, CKK_RSA, RSA_PKCS1_PADDING, true, NULL},
    {CKM_AES_KEY_GEN, 16, 32, CKF_GENERATE, CKK_AES, 0, false, NULL},
    {CKM_AES_ECB, 16, 32, CRYPTS, CKK_AES, 0, false, aes_ecb},
    {CKM_AES_CBC, 16, 32, CRYPTS, CKK_AES, 0, false, aes_cbc},
    {CKM_AES_CBC_PAD, 16, 32, CRYPTS, CKK_AES, 1, false, aes_cbc},
    {CKM_AES_KEY_WRAP, 16, 32, WRAPS, CKK_AES, 0, false, aes_wrap},
    {CKM_DES3_KEY_GEN, 24, 24, CKF_GENERATE, CKK_DES3, 0, false, NULL},
    {CKM_DES3_CBC, 24, 24, CRYPTS, CKK_DES3, 0, false, des3_cbc},
    {CKM_DES3_CBC_PAD, 24, 24, CRYPTS, CKK_DES3, 1, false, des3_cbc},
    {CKM_GENERIC_SECRET_KEY_GEN, 1, MEM_SECRET_MOST, CKF_GENERATE, CKK_GENERIC_SECRET, 0, false,
     NULL},
};

const mem_mechanism *mem_mechanism_find(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        if (mechanisms[i].type == type)
            return &mechanisms[i];
    return NULL;
}

CK_RV mem_C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *types, CK_ULONG *n)
{
    const CK_ULONG room = *n;

    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    *n = COUNT(mechanisms);
    if (types == NULL)
        return CKR_OK;
    if (room < COUNT(mechanisms))
        return CKR_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        types[i] = mechanisms[i].type;
    return CKR_OK;
}

CK_RV mem_C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    const mem_mechanism *m = mem_mechanism_find(type);

    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    if (m == NULL)
        return CKR_MECHANISM_INVALID;
    *info = (CK_MECHANISM_INFO){m->min, m->max, m->flags};
    return CKR_OK;
}
