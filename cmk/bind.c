/* SPDX-License-Identifier: Apache-2.0
 *
 * From a key path to a key: the token is found and logged in to once, and the key remembered, so
 * that a decryption costs no search.
 */
#include "cmk/store_private.h"

#include <string.h>
#include "core/platform.h"

/* The store's own token, when it was opened with one. */
static core_status given_locked(cmk_store *store, core_err *err)
{
    if (store->token_name == NULL || store->token != NULL)
        return ST_OK;
    return tok_token_find(store->ctx, store->token_name, &store->token, err);
}

static bool logged_in_locked(const cmk_store *store, const tok_token *token)
{
    size_t i = 0;
    while (i < store->token_count && store->tokens[i] != token)
        i++;
    return i < store->token_count;
}

static core_status login_locked(cmk_store *store, tok_token *token, core_err *err)
{
    if (logged_in_locked(store, token))
        return ST_OK;
    tok_token **more = core_realloc(store->tokens, (store->token_count + 1) * sizeof *more);
    if (more == NULL)
        return core_fail(err, ST_NO_MEMORY, "token \"%s\": out of memory",
                         tok_token_about(token)->label);
    store->tokens = more;
    const bool own = token == store->token && store->pin.length != 0;
    const core_status st = tok_token_login(token, own ? (const char *)store->pin.data : NULL,
                                           own ? store->pin.length : 0, err);
    if (st != ST_OK)
        return st;
    store->tokens[store->token_count] = tok_token_ref(token);
    store->token_count++;
    if (own)
        core_secret_close(&store->pin);
    return ST_OK;
}

core_status cmk_store_login(cmk_store *store, core_err *err)
{
    core_lock_take(&store->login);
    core_status st = given_locked(store, err);
    if (st == ST_OK && store->token != NULL)
        st = login_locked(store, store->token, err);
    core_lock_give(&store->login);
    return st;
}

/* The token of a path, logged in to. */
static core_status find_token(cmk_store *store, const tok_uri *uri, tok_token **out, core_err *err)
{
    tok_token *token = NULL;
    core_lock_take(&store->login);
    core_status st = given_locked(store, err);
    if (st == ST_OK)
        st = cmk_path_token(store->ctx, store->token, uri, &token, err);
    if (st == ST_OK)
        st = login_locked(store, token, err);
    core_lock_give(&store->login);
    if (st == ST_OK)
        *out = token;
    else if (token != NULL)
        tok_token_release(token);
    return st;
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
    if (token != NULL)
        tok_token_release(token);
    tok_uri_free(&uri);
    return st;
}

static cmk_binding *binding_locked(cmk_store *store, const char *path)
{
    for (size_t i = 0; i < CMK_BINDINGS; i++) {
        cmk_binding *b = &store->bindings[i];
        if (b->path != NULL && strcmp(b->path, path) == 0)
            return b;
    }
    return NULL;
}

/* Takes a binding out; the caller releases what was in it without the lock. */
static cmk_binding take_out_locked(cmk_binding *b)
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

/* The one of this path, else the least recently used; an empty one was never used. */
static cmk_binding *place_locked(cmk_store *store, const char *path)
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
    fresh.until_us = core_now_us() + (uint64_t)CMK_BINDING_SECONDS * 1000000;
    core_lock_take(&store->lock);
    cmk_binding *place = place_locked(store, path);
    cmk_binding old = take_out_locked(place);
    fresh.used = ++store->uses;
    *place = fresh;
    core_lock_give(&store->lock);
    binding_release(&old);
    return ST_OK;
}

static tok_key *recall(cmk_store *store, const char *path)
{
    tok_key *key = NULL;
    const uint64_t now = core_now_us();
    core_lock_take(&store->lock);
    cmk_binding *b = binding_locked(store, path);
    if (b != NULL && now < b->until_us) {
        b->used = ++store->uses;
        key = tok_key_ref(b->key);
    }
    core_lock_give(&store->lock);
    return key;
}

core_status cmk_bind_fresh(cmk_store *store, const char *path, tok_key **out, core_err *err)
{
    tok_key *key = NULL;
    *out = NULL;
    core_status st = find_key(store, path, &key, err);
    if (st == ST_OK)
        st = remember(store, path, key, err);
    else
        cmk_unbind(store, path);
    if (st == ST_OK)
        *out = key;
    else if (key != NULL)
        tok_key_release(key);
    return st;
}

core_status cmk_bind(cmk_store *store, const char *path, tok_key **out, core_err *err)
{
    *out = recall(store, path);
    return *out != NULL ? ST_OK : cmk_bind_fresh(store, path, out, err);
}

void cmk_unbind(cmk_store *store, const char *path)
{
    cmk_binding old = {0};
    core_lock_take(&store->lock);
    cmk_binding *b = binding_locked(store, path);
    if (b != NULL)
        old = take_out_locked(b);
    core_lock_give(&store->lock);
    binding_release(&old);
}

void cmk_bind_close(cmk_store *store)
{
    for (size_t i = 0; i < CMK_BINDINGS; i++)
        binding_release(&store->bindings[i]);
    for (size_t i = 0; i < store->token_count; i++) {
        tok_token_logout(store->tokens[i]);
        tok_token_release(store->tokens[i]);
    }
    core_free(store->tokens);
    if (store->token != NULL)
        tok_token_release(store->token);
    core_secret_close(&store->pin);
}
