/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token's cryptographic operations, done by OpenSSL. Called without the lock: see
 * mem_operation.
 */
#include "private.h"

#include <openssl/crypto.h>
#include <openssl/rsa.h>
#include <string.h>

static const EVP_MD *hash_of(CK_MECHANISM_TYPE type)
{
    return type == CKM_SHA_1 ? EVP_sha1() : type == CKM_SHA256 ? EVP_sha256() : NULL;
}

static const EVP_MD *mask_of(CK_ULONG mgf)
{
    return mgf == CKG_MGF1_SHA1 ? EVP_sha1() : mgf == CKG_MGF1_SHA256 ? EVP_sha256() : NULL;
}

CK_RV mem_operation_set(mem_operation *o, const CK_MECHANISM *mechanism)
{
    const CK_RSA_PKCS_OAEP_PARAMS *oaep = mechanism->pParameter;
    const bool cbc =
        o->how->cipher != NULL && o->how->type != CKM_AES_ECB && o->how->type != CKM_AES_KEY_WRAP;

    if (cbc) {
        o->iv_len = o->how->key == CKK_DES3 ? 8 : 16;
        if (mechanism->pParameter == NULL || mechanism->ulParameterLen != o->iv_len)
            return CKR_MECHANISM_PARAM_INVALID;
        memcpy(o->iv, mechanism->pParameter, o->iv_len);
    }
    if (o->how->padding == RSA_PKCS1_OAEP_PADDING) {
        if (oaep == NULL || mechanism->ulParameterLen != sizeof *oaep ||
            hash_of(oaep->hashAlg) == NULL || mask_of(oaep->mgf) == NULL ||
            oaep->ulSourceDataLen != 0)
            return CKR_MECHANISM_PARAM_INVALID;
        o->oaep = hash_of(oaep->hashAlg);
        o->mgf = mask_of(oaep->mgf);
    }
    return CKR_OK;
}

CK_ULONG mem_crypt_most(const mem_operation *o, CK_ULONG in_len)
{
    return o->key->rsa != NULL ? (CK_ULONG)EVP_PKEY_get_size(o->key->rsa) : in_len + 16;
}

/* --- RSA --- */

static const struct {
    int (*start)(EVP_PKEY_CTX *);
    int (*run)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
    CK_RV failed;
} kinds[] = {
    [MEM_ENCRYPT] = {EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, CKR_DATA_LEN_RANGE},
    [MEM_DECRYPT] = {EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, CKR_ENCRYPTED_DATA_INVALID},
    [MEM_SIGN] = {EVP_PKEY_sign_init, EVP_PKEY_sign, CKR_DATA_LEN_RANGE},
    [MEM_VERIFY] = {EVP_PKEY_verify_init, NULL, CKR_SIGNATURE_INVALID},
    [MEM_WRAP] = {EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, CKR_KEY_SIZE_RANGE},
    [MEM_UNWRAP] = {EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, CKR_WRAPPED_KEY_INVALID},
};

static bool set_padding(const mem_operation *o, EVP_PKEY_CTX *ctx)
{
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, o->how->padding) != 1)
        return false;
    if (o->how->padding == RSA_PKCS1_OAEP_PADDING)
        return EVP_PKEY_CTX_set_rsa_oaep_md(ctx, o->oaep) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, o->mgf) == 1;
    return !o->how->hashes || EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;
}

static EVP_PKEY_CTX *rsa_start(const mem_operation *o, mem_kind kind)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(o->key->rsa, NULL);

    if (ctx != NULL && (kinds[kind].start(ctx) != 1 || !set_padding(o, ctx))) {
        EVP_PKEY_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* Selects what is signed: the data or their hash. */
static bool to_sign(const mem_operation *o, const CK_BYTE **in, CK_ULONG *in_len, CK_BYTE hash[32])
{
    size_t length = 32;

    if (!o->how->hashes)
        return true;
    if (EVP_Q_digest(NULL, "SHA256", NULL, *in, *in_len, hash, &length) != 1)
        return false;
    *in = hash;
    *in_len = (CK_ULONG)length;
    return true;
}

static CK_RV rsa(const mem_operation *o, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                 CK_BYTE *out, CK_ULONG *out_len)
{
    CK_BYTE hash[32];
    size_t length = *out_len;
    const bool opens = kind == MEM_DECRYPT || kind == MEM_UNWRAP;

    if (opens && in_len != length)
        return kind == MEM_DECRYPT ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_WRAPPED_KEY_LEN_RANGE;
    EVP_PKEY_CTX *ctx = rsa_start(o, kind);
    if (ctx == NULL || !to_sign(o, &in, &in_len, hash)) {
        EVP_PKEY_CTX_free(ctx);
        return CKR_FUNCTION_FAILED;
    }
    const bool done = kinds[kind].run(ctx, out, &length, in, in_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    *out_len = (CK_ULONG)length;
    return done ? CKR_OK : kinds[kind].failed;
}

CK_RV mem_verify(const mem_operation *o, const CK_BYTE *in, CK_ULONG in_len, const CK_BYTE *sig,
                 CK_ULONG sig_len)
{
    CK_BYTE hash[32];

    if (sig_len != mem_crypt_most(o, 0))
        return CKR_SIGNATURE_LEN_RANGE;
    EVP_PKEY_CTX *ctx = rsa_start(o, MEM_VERIFY);
    if (ctx == NULL || !to_sign(o, &in, &in_len, hash)) {
        EVP_PKEY_CTX_free(ctx);
        return CKR_FUNCTION_FAILED;
    }
    const bool good = EVP_PKEY_verify(ctx, sig, sig_len, in, in_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? CKR_OK : CKR_SIGNATURE_INVALID;
}

/* --- ciphers --- */

static CK_RV symmetric(const mem_operation *o, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                       CK_BYTE *out, CK_ULONG *out_len)
{
    const bool seals = kind == MEM_ENCRYPT || kind == MEM_WRAP;
    const CK_ULONG block = o->how->key == CKK_DES3 ? 8 : 16;
    const bool whole = o->how->type == CKM_AES_KEY_WRAP || in_len % block == 0;
    int n = 0;
    int last = 0;

    if (!whole && (!seals || !o->how->padding))
        return seals ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    const bool done = ctx != NULL &&
                      EVP_CipherInit_ex(ctx, o->how->cipher(o->key->value_len), NULL, o->key->value,
                                        o->iv_len > 0 ? o->iv : NULL, seals) == 1 &&
                      EVP_CIPHER_CTX_set_padding(ctx, o->how->padding) == 1 &&
                      EVP_CipherUpdate(ctx, out, &n, in, (int)in_len) == 1 &&
                      EVP_CipherFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *out_len = (CK_ULONG)(n + last);
    if (done)
        return CKR_OK;
    return seals                ? CKR_FUNCTION_FAILED
           : kind == MEM_UNWRAP ? CKR_WRAPPED_KEY_INVALID
                                : CKR_ENCRYPTED_DATA_INVALID;
}

CK_RV mem_crypt(const mem_operation *o, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                CK_BYTE **out, CK_ULONG *out_len)
{
    *out_len = mem_crypt_most(o, in_len);
    *out = OPENSSL_zalloc(*out_len);
    if (*out == NULL)
        return CKR_HOST_MEMORY;
    return o->key->rsa != NULL ? rsa(o, kind, in, in_len, *out, out_len)
                               : symmetric(o, kind, in, in_len, *out, out_len);
}
