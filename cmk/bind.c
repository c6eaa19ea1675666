/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps key paths to keys. The store finds each token and logs in to it once, and keeps the key of
 * each path, so that a decryption needs no search.
 */
#include "cmk/store_private.h"

#include <string.h>
#include "core/platform.h"

#define BINDING_US ((uint64_t)CMK_BINDING_SECONDS * 1000000)

/* The login to a token: created at the first use, kept until the store is closed. */
static cmk_login *login_locked(const cmk_store *store, const tok_token *token)
    CORE_REQUIRES(store->lock)
{
    cmk_login *login = store->logins;
    while (login != NULL && login->token != token)
        login = login->next;
    return login;
}

static cmk_login *login_of(cmk_store *store, tok_token *token)
{
    core_lock_acquire(&store->lock);
    cmk_login *login = login_locked(store, token);
    core_lock_release(&store->lock);
    if (login != NULL)
        return login;
    cmk_login *fresh = core_calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    *fresh = (cmk_login){.lock = CORE_LOCK_INIT};
    core_lock_acquire(&store->lock);
    login = login_locked(store, token); /* another thread may have added it */
    if (login == NULL) {
        fresh->token = tok_token_ref(token);
        fresh->next = store->logins;
        store->logins = login = fresh;
        fresh = NULL;
    }
    core_lock_release(&store->lock);
    core_free(fresh);
    return login;
}

/* Logs in once. Only calls for this token wait for a slow C_Login. `default_token`: the token is
 * that of the store, whose PIN the store was opened with; the PIN is wiped after the login. */
static core_status log_in(cmk_store *store, tok_token *token, bool default_token, core_err *err)
{
    cmk_login *login = login_of(store, token);
    core_status st = ST_OK;
    if (login == NULL)
        return core_fail(err, ST_NO_MEMORY, "token \"%s\": out of memory",
                         tok_token_info_of(token)->label);
    core_lock_acquire(&login->lock);
    if (!atomic_load(&login->in)) {
        const bool pin = default_token && store->pin.length != 0;
        st = tok_token_login(token, pin ? (const char *)store->pin.data : NULL,
                             pin ? store->pin.length : 0, err);
        if (st == ST_OK && pin)
            core_secret_close(&store->pin);
        atomic_store(&login->in, st == ST_OK);
    }
    core_lock_release(&login->lock);
    return st;
}

/* The default token of the store; NULL if it was opened without one. It is valid until the store is
 * closed. */
static core_status default_token_of(cmk_store *store, tok_token **out, core_err *err)
{
    core_lock_acquire(&store->lock);
    *out = store->token;
    core_lock_release(&store->lock);
    if (*out != NULL || store->token_name == NULL)
        return ST_OK;
    tok_token *found = NULL;
    const core_status st = tok_token_find(store->ctx, store->token_name, &found, err);
    if (st != ST_OK)
        return st;
    core_lock_acquire(&store->lock);
    if (store->token == NULL) {
        store->token = found;
        found = NULL;
    }
    *out = store->token;
    core_lock_release(&store->lock);
    if (found != NULL)
        tok_token_release(found);
    return ST_OK;
}

core_status cmk_store_login(cmk_store *store, core_err *err)
{
    tok_token *default_token = NULL;
    const core_status st = default_token_of(store, &default_token, err);
    return st == ST_OK && default_token != NULL ? log_in(store, default_token, true, err) : st;
}

/* Finds the token of a path and logs in to it. */
static core_status find_token(cmk_store *store, const tok_uri *uri, tok_token **out, core_err *err)
{
    tok_token *token = NULL, *default_token = NULL;
    core_status st = default_token_of(store, &default_token, err);
    if (st == ST_OK)
        st = cmk_path_token(store->ctx, default_token, uri, &token, err);
    if (st == ST_OK)
        st = log_in(store, token, token == default_token, err);
    if (st == ST_OK)
        *out = token;
    else if (token != NULL)
        tok_token_release(token);
    return st;
}

/* The algorithm name in `algorithms` that covers an RSA key: the one of its size, else of the next
 * smaller size that has a name, else the smallest. */
static core_algorithm governing_name(unsigned bits)
{
    static const core_algorithm sizes[] = {CORE_ALG_RSA_4096, CORE_ALG_RSA_3072, CORE_ALG_RSA_2048};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (bits >= core_algorithm_bits(sizes[i]))
            return sizes[i];
    return CORE_ALG_RSA_1024;
}

static core_status check_policy(const tok_key *key, core_err *err)
{
    const tok_key_info *info = tok_key_info_of(key);
    const core_algorithm name = governing_name(info->bits);
    if ((tok_token_config(tok_key_token(key))->algorithms & 1U << name) != 0)
        return ST_OK;
    return core_fail(
        err, ST_POLICY,
        "key \"%s\" on token \"%s\": the policy does not allow RSA keys of %u bits; add "
        "%s to algorithms in the configuration, or rotate to a key that it allows",
        info->name, tok_token_info_of(tok_key_token(key))->label, info->bits,
        core_algorithm_tag(name));
}

static core_status find_key(cmk_store *store, const char *path, tok_key **out, core_err *err)
{
    tok_token *token = NULL;
    tok_uri uri;
    core_status st = cmk_path_parse(path, &uri, err);
    if (st != ST_OK)
        return st;
    st = find_token(store, &uri, &token, err);
    if (st == ST_OK)
        st = cmk_path_key(token, &uri, out, err);
    if (st == ST_OK && (st = check_policy(*out, err)) != ST_OK) {
        tok_key_release(*out);
        *out = NULL;
    }
    if (token != NULL)
        tok_token_release(token);
    tok_uri_free(&uri);
    return st;
}

static cmk_binding *binding_locked(cmk_store *store, const char *path) CORE_REQUIRES(store->lock)
{
    for (size_t i = 0; i < CMK_BINDINGS; i++) {
        cmk_binding *b = &store->bindings[i];
        if (b->path != NULL && strcmp(b->path, path) == 0)
            return b;
    }
    return NULL;
}

/* Removes a binding. The caller releases its members after it has released the lock. */
static cmk_binding remove_locked(cmk_binding *b)
{
    const cmk_binding old = *b;
    *b = (cmk_binding){0};
    return old;
}

static void binding_release(cmk_binding *b)
{
    core_free(b->path);
    if (b->key != NULL)
        tok_key_release(b->key);
    *b = (cmk_binding){0};
}

/* The binding of this path, else the least recently used one. An empty binding counts as never
 * used. */
static cmk_binding *replaceable_binding_locked(cmk_store *store, const char *path)
    CORE_REQUIRES(store->lock)
{
    cmk_binding *best = binding_locked(store, path);
    if (best != NULL)
        return best;
    best = &store->bindings[0];
    for (size_t i = 1; i < CMK_BINDINGS; i++)
        if (store->bindings[i].used < best->used)
            best = &store->bindings[i];
    return best;
}

static core_status remember(cmk_store *store, const char *path, tok_key *key, core_err *err)
{
    cmk_binding fresh = {.path = core_strdup(path), .key = tok_key_ref(key)};
    if (fresh.path == NULL) {
        binding_release(&fresh);
        return core_fail(err, ST_NO_MEMORY, "key path: out of memory");
    }
    fresh.until_us = core_now_us() + BINDING_US;
    core_lock_acquire(&store->lock);
    cmk_binding *slot = replaceable_binding_locked(store, path);
    cmk_binding old = remove_locked(slot);
    fresh.used = ++store->uses;
    *slot = fresh;
    core_lock_release(&store->lock);
    binding_release(&old);
    return ST_OK;
}

/* Returns the bound key of a path with a reference; NULL if there is no binding or it has expired.
 * `renew`: ignore and renew the expiry. */
static tok_key *recall(cmk_store *store, const char *path, bool renew)
{
    tok_key *key = NULL;
    const uint64_t now = core_now_us();
    core_lock_acquire(&store->lock);
    cmk_binding *b = binding_locked(store, path);
    if (b != NULL && (renew || now < b->until_us)) {
        b->used = ++store->uses;
        b->until_us = renew ? now + BINDING_US : b->until_us;
        key = tok_key_ref(b->key);
    }
    core_lock_release(&store->lock);
    return key;
}

core_status cmk_bind_fresh(cmk_store *store, const char *path, tok_key **out, core_err *err)
{
    tok_key *key = NULL;
    *out = NULL;
    core_status st = find_key(store, path, &key, err);
    if (st == ST_OK)
        st = remember(store, path, key, err);
    if (st == ST_OK)
        *out = key;
    else if (key != NULL)
        tok_key_release(key);
    return st;
}

/* If the search finds no key of this name, the bound key was retired or removed. An open key that
 * was retired still decrypts. If the key was removed or disabled, its next use fails. */
core_status cmk_bind(cmk_store *store, const char *path, tok_key **out, bool *fresh, core_err *err)
{
    *out = recall(store, path, false);
    *fresh = *out == NULL;
    if (!*fresh)
        return ST_OK;
    const core_status st = cmk_bind_fresh(store, path, out, err);
    if (st != ST_NOT_FOUND)
        return st;
    *out = recall(store, path, true);
    *fresh = *out == NULL;
    return *fresh ? st : ST_OK;
}

void cmk_unbind(cmk_store *store, const char *path)
{
    cmk_binding old = {0};
    core_lock_acquire(&store->lock);
    cmk_binding *b = binding_locked(store, path);
    if (b != NULL)
        old = remove_locked(b);
    core_lock_release(&store->lock);
    binding_release(&old);
}

void cmk_bind_close(cmk_store *store)
    CORE_NO_ANALYSIS /* the last reference: no other thread has the store */
{
    for (size_t i = 0; i < CMK_BINDINGS; i++)
        binding_release(&store->bindings[i]);
    while (store->logins != NULL) {
        cmk_login *login = store->logins;
        store->logins = login->next;
        if (atomic_load(&login->in))
            tok_token_logout(login->token);
        tok_token_release(login->token);
        core_lock_destroy(&login->lock);
        core_free(login);
    }
    if (store->token != NULL)
        tok_token_release(store->token);
    core_secret_close(&store->pin);
}
