/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds keys by thumbprint, by name, and by label and id. A key by thumbprint comes from the cache
 * of the token. If it is not cached, a search by CKA_ID finds the keys that this library created,
 * and reading all keys once finds the others. A search takes 3 microseconds to 15 milliseconds for
 * each 1000 objects on the token, so a cached key needs none.
 */
#include <string.h>
#include "core/text.h"
#include "pkcs11/keys/keys_private.h"

enum { NOT_FOUND_FOR_US = 5000000, SLOW_SEARCH_US = 5000 };

/* --- by thumbprint --- */

/* For tok_scan: caches the key. `arg` is the thumbprint that is looked for. Needs the key lock. */
static bool cache_key(tok_key *key, void *arg)
{
    if (!key->info.retired || tok_known_find(key->token, key->info.thumb))
        tok_keys_put(key);
    else if (memcmp(key->info.thumb, arg, TOK_THUMB_LEN) == 0)
        tok_passed_retired(&key->token->passed, key->info.name);
    return true;
}

/* The same, but ends the scan at the key with the thumbprint. */
static bool cache_until_found(tok_key *key, void *arg)
{
    return cache_key(key, arg) &&
           (key->info.retired || memcmp(key->info.thumb, arg, TOK_THUMB_LEN) != 0);
}

/* Fails because a matching key cannot be read. ST_NOT_FOUND would be wrong: the key exists. */
static core_status fail_unreadable(const tok_scan *scan, core_err *err)
{
    return core_fail(err, scan->bad, "a key that fits cannot be read: %s",
                     core_err_text(&scan->why, scan->bad));
}

static core_status find_by_id(tok_session *session, void *arg, core_err *err)
{
    const uint8_t *thumb = arg;
    tok_token *token = session->token;
    tok_scan scan = {.seen = cache_until_found, .arg = arg, .thumbs = true};
    core_status st = ST_OK;
    tok_id id;

    /* The caller looks in the cache, so a stale index entry does no harm. */
    if (tok_ids_find(token, thumb, &id))
        st = tok_scan_object(session, id.object, id.object_class, &scan, err);
    if (st != ST_OK || scan.done)
        return st;
    scan.passed = &session->owner->passed; /* what matches has the thumbprint as its CKA_ID */
    uint64_t since = core_now_us();
    st = tok_scan_keys(session, TOK_ALL_KEYS, CKA_ID, thumb, TOK_THUMB_LEN, &scan, err);
    if (st == ST_OK && core_now_us() - since > SLOW_SEARCH_US && !tok_ids_known(token))
        st = tok_ids_build(session, err);
    return st == ST_OK && !scan.done && scan.bad != ST_OK ? fail_unreadable(&scan, err) : st;
}

/* Reads all RSA keys, whose thumbprints need no use of the key. If the key is not among them, reads
 * symmetric keys, each of which encrypts one block for its thumbprint, until it is found. */
static core_status read_all(tok_session *session, void *arg, core_err *err)
{
    tok_scan rsa = {.seen = cache_key, .arg = arg};
    tok_scan secret = {.seen = cache_until_found, .arg = arg, .thumbs = true};

    core_status st = tok_scan_keys(session, TOK_PRIVATE_KEYS, CKA_ID, NULL, 0, &rsa, err);
    tok_key *found = tok_keys_cached(session->owner, arg);
    if (st != ST_OK || found != NULL) {
        tok_key_release(found);
        return st;
    }
    st = tok_scan_keys(session, TOK_SECRET_KEYS, CKA_ID, NULL, 0, &secret, err);
    if (st == ST_OK && !secret.done) {
        core_mutex_lock(&session->owner->lock);
        session->owner->indexed_at_us = core_now_us();
        core_mutex_unlock(&session->owner->lock);
    }
    return st;
}

/* True if all keys were read less than NOT_FOUND_FOR_US ago, so that a key that is not cached is
 * not on the token. */
static bool is_index_fresh(tok_token *token)
{
    core_mutex_lock(&token->lock);
    uint64_t at = token->indexed_at_us;
    core_mutex_unlock(&token->lock);
    return at != 0 && core_now_us() - at < NOT_FOUND_FOR_US;
}

static core_status search_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_key **out,
                                core_err *err)
{
    token->passed.any = false;
    memcpy(token->passed_thumb, thumb, TOK_THUMB_LEN);
    core_status st = tok_execute(token, find_by_id, (void *)(uintptr_t)thumb, err);
    *out = st == ST_OK ? tok_keys_cached(token, thumb) : NULL;
    if (st == ST_OK && *out == NULL) {
        st = tok_execute(token, read_all, (void *)(uintptr_t)thumb, err);
        *out = st == ST_OK ? tok_keys_cached(token, thumb) : NULL;
    }
    return st;
}

/* Fails with ST_NOT_FOUND, or with the reason noted by the last search if that was for the same
 * thumbprint. Needs the key lock. */
static core_status fail_not_found(const tok_token *token, const uint8_t thumb[TOK_THUMB_LEN],
                                  core_err *err)
{
    static const tok_passed none;
    const bool same = memcmp(token->passed_thumb, thumb, TOK_THUMB_LEN) == 0;
    char hex[2 * TOK_THUMB_LEN + 1];

    core_hex(thumb, TOK_THUMB_LEN, hex);
    return tok_passed_fail(token, same ? &token->passed : &none, hex, err);
}

core_status tok_key_by_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_key **out,
                             core_err *err)
{
    core_status st = ST_OK;

    tok_fork_check(token->ctx);
    *out = tok_keys_cached(token, thumb);
    if (*out != NULL)
        return ST_OK;
    if (!tok_timed_lock_acquire(&token->key_lock, token->config->session_wait_ms)) {
        return core_fail(err, ST_POOL_TIMEOUT, "token \"%s\": another search has not come back",
                         token->info.label);
    }
    *out = tok_keys_cached(token, thumb); /* another thread may have found it by now */
    if (*out == NULL && !is_index_fresh(token))
        st = search_thumb(token, thumb, out, err);
    if (st == ST_OK && *out == NULL)
        st = fail_not_found(token, thumb, err);
    tok_timed_lock_release(&token->key_lock);
    return st;
}

/* --- by name, by label and id --- */

typedef struct key_query {
    const char *name; /* NULL: any */
    const uint8_t *id;
    size_t id_len;
    bool has_id;
    bool rsa_only;
    bool count_only; /* use no symmetric key for its thumbprint */
    tok_key *found;
    size_t count;
    tok_passed passed;
} key_query;

/* For tok_scan: counts the matching keys and keeps the first. */
static bool count_match(tok_key *key, void *arg)
{
    key_query *want = arg;
    const tok_key_info *info = &key->info;

    if ((want->rsa_only && !info->rsa) ||
        (want->name != NULL && strcmp(info->name, want->name) != 0) ||
        (want->has_id &&
         (info->id_len != want->id_len || memcmp(info->id, want->id, info->id_len) != 0)))
        return true;
    if (info->retired) {
        tok_passed_retired(&want->passed, info->name);
        return true;
    }
    if (want->count++ == 0)
        want->found = tok_key_ref(key);
    return true;
}

static core_status find_matches(tok_session *session, void *arg, core_err *err)
{
    key_query *want = arg;
    const unsigned which = want->rsa_only ? TOK_PRIVATE_KEYS : TOK_ALL_KEYS;
    tok_scan scan = {
        .seen = count_match, .passed = &want->passed, .arg = want, .thumbs = !want->count_only};
    core_status st;

    tok_key_release(want->found); /* of an earlier try of this operation */
    want->found = NULL;
    want->count = 0;
    want->passed.any = false;
    if (want->name == NULL)
        st = tok_scan_keys(session, which, CKA_ID, want->id, want->id_len, &scan, err);
    else
        st = tok_scan_keys(session, which, CKA_LABEL, want->name, strlen(want->name), &scan, err);
    if (st == ST_OK && want->name != NULL && want->count == 0 && scan.bad == ST_OK)
        st = tok_scan_padded(session, which, want->name, &scan, err);
    if (st != ST_OK || want->count > 0 || scan.bad == ST_OK)
        return st;
    if (want->count_only) /* the unreadable object has the name */
        want->count = 1;
    return want->count_only ? ST_OK : fail_unreadable(&scan, err);
}

core_status tok_keys_named(tok_session *session, const char *name, size_t *count, core_err *err)
{
    key_query want = {.name = name, .count_only = true};
    core_status st = find_matches(session, &want, err);

    *count = want.count;
    tok_key_release(want.found);
    return st;
}

static core_status find_one(tok_token *token, key_query *want, const char *what, tok_key **out,
                            core_err *err)
{
    core_status st = tok_execute(token, find_matches, want, err);

    *out = NULL;
    if (st == ST_OK && want->count == 0) {
        st = tok_passed_fail(token, &want->passed, what, err);
    } else if (st == ST_OK && want->count > 1) {
        st = core_fail(err, ST_KEY_AMBIGUOUS, "key \"%s\": %zu keys on token \"%s\" match; %s",
                       what, want->count, token->info.label, core_status_next(ST_KEY_AMBIGUOUS));
    }
    if (st == ST_OK) {
        tok_keys_put(want->found);
        *out = want->found;
    } else {
        tok_key_release(want->found);
    }
    return st;
}

core_status tok_key_by_name(tok_token *token, const char *name, tok_key **out, core_err *err)
{
    key_query want = {.name = name};
    uint8_t thumb[TOK_THUMB_LEN];
    size_t length = sizeof thumb;

    core_status st = find_one(token, &want, name, out, err);
    /* A key whose label is not text is shown by its thumbprint, so the thumbprint must open it. */
    if (st == ST_NOT_FOUND && core_unhex(name, thumb, &length) == ST_OK && length == sizeof thumb)
        st = tok_key_by_thumb(token, thumb, out, err);
    return st;
}

core_status tok_key_by_label_id(tok_token *token, const char *label, const uint8_t *id,
                                size_t id_len, tok_key **out, core_err *err)
{
    key_query want = {
        .name = label, .id = id, .id_len = id_len, .has_id = id != NULL, .rsa_only = true};
    return find_one(token, &want, label != NULL ? label : "(by id)", out, err);
}
