/* SPDX-License-Identifier: Apache-2.0
 *
 * RSA with public keys in software: SubjectPublicKeyInfo, verification and encryption.
 */
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "core/crypto_private.h"

enum { RSA_MIN_BITS = 512, RSA_MAX_BITS = 16384 };

/* Neither OpenSSL nor a token checks the numbers of a public key, so invalid ones are refused here.
 */
static bool is_rsa(const BIGNUM *n, const BIGNUM *e)
{
    return BN_num_bits(n) >= RSA_MIN_BITS && BN_num_bits(n) <= RSA_MAX_BITS && BN_is_odd(n) &&
           BN_is_odd(e) && !BN_is_one(e) && BN_cmp(e, n) < 0;
}

EVP_PKEY *core_rsa_public(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                          size_t exponent_len)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    BIGNUM *n = NULL, *e = NULL;
    OSSL_PARAM_BLD *build = NULL;
    OSSL_PARAM *params = NULL;

    if (core_crypto_ctx() == NULL || modulus_len > INT32_MAX || exponent_len > INT32_MAX)
        return NULL;
    (void)ERR_set_mark();
    n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    build = OSSL_PARAM_BLD_new();
    ctx = EVP_PKEY_CTX_new_from_name(core_crypto_ctx(), "RSA", NULL);
    if (n == NULL || e == NULL || build == NULL || ctx == NULL || !is_rsa(n, e))
        goto done;
    if (OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        goto done;
    params = OSSL_PARAM_BLD_to_param(build);
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
done:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    BN_free(n);
    (void)ERR_pop_to_mark();
    return key;
}

void core_rsa_free(EVP_PKEY *key)
{
    EVP_PKEY_free(key);
}

core_status core_rsa_spki(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                          size_t exponent_len, uint8_t **der, size_t *der_len)
{
    core_status st = ST_FORMAT;
    uint8_t *encoded = NULL;
    int length = 0;

    *der = NULL;
    *der_len = 0;
    (void)ERR_set_mark();
    EVP_PKEY *key = core_rsa_public(modulus, modulus_len, exponent, exponent_len);
    if (key == NULL)
        goto done;
    st = ST_NO_MEMORY;
    length = i2d_PUBKEY(key, &encoded);
    if (length <= 0)
        goto done;
    *der = core_calloc((size_t)length, 1);
    if (*der == NULL)
        goto done;
    memcpy(*der, encoded, (size_t)length);
    *der_len = (size_t)length;
    st = ST_OK;
done:
    OPENSSL_free(encoded);
    EVP_PKEY_free(key);
    return core_crypto_leave(st);
}

core_status core_rsa_verify(EVP_PKEY *key, const uint8_t digest[32], const uint8_t *signature,
                            size_t signature_len)
{
    core_status st = ST_FAILURE;
    EVP_PKEY_CTX *ctx = NULL;

    if (core_crypto_ctx() == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    ctx = EVP_PKEY_CTX_new_from_pkey(core_crypto_ctx(), key, NULL);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, core_crypto_sha256()) != 1)
        goto done;
    st = ST_SIGNATURE_INVALID;
    if (signature_len != 0 && EVP_PKEY_verify(ctx, signature, signature_len, digest, 32) == 1)
        st = ST_OK;
done:
    EVP_PKEY_CTX_free(ctx);
    return core_crypto_leave(st);
}

/* The longest message of a padding (RFC 8017, 7.1.1 and 7.2.1) in bytes; 0: the key is too short
 * for any. */
static size_t message_limit(EVP_PKEY *key, int padding, size_t hash_len)
{
    const size_t k = (size_t)EVP_PKEY_get_size(key);
    const size_t overhead = padding == RSA_PKCS1_PADDING ? 11 : 2 * hash_len + 2;
    return k > overhead ? k - overhead : 0;
}

static core_status set_padding(EVP_PKEY_CTX *ctx, EVP_PKEY *key, int padding, const char *hash,
                               size_t in_len)
{
    size_t hash_len = 0;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1)
        return ST_FAILURE;
    if (padding == RSA_PKCS1_OAEP_PADDING) {
        EVP_MD *md = EVP_MD_fetch(core_crypto_ctx(), hash, NULL);
        hash_len = md == NULL ? 0 : (size_t)EVP_MD_get_size(md);
        EVP_MD_free(md);
        if (hash_len == 0 || EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL) != 1 ||
            EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, hash, NULL) != 1)
            return ST_FAILURE;
    } else if (padding != RSA_PKCS1_PADDING)
        return ST_INVALID_ARGUMENT;
    return in_len > message_limit(key, padding, hash_len) ? ST_DATA_LENGTH : ST_OK;
}

core_status core_rsa_encrypt(EVP_PKEY *key, int padding, const char *hash, const uint8_t *in,
                             size_t in_len, uint8_t *out, size_t *out_len)
{
    const size_t capacity = *out_len;
    core_status st = ST_FAILURE;
    EVP_PKEY_CTX *ctx = NULL;

    *out_len = (size_t)EVP_PKEY_get_size(key);
    if (core_crypto_ctx() == NULL)
        return ST_FAILURE;
    if (out == NULL || capacity < *out_len)
        return ST_BUFFER_TOO_SMALL;
    (void)ERR_set_mark();
    ctx = EVP_PKEY_CTX_new_from_pkey(core_crypto_ctx(), key, NULL);
    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1)
        goto done;
    st = set_padding(ctx, key, padding, hash, in_len);
    if (st == ST_OK && EVP_PKEY_encrypt(ctx, out, out_len, in, in_len) != 1)
        st = ST_FAILURE;
done:
    if (st != ST_OK)
        *out_len = 0;
    EVP_PKEY_CTX_free(ctx);
    return core_crypto_leave(st);
}
