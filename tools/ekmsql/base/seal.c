/* SPDX-License-Identifier: Apache-2.0
 *
 * The cryptography of the engine: see seal.h.
 */
#include "tools/ekmsql/base/seal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define NONCE 12
#define TAG   16
#define BLOCK 16

bool sql_random(void *out, size_t len)
{
    return RAND_priv_bytes(out, (int)len) == 1;
}

/* Passes header and in through ctx, and writes the result to out. */
static bool pump(EVP_CIPHER_CTX *ctx, const sql_buf *header, const uint8_t *in, size_t len,
                 uint8_t *out, size_t *written)
{
    int n = 0;
    if (header != NULL && EVP_CipherUpdate(ctx, NULL, &n, header->p, (int)header->len) != 1) {
        return false;
    }
    if (EVP_CipherUpdate(ctx, out, &n, in, (int)len) != 1) {
        return false;
    }
    *written = (size_t)n;
    if (EVP_CipherFinal_ex(ctx, out + n, &n) != 1) {
        return false;
    }
    *written += (size_t)n;
    return true;
}

bool sql_seal(const uint8_t key[SQL_SEAL_KEY], const sql_buf *header, const sql_buf *in,
              sql_buf *out)
{
    uint8_t nonce[NONCE];
    uint8_t tag[TAG];
    uint8_t *text = sql_alloc(in->len + BLOCK);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t n = 0;
    bool ok = in->len < INT32_MAX && sql_random(nonce, sizeof nonce) && ctx != NULL &&
              EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, 1) == 1 &&
              pump(ctx, header, in->p == NULL ? nonce : in->p, in->len, text, &n) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
    if (ok) {
        out->len = 0;
        sql_buf_add(out, nonce, sizeof nonce);
        sql_buf_add(out, text, n);
        sql_buf_add(out, tag, sizeof tag);
    }
    EVP_CIPHER_CTX_free(ctx);
    free(text);
    return ok;
}

bool sql_unseal(const uint8_t key[SQL_SEAL_KEY], const sql_buf *header, const sql_buf *in,
                sql_buf *out)
{
    if (in->len < NONCE + TAG || in->len >= INT32_MAX) {
        return false;
    }
    size_t len = in->len - NONCE - TAG;
    uint8_t tag[TAG];
    memcpy(tag, in->p + NONCE + len, TAG);
    uint8_t *text = sql_alloc(len + BLOCK);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t n = 0;
    bool ok = ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, in->p, 0) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
              pump(ctx, header, in->p + NONCE, len, text, &n);
    if (ok) {
        sql_buf_set(out, text, n);
    }
    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(text, len + BLOCK);
    free(text);
    return ok;
}

static const EVP_CIPHER *cbc(size_t key_len)
{
    return key_len == 16   ? EVP_aes_128_cbc()
           : key_len == 24 ? EVP_aes_192_cbc()
                           : EVP_aes_256_cbc();
}

bool sql_cbc_encrypt(const sql_buf *key, const sql_buf *in, sql_buf *out)
{
    uint8_t iv[BLOCK];
    uint8_t *text = sql_alloc(in->len + BLOCK);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t n = 0;
    bool ok = in->len < INT32_MAX && sql_random(iv, sizeof iv) && ctx != NULL &&
              EVP_CipherInit_ex(ctx, cbc(key->len), NULL, key->p, iv, 1) == 1 &&
              pump(ctx, NULL, in->p == NULL ? iv : in->p, in->len, text, &n);
    if (ok) {
        sql_buf_add(out, iv, sizeof iv);
        sql_buf_add(out, text, n);
    }
    EVP_CIPHER_CTX_free(ctx);
    free(text);
    return ok;
}

bool sql_cbc_decrypt(const sql_buf *key, const uint8_t *in, size_t len, sql_buf *out)
{
    if (len < (size_t)2 * BLOCK || len % BLOCK != 0 || len >= INT32_MAX) {
        return false;
    }
    uint8_t *text = sql_alloc(len);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t n = 0;
    bool ok = ctx != NULL && EVP_CipherInit_ex(ctx, cbc(key->len), NULL, key->p, in, 0) == 1 &&
              pump(ctx, NULL, in + BLOCK, len - BLOCK, text, &n);
    if (ok) {
        sql_buf_set(out, text, n);
    }
    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(text, len);
    free(text);
    return ok;
}

bool sql_derive(const sql_buf *key, const char *purpose, uint8_t out[SQL_SEAL_KEY])
{
    unsigned n = 0;
    return HMAC(EVP_sha256(), key->p, (int)key->len, (const uint8_t *)purpose, strlen(purpose), out,
                &n) != NULL &&
           n == SQL_SEAL_KEY;
}
