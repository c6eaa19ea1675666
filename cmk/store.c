/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and closes the key store, and decrypts encrypted column encryption keys. Applications call
 * the decryption often, so it must be fast.
 */
#include "cmk/store_private.h"

#include <stdio.h>
#include <string.h>
#include "cmk/signature.h"
#include "core/crypto.h"
#include "core/platform.h"
#include "pkcs11/key_state.h"

/* The token of paths that name none. */
static const char *default_token(const core_config *config, const char *token)
{
    if (token != NULL && token[0] != '\0')
        return token;
    const core_token_config *only = core_config_only(config);
    return only != NULL ? only->alias : NULL;
}

static core_status open_parts(cmk_store *store, const char *token, const char *pin, size_t pin_len,
                              core_err *err)
{
    const core_config *config = store->config = tok_context_config(store->ctx);
    const char *name = default_token(config, token);
    core_status st = ST_OK;
    if (name == NULL && pin_len != 0)
        return core_fail(err, ST_INVALID_ARGUMENT, "PIN: no token is named; name the token too");
    if (name != NULL && (store->token_name = core_strdup(name)) == NULL)
        st = ST_NO_MEMORY;
    if (st == ST_OK && pin_len != 0)
        st = core_secret_copy(&store->pin, pin, pin_len);
    if (st == ST_OK && config->cek_cache_entries != 0)
        st = cmk_cache_open(config->cek_cache_entries, config->cek_cache_seconds, &store->cache);
    return st == ST_OK ? st : core_fail(err, st, "key store: out of memory; free some");
}

core_status cmk_store_open(const char *config_path, const char *token, const char *pin,
                           size_t pin_len, cmk_store **out, core_err *err)
{
    *out = NULL;
    cmk_store *store = core_calloc(1, sizeof *store);
    if (store == NULL)
        return core_fail(err, ST_NO_MEMORY, "key store: out of memory; free some");
    *store = (cmk_store){.refs = 1, .lock = CORE_LOCK_INIT};
    core_status st = tok_context_open(config_path, &store->ctx, err);
    if (st == ST_OK)
        st = open_parts(store, token, pin, pin == NULL ? 0 : pin_len, err);
    if (st == ST_OK)
        *out = store;
    else
        cmk_store_close(store);
    return st;
}

cmk_store *cmk_store_ref(cmk_store *store)
{
    atomic_fetch_add(&store->refs, 1);
    return store;
}

void cmk_store_close(cmk_store *store)
{
    if (store == NULL || atomic_fetch_sub(&store->refs, 1) != 1)
        return;
    cmk_cache_close(store->cache);
    cmk_bind_close(store);
    if (store->ctx != NULL)
        tok_context_close(store->ctx);
    core_free(store->token_name);
    core_free(store);
}

void cmk_store_status(cmk_store *store, char *text, size_t size)
{
    core_str out = {.limit = size};
    core_str_addf(&out, "provider=%s\nversion=%s\nconfig=%s\n", CMK_PROVIDER_NAME, P11EKM_VERSION,
                  store->config->path);
    core_lock_acquire(&store->lock);
    for (const cmk_login *login = store->logins; login != NULL; login = login->next)
        if (atomic_load(&login->in))
            core_str_addf(&out, "token=%s\n", tok_token_info_of(login->token)->label);
    core_lock_release(&store->lock);
    if (store->cache != NULL)
        core_str_addf(&out, "cached=%u\n", cmk_cache_count(store->cache, core_now_us()));
    (void)snprintf(text, size, "%s", core_str_get(&out));
    core_str_free(&out);
}

/* Remembers values whose signature was verified, by the SHA-256 of the key's thumbprint and all
 * bytes of the value. Drivers without a cache send the same few values again and again, and one
 * digest is cheaper than one RSA operation. The digests are not secret. */
static bool verified_before(cmk_store *store, const uint8_t digest[32])
{
    bool found = false;
    core_lock_acquire(&store->lock);
    for (size_t i = 0; i < CMK_VERIFIED && !found; i++)
        found = memcmp(store->verified[i], digest, sizeof store->verified[i]) == 0;
    core_lock_release(&store->lock);
    return found;
}

static void remember_verified(cmk_store *store, const uint8_t digest[32])
{
    core_lock_acquire(&store->lock);
    memcpy(store->verified[store->next_verified++ % CMK_VERIFIED], digest,
           sizeof store->verified[0]);
    core_lock_release(&store->lock);
}

static core_status verify_ecek(cmk_store *store, tok_key *key, const uint8_t *ecek, size_t length,
                               const cmk_ecek *parts)
{
    uint8_t digest[32];
    core_status st =
        core_sha256(tok_key_info_of(key)->thumb, TOK_THUMB_LEN, ecek, length, NULL, 0, digest);
    if (st != ST_OK || verified_before(store, digest))
        return st;
    st = cmk_signature_verify(key, ecek, parts->signed_len, parts->signature, parts->signature_len,
                              store->config->accept_double_hash);
    if (st == ST_OK)
        remember_verified(store, digest);
    return st;
}

core_status cmk_check_ecek(cmk_store *store, tok_key *key, const uint8_t *ecek, size_t length,
                           cmk_ecek *out, core_err *err)
{
    const tok_key_info *info = tok_key_info_of(key);
    core_status st = cmk_ecek_parse(ecek, length, info->modulus_len, out, err);
    if (st != ST_OK)
        return st;
    st = verify_ecek(store, key, ecek, length, out);
    if (st == ST_SIGNATURE_INVALID)
        return core_fail(
            err, st,
            "encrypted column encryption key: its signature does not verify with key "
            "\"%s\": it was made with another key, or changed%s; check the key path of "
            "its column master key, or restore it from a backup",
            info->name,
            store->config->accept_double_hash
                ? ""
                : " (a value of MSSQL_CNG_STORE or MSSQL_CSP_PROVIDER needs "
                  "accept_double_hash)");
    return st == ST_OK ? st : core_fail(err, st, "%s", core_status_text(st));
}

static core_status may_decrypt(tok_key *key, core_err *err)
{
    const tok_key_info *info = tok_key_info_of(key);
    if ((info->can & TOK_CAN_DECRYPT) == 0)
        return core_fail(err, ST_KEY_USAGE,
                         "key \"%s\" on token \"%s\" may not decrypt: CKA_DECRYPT is not set; use "
                         "a key made by p11ekm cmk create",
                         info->name, tok_token_info_of(tok_key_token(key))->label);
    return tok_key_check_usage(key, TOK_CAN_DECRYPT, err);
}

core_status cmk_open_ecek(tok_key *key, const cmk_ecek *ecek, uint8_t cek[CMK_CEK_LEN],
                          core_err *err)
{
    uint8_t plain[2 * CMK_CEK_LEN];
    size_t length = sizeof plain;
    core_status st = may_decrypt(key, err);
    if (st == ST_OK)
        st = tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, ecek->ciphertext, ecek->ciphertext_len, plain,
                             &length, err);
    if (st == ST_OK && length == CMK_CEK_LEN)
        memcpy(cek, plain, CMK_CEK_LEN);
    else if (st == ST_OK || st == ST_BUFFER_TOO_SMALL || st == ST_DECRYPT_FAILED)
        /* Report every failure of the decryption with the same text. */
        st = core_fail(err, ST_DECRYPT_FAILED,
                       "encrypted column encryption key: decryption with key \"%s\" failed: it was "
                       "made with another key, or changed; check the key path of its column "
                       "master key, or restore it from a backup",
                       tok_key_info_of(key)->name);
    core_wipe(plain, sizeof plain);
    return st;
}

static core_status decrypt_with(cmk_call *call, const uint8_t *ecek, size_t length,
                                uint8_t cek[CMK_CEK_LEN])
{
    cmk_ecek parts;
    core_status st = cmk_check_ecek(call->store, call->key, ecek, length, &parts, call->err);
    return st == ST_OK ? cmk_open_ecek(call->key, &parts, cek, call->err) : st;
}

/* Decrypts a CEK that is not in the cache. If the bound key is gone from the token, another key may
 * have its name: search for the path once more. */
static core_status decrypt(cmk_call *call, const uint8_t *ecek, size_t length,
                           uint8_t cek[CMK_CEK_LEN])
{
    bool fresh = false;
    core_status st = cmk_call_key(call, &fresh);
    if (st == ST_OK)
        st = decrypt_with(call, ecek, length, cek);
    if ((st != ST_HANDLE_LOST && st != ST_NOT_FOUND) || fresh)
        return st;
    tok_key_release(call->key);
    call->key = NULL;
    st = cmk_call_key_fresh(call);
    return st == ST_OK ? decrypt_with(call, ecek, length, cek) : st;
}

static core_status decrypt_cached(cmk_call *call, const uint8_t *ecek, size_t length,
                                  uint8_t cek[CMK_CEK_LEN])
{
    cmk_cache *cache = call->store->cache;
    const cmk_cache_key key = cmk_cache_key_of(cache, call->path, ecek, length);
    if (cmk_cache_get(cache, &key, core_now_us(), cek, &call->key))
        return ST_OK;
    const core_status st = decrypt(call, ecek, length, cek);
    if (st == ST_OK)
        cmk_cache_put(cache, &key, core_now_us(), cek, call->key);
    return st;
}

core_status cmk_decrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                            const uint8_t *ecek, size_t length, uint8_t cek[CMK_CEK_LEN],
                            core_err *err)
{
    cmk_call call;
    memset(cek, 0, CMK_CEK_LEN);
    core_status st = cmk_call_begin(&call, store, "DecryptCEK", CORE_AUDIT_DATA, path, err);
    if (st == ST_OK)
        st = cmk_call_algorithm(&call, algorithm);
    if (st == ST_OK && (ecek == NULL || length == 0))
        st = core_fail(call.err, ST_FORMAT,
                       "encrypted column encryption key: it is empty; check that the column "
                       "encryption key has a value for this provider");
    if (st == ST_OK)
        st = store->cache != NULL ? decrypt_cached(&call, ecek, length, cek)
                                  : decrypt(&call, ecek, length, cek);
    st = cmk_call_end(&call, st);
    if (st != ST_OK)
        core_wipe(cek, CMK_CEK_LEN);
    return st;
}

core_status cmk_verify_cek(cmk_store *store, const char *path, const char *algorithm,
                           const uint8_t *ecek, size_t length, core_err *err)
{
    cmk_call call;
    cmk_ecek parts;
    bool fresh = false;
    core_status st = cmk_call_begin(&call, store, "VerifyCEK", CORE_AUDIT_DATA, path, err);
    if (st == ST_OK)
        st = cmk_call_algorithm(&call, algorithm);
    if (st == ST_OK)
        st = cmk_call_key(&call, &fresh);
    if (st == ST_OK)
        st = cmk_check_ecek(store, call.key, ecek, length, &parts, call.err);
    return cmk_call_end(&call, st);
}
