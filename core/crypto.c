/* SPDX-License-Identifier: Apache-2.0
 *
 * The library context, digests, random numbers and sealing. Algorithms are fetched once, because a
 * fetch by name takes a lock and a search.
 */
#include "core/crypto.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include "core/crypto_private.h"
#include "core/lock.h"

enum { SEAL_KEY = 32, SEAL_NONCE = 12, SEAL_TAG = 16 };

/* `lock` guards `users`, and the creation and release of the other members, which are constant
 * between them. */
static struct crypto {
    core_lock lock;
    unsigned users CORE_GUARDED;
    OSSL_LIB_CTX *ctx;
    OSSL_PROVIDER *provider;
    EVP_MD *sha256;
    EVP_MAC *hmac;
    EVP_CIPHER *gcm;
    core_secret seal_key;
} crypto = {.lock = CORE_LOCK_INIT};

/* The context between the last close and the next open. It is never freed: each thread that drew
 * random numbers from it has an exit handler that uses it, and threads of the host may end later.
 */
static struct crypto kept CORE_GUARDED_BY(crypto.lock);

/* Only before the context has been used for random numbers. */
static void free_locked(void) CORE_REQUIRES(crypto.lock)
{
    EVP_CIPHER_free(crypto.gcm);
    EVP_MAC_free(crypto.hmac);
    EVP_MD_free(crypto.sha256);
    if (crypto.provider != NULL)
        (void)OSSL_PROVIDER_unload(crypto.provider);
    OSSL_LIB_CTX_free(crypto.ctx);
    crypto.gcm = NULL;
    crypto.hmac = NULL;
    crypto.sha256 = NULL;
    crypto.provider = NULL;
    crypto.ctx = NULL;
}

static void move_locked(struct crypto *to, struct crypto *from) CORE_REQUIRES(crypto.lock)
{
    to->ctx = from->ctx;
    to->provider = from->provider;
    to->sha256 = from->sha256;
    to->hmac = from->hmac;
    to->gcm = from->gcm;
    from->gcm = NULL;
    from->hmac = NULL;
    from->sha256 = NULL;
    from->provider = NULL;
    from->ctx = NULL;
}

static core_status make_ctx_locked(void) CORE_REQUIRES(crypto.lock)
{
    if (kept.ctx != NULL) {
        move_locked(&crypto, &kept);
        return ST_OK;
    }
    crypto.ctx = OSSL_LIB_CTX_new();
    if (crypto.ctx == NULL)
        return ST_NO_MEMORY;
    crypto.provider = OSSL_PROVIDER_load(crypto.ctx, "default");
    crypto.sha256 = EVP_MD_fetch(crypto.ctx, "SHA256", NULL);
    crypto.hmac = EVP_MAC_fetch(crypto.ctx, "HMAC", NULL);
    crypto.gcm = EVP_CIPHER_fetch(crypto.ctx, "AES-256-GCM", NULL);
    if (crypto.provider == NULL || crypto.sha256 == NULL || crypto.hmac == NULL ||
        crypto.gcm == NULL) {
        free_locked();
        return ST_FAILURE;
    }
    return ST_OK;
}

static core_status make_locked(void) CORE_REQUIRES(crypto.lock)
{
    core_status st = make_ctx_locked();
    if (st != ST_OK)
        return st;
    st = core_secret_open(&crypto.seal_key, SEAL_KEY);
    if (st != ST_OK)
        return st;
    if (RAND_priv_bytes_ex(crypto.ctx, crypto.seal_key.data, SEAL_KEY, 0) != 1)
        return ST_FAILURE;
    crypto.seal_key.length = SEAL_KEY;
    return ST_OK;
}

static void keep_locked(void) CORE_REQUIRES(crypto.lock)
{
    core_crypto_iv_close();
    core_secret_close(&crypto.seal_key);
    move_locked(&kept, &crypto);
}

core_status core_crypto_open(void)
{
    core_status st = ST_OK;
    core_lock_acquire(&crypto.lock);
    if (crypto.users == 0) {
        (void)ERR_set_mark();
        st = core_crypto_leave(make_locked());
        if (st != ST_OK)
            keep_locked();
    }
    if (st == ST_OK)
        crypto.users++;
    core_lock_release(&crypto.lock);
    return st;
}

void core_crypto_close(void)
{
    core_lock_acquire(&crypto.lock);
    if (crypto.users != 0 && --crypto.users == 0)
        keep_locked();
    core_lock_release(&crypto.lock);
}

void core_crypto_thread_stop(void)
{
    OPENSSL_thread_stop();
}

OSSL_LIB_CTX *core_crypto_ctx(void)
{
    return crypto.ctx;
}

EVP_MD *core_crypto_sha256(void)
{
    return crypto.sha256;
}

core_status core_sha256(const void *a, size_t a_len, const void *b, size_t b_len, const void *c,
                        size_t c_len, uint8_t out[32])
{
    core_status st = ST_FAILURE;
    EVP_MD_CTX *md = NULL;

    memset(out, 0, 32);
    if (crypto.sha256 == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    md = EVP_MD_CTX_new();
    if (md == NULL) {
        st = ST_NO_MEMORY;
        goto done;
    }
    if (EVP_DigestInit_ex2(md, crypto.sha256, NULL) == 1 && EVP_DigestUpdate(md, a, a_len) == 1 &&
        EVP_DigestUpdate(md, b, b_len) == 1 && EVP_DigestUpdate(md, c, c_len) == 1 &&
        EVP_DigestFinal_ex(md, out, NULL) == 1)
        st = ST_OK;
done:
    EVP_MD_CTX_free(md);
    return core_crypto_leave(st);
}

core_status core_hmac_sha256(const void *key, size_t key_len, const void *data, size_t data_len,
                             uint8_t out[32])
{
    static char name[] = "SHA256"; /* OSSL_PARAM takes no const */
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                 OSSL_PARAM_construct_end()};
    core_status st = ST_FAILURE;
    EVP_MAC_CTX *mac = NULL;
    size_t length = 0;

    memset(out, 0, 32);
    if (crypto.hmac == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    mac = EVP_MAC_CTX_new(crypto.hmac);
    if (mac == NULL) {
        st = ST_NO_MEMORY;
        goto done;
    }
    /* A key of length 0 is valid, but OpenSSL takes NULL for "keep the previous key". */
    if (EVP_MAC_init(mac, key_len == 0 ? (const uint8_t *)"" : key, key_len, params) == 1 &&
        EVP_MAC_update(mac, data, data_len) == 1 && EVP_MAC_final(mac, out, &length, 32) == 1 &&
        length == 32)
        st = ST_OK;
done:
    EVP_MAC_CTX_free(mac);
    return core_crypto_leave(st);
}

core_status core_random(void *out, size_t length)
{
    if (crypto.ctx == NULL)
        return ST_FAILURE;
    if (length == 0)
        return ST_OK;
    (void)ERR_set_mark();
    const int ok = RAND_priv_bytes_ex(crypto.ctx, out, length, 0);
    return core_crypto_leave(ok == 1 ? ST_OK : ST_FAILURE);
}

core_status core_random_iv(uint8_t *out, size_t length)
{
    if (length > CORE_IV_MAX)
        return ST_INVALID_ARGUMENT;
    if (crypto.ctx == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    const bool taken = core_crypto_iv_take(crypto.ctx, out, length);
    (void)core_crypto_leave(ST_OK);
    return taken ? ST_OK : core_random(out, length);
}

/* Format: nonce, ciphertext, tag. The nonce is random and not a counter, because the child of a
 * fork has the same key. OpenSSL's generator reseeds after a fork. */
core_status core_seal(const void *plain, size_t length, uint8_t *sealed)
{
    uint8_t *const text = sealed + SEAL_NONCE;
    core_status st = ST_FAILURE;
    EVP_CIPHER_CTX *gcm = NULL;
    int n = 0, tail = 0;

    if (crypto.gcm == NULL || length > INT32_MAX)
        return ST_FAILURE;
    (void)ERR_set_mark();
    gcm = EVP_CIPHER_CTX_new();
    if (gcm == NULL) {
        st = ST_NO_MEMORY;
        goto done;
    }
    if (core_random(sealed, SEAL_NONCE) == ST_OK &&
        EVP_EncryptInit_ex2(gcm, crypto.gcm, crypto.seal_key.data, sealed, NULL) == 1 &&
        (length == 0 || EVP_EncryptUpdate(gcm, text, &n, plain, (int)length) == 1) &&
        EVP_EncryptFinal_ex(gcm, text + n, &tail) == 1 &&
        EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, text + length) == 1)
        st = ST_OK;
done:
    EVP_CIPHER_CTX_free(gcm);
    return core_crypto_leave(st);
}

core_status core_unseal(const uint8_t *sealed, size_t sealed_len, core_secret *out)
{
    core_status st = ST_NO_MEMORY;
    EVP_CIPHER_CTX *gcm = NULL;
    uint8_t tag[SEAL_TAG];
    int n = 0, tail = 0;

    *out = (core_secret){0};
    if (crypto.gcm == NULL || sealed_len < CORE_SEAL_OVERHEAD || sealed_len > INT32_MAX)
        return ST_FAILURE;
    const size_t length = sealed_len - CORE_SEAL_OVERHEAD;
    const uint8_t *const text = sealed + SEAL_NONCE;
    (void)ERR_set_mark();
    gcm = EVP_CIPHER_CTX_new();
    if (gcm == NULL || core_secret_open(out, length == 0 ? 1 : length) != ST_OK)
        goto done;
    st = ST_DECRYPT_FAILED;
    memcpy(tag, text + length, SEAL_TAG); /* the ctrl takes no const */
    if (EVP_DecryptInit_ex2(gcm, crypto.gcm, crypto.seal_key.data, sealed, NULL) == 1 &&
        (length == 0 || EVP_DecryptUpdate(gcm, out->data, &n, text, (int)length) == 1) &&
        EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1 &&
        EVP_DecryptFinal_ex(gcm, out->data + n, &tail) == 1) {
        out->length = length;
        st = ST_OK;
    }
done:
    if (st != ST_OK)
        core_secret_close(out);
    EVP_CIPHER_CTX_free(gcm);
    return core_crypto_leave(st);
}
