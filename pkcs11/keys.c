/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding keys: a table of the token's keys by thumbprint, filled by searches for one key where
 * CKA_ID is the thumbprint (ours), and by reading all keys once where it is not. A search costs a
 * token anything from 3 microseconds to 15 milliseconds for each thousand objects, so none is made
 * for a key that is known.
 */
#include <string.h>
#include "pkcs11/key_private.h"

enum { NOT_FOUND_FOR_US = 5000000, SLOW_SEARCH_US = 5000 };

static unsigned bucket_of(const uint8_t thumb[TOK_THUMB_LEN])
{
    return (thumb[0] | ((unsigned)thumb[1] << 8)) % TOK_KEY_BUCKETS;
}

const tok_key_info *tok_key_about(const tok_key *key)
{
    return &key->info;
}

tok_token *tok_key_token(const tok_key *key)
{
    return key->token;
}

tok_key *tok_key_ref(tok_key *key)
{
    atomic_fetch_add(&key->refs, 1);
    return key;
}

void tok_volatile_add(tok_key *key, CK_SESSION_HANDLE session)
{
    tok_token *token = key->token;

    core_mutex_lock(&token->lock);
    key->own_session = session;
    key->own_epoch = atomic_load(&token->epoch);
    key->next = token->passing;
    token->passing = key;
    core_mutex_unlock(&token->lock);
}

/* Takes one (NULL: any) out of the list, for its session to be closed; false: there is none. */
static bool volatile_take(tok_token *token, const tok_key *key, CK_SESSION_HANDLE *session)
{
    *session = 0;
    core_mutex_lock(&token->lock);
    tok_key **at = &token->passing;
    while (*at != NULL && key != NULL && *at != key)
        at = &(*at)->next;
    tok_key *found = *at;
    if (found != NULL) {
        *at = found->next;
        found->next = NULL;
        /* Sessions of another epoch are gone, and their numbers may be others' by now. */
        *session = found->own_epoch == atomic_load(&token->epoch) ? found->own_session : 0;
        found->own_session = 0;
    }
    core_mutex_unlock(&token->lock);
    return found != NULL;
}

bool tok_volatile_any(tok_token *token)
{
    core_mutex_lock(&token->lock);
    const tok_key *key = token->passing;
    while (key != NULL && key->own_epoch != atomic_load(&token->epoch))
        key = key->next;
    core_mutex_unlock(&token->lock);
    return key != NULL;
}

void tok_volatile_end(tok_token *token)
{
    CK_SESSION_HANDLE session;

    while (volatile_take(token, NULL, &session))
        if (session != 0)
            (void)token->ctx->library.f->C_CloseSession(session);
}

static bool has_session(tok_key *key)
{
    core_mutex_lock(&key->token->lock);
    const bool has = key->own_session != 0;
    core_mutex_unlock(&key->token->lock);
    return has;
}

/* A key whose token does not tell CKA_TOKEN may be released inside the gate; it has no session, and
 * the gate is not entered twice. */
static void volatile_destroy(tok_key *key)
{
    tok_token *token = key->token;
    CK_SESSION_HANDLE session;
    tok_stay stay;

    if (!has_session(key))
        return;
    bool entered = tok_enter(token->ctx, &stay, NULL) == ST_OK;

    /* Its object lives and dies with the session. */
    if (volatile_take(token, key, &session) && session != 0 && entered)
        (void)token->ctx->library.f->C_CloseSession(session);
    if (entered)
        tok_leave(token->ctx, &stay, token->info.label);
}

void tok_key_release(tok_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    if (!key->info.persistent)
        volatile_destroy(key);
    core_rsa_free(atomic_load(&key->software));
    core_free(key);
}

void tok_key_list_free(tok_key **keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tok_key_release(keys[i]);
    core_free(keys);
}

static tok_key *take_out_locked(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
{
    tok_key **at = &token->keys[bucket_of(thumb)];
    while (*at != NULL && memcmp((*at)->info.thumb, thumb, TOK_THUMB_LEN) != 0)
        at = &(*at)->next;
    tok_key *key = *at;
    if (key != NULL) {
        *at = key->next;
        key->next = NULL;
    }
    return key;
}

void tok_keys_put(tok_key *key)
{
    tok_token *token = key->token;
    tok_key **at = &token->keys[bucket_of(key->info.thumb)];

    core_mutex_lock(&token->lock);
    tok_key *old = take_out_locked(token, key->info.thumb);
    if (old != NULL) {
        tok_key_notices_copy(key, old);
        tok_facts_inherit(key, old);
    }
    key->next = *at;
    *at = tok_key_ref(key);
    core_mutex_unlock(&token->lock);
    tok_key_release(old);
}

void tok_keys_remove(tok_key *key)
{
    core_mutex_lock(&key->token->lock);
    tok_key *old = take_out_locked(key->token, key->info.thumb);
    key->token->indexed_at_us = 0;
    core_mutex_unlock(&key->token->lock);
    tok_key_release(old);
    tok_known_remove(key->token, key->info.thumb);
}

void tok_keys_forget(tok_token *token)
{
    tok_ids_forget(token);
    for (size_t i = 0; i < TOK_KEY_BUCKETS; i++) {
        core_mutex_lock(&token->lock);
        tok_key *key = token->keys[i];
        token->keys[i] = NULL;
        token->indexed_at_us = 0;
        core_mutex_unlock(&token->lock);
        tok_known_add(token, key);
        while (key != NULL) {
            tok_key *next = key->next;
            tok_key_release(key);
            key = next;
        }
    }
    tok_known_sort(token);
}

static tok_key *cached(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
{
    core_mutex_lock(&token->lock);
    tok_key *key = token->keys[bucket_of(thumb)];
    while (key != NULL && memcmp(key->info.thumb, thumb, TOK_THUMB_LEN) != 0)
        key = key->next;
    if (key != NULL)
        tok_key_ref(key);
    core_mutex_unlock(&token->lock);
    return key;
}

/* Loads an object that was there a moment ago. One deleted since is ST_HANDLE_LOST; but some tokens
 * say the same of all objects once nobody is logged in. */
static core_status load_found(tok_session *session, CK_OBJECT_HANDLE object,
                              CK_OBJECT_CLASS object_class, tok_key **out, core_err *err)
{
    CK_SESSION_INFO info;
    core_status st = tok_key_load(session, object, object_class, out, err);

    if (st != ST_HANDLE_LOST)
        return st;
    CK_RV rv = session->f->C_GetSessionInfo(session->handle, &info);
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_GetSessionInfo", rv, TOK_CALL_OTHER);
    if (info.state != CKS_RW_USER_FUNCTIONS && info.state != CKS_RO_USER_FUNCTIONS)
        return core_fail(err, ST_LOGIN_LOST, "token \"%s\": %s; %s", session->token->info.label,
                         core_status_text(ST_LOGIN_LOST), core_status_next(ST_LOGIN_LOST));
    return tok_key_load(session, object, object_class, out, err);
}

/* Called for each key of a search; keeps what it wants by tok_key_ref. False ends the search. */
typedef bool (*key_seen)(tok_key *key, void *arg);

static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};

static core_status each_of_class(tok_session *session, const CK_ATTRIBUTE *match,
                                 CK_ULONG match_count, CK_OBJECT_CLASS object_class, key_seen seen,
                                 void *arg, core_err *err)
{
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;
    bool more = true;

    core_status st = tok_search(session, match, match_count, &objects, &count, err);
    for (size_t i = 0; st == ST_OK && more && i < count; i++) {
        tok_key *key = NULL;
        st = load_found(session, objects[i], object_class, &key, err);
        /* Objects of other kinds, one that cannot tell its thumbprint, and one that was deleted
         * since, are none of ours. */
        if (st == ST_NOT_SUPPORTED || st == ST_HANDLE_LOST || st == ST_KEY_USAGE ||
            st == ST_MECHANISM) {
            st = ST_OK;
        } else if (st == ST_OK) {
            more = seen(key, arg);
            tok_key_release(key);
        }
    }
    core_free(objects);
    return st;
}

/* All keys on the token whose `type` attribute is `value` (NULL: all). */
static core_status each_key(tok_session *session, CK_ATTRIBUTE_TYPE type, const void *value,
                            size_t length, key_seen seen, void *arg, core_err *err)
{
    core_status st = ST_OK;
    for (size_t c = 0; st == ST_OK && c < sizeof classes / sizeof classes[0]; c++) {
        CK_BBOOL yes = CK_TRUE;
        CK_OBJECT_CLASS object_class = classes[c];
        CK_ATTRIBUTE match[] = {
            {CKA_CLASS, &object_class, sizeof object_class},
            {CKA_TOKEN, &yes, sizeof yes},
            {type, (void *)(uintptr_t)value, (CK_ULONG)length},
        };
        st = each_of_class(session, match, value != NULL ? 3 : 2, object_class, seen, arg, err);
    }
    return st;
}

/* --- by thumbprint --- */

static bool put_seen(tok_key *key, void *arg)
{
    (void)arg;
    if (!key->info.retired || tok_known_find(key->token, key->info.thumb))
        tok_keys_put(key);
    return true;
}

/* One key whose handle is known by its id. Whether it is the right one, the cache tells. */
static core_status put_object(tok_session *session, const tok_id *id, core_err *err)
{
    tok_key *key = NULL;
    core_status st = load_found(session, id->object, id->object_class, &key, err);

    if (st == ST_NOT_SUPPORTED || st == ST_HANDLE_LOST)
        return ST_OK;
    if (st == ST_OK) {
        (void)put_seen(key, NULL);
        tok_key_release(key);
    }
    return st;
}

static core_status find_by_id(tok_session *session, void *arg, core_err *err)
{
    const uint8_t *thumb = arg;
    tok_token *token = session->token;
    core_status st = ST_OK;
    tok_key *key = NULL;
    tok_id id;

    if (tok_ids_find(token, thumb, &id)) {
        st = put_object(session, &id, err);
        key = cached(session->asker, thumb);
        tok_key_release(key);
    }
    if (st != ST_OK || key != NULL)
        return st;
    uint64_t since = core_now_us();
    st = each_key(session, CKA_ID, thumb, TOK_THUMB_LEN, put_seen, NULL, err);
    if (st == ST_OK && core_now_us() - since > SLOW_SEARCH_US && !tok_ids_known(token))
        st = tok_ids_build(session, err);
    return st;
}

static core_status read_all(tok_session *session, void *arg, core_err *err)
{
    (void)arg;
    core_status st = each_key(session, CKA_ID, NULL, 0, put_seen, NULL, err);
    if (st == ST_OK) {
        core_mutex_lock(&session->asker->lock);
        session->asker->indexed_at_us = core_now_us();
        core_mutex_unlock(&session->asker->lock);
    }
    return st;
}

static bool index_fresh(tok_token *token)
{
    core_mutex_lock(&token->lock);
    uint64_t at = token->indexed_at_us;
    core_mutex_unlock(&token->lock);
    return at != 0 && core_now_us() - at < NOT_FOUND_FOR_US;
}

static core_status search_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_key **out,
                                core_err *err)
{
    core_status st = tok_run(token, find_by_id, (void *)(uintptr_t)thumb, err);
    *out = st == ST_OK ? cached(token, thumb) : NULL;
    if (st == ST_OK && *out == NULL) {
        st = tok_run(token, read_all, NULL, err);
        *out = st == ST_OK ? cached(token, thumb) : NULL;
    }
    return st;
}

static core_status not_found(const tok_token *token, const char *what, core_err *err)
{
    return core_fail(err, ST_NOT_FOUND, "key \"%s\" is not on token \"%s\"; %s", what,
                     token->info.label, core_status_next(ST_NOT_FOUND));
}

core_status tok_key_by_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_key **out,
                             core_err *err)
{
    char hex[2 * TOK_THUMB_LEN + 1];
    core_status st = ST_OK;

    tok_fork_check(token->ctx);
    *out = cached(token, thumb);
    if (*out != NULL)
        return ST_OK;
    core_hex(thumb, TOK_THUMB_LEN, hex);
    if (!tok_turn_take(&token->key_turn, token->config->session_wait_ms)) {
        return core_fail(err, ST_POOL_TIMEOUT, "token \"%s\": another search has not come back",
                         token->info.label);
    }
    *out = cached(token, thumb); /* another thread may have found it meanwhile */
    if (*out == NULL && !index_fresh(token))
        st = search_thumb(token, thumb, out, err);
    tok_turn_give(&token->key_turn);
    if (st == ST_OK && *out == NULL)
        st = not_found(token, hex, err);
    return st;
}

/* --- by name, by label and id --- */

typedef struct wanted {
    const char *name; /* NULL: any */
    const uint8_t *id;
    size_t id_len;
    bool has_id;
    bool rsa_only;
    tok_key *found;
    size_t count;
} wanted;

static bool count_seen(tok_key *key, void *arg)
{
    wanted *want = arg;
    const tok_key_info *info = &key->info;

    if (info->retired || (want->rsa_only && !info->rsa) ||
        (want->name != NULL && strcmp(info->name, want->name) != 0) ||
        (want->has_id &&
         (info->id_len != want->id_len || memcmp(info->id, want->id, info->id_len) != 0)))
        return true;
    if (want->count++ == 0)
        want->found = tok_key_ref(key);
    return true;
}

static core_status find_wanted(tok_session *session, void *arg, core_err *err)
{
    wanted *want = arg;

    tok_key_release(want->found); /* of a first try that failed */
    want->found = NULL;
    want->count = 0;
    if (want->name != NULL)
        return each_key(session, CKA_LABEL, want->name, strlen(want->name), count_seen, want, err);
    return each_key(session, CKA_ID, want->id, want->id_len, count_seen, want, err);
}

core_status tok_keys_named(tok_session *session, const char *name, tok_key **out, size_t *count,
                           core_err *err)
{
    wanted want = {.name = name};
    core_status st = find_wanted(session, &want, err);

    *count = want.count;
    if (out != NULL)
        *out = want.found;
    else
        tok_key_release(want.found);
    return st;
}

static core_status find_one(tok_token *token, wanted *want, const char *what, tok_key **out,
                            core_err *err)
{
    core_status st = tok_run(token, find_wanted, want, err);

    *out = NULL;
    if (st == ST_OK && want->count == 0) {
        st = not_found(token, what, err);
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
    wanted want = {.name = name};
    return find_one(token, &want, name, out, err);
}

core_status tok_key_by_label_id(tok_token *token, const char *label, const uint8_t *id,
                                size_t id_len, tok_key **out, core_err *err)
{
    wanted want = {
        .name = label, .id = id, .id_len = id_len, .has_id = id != NULL, .rsa_only = true};
    return find_one(token, &want, label != NULL ? label : "(by id)", out, err);
}

/* --- all --- */

typedef struct key_array {
    tok_key **keys;
    size_t count, room;
    bool failed;
} key_array;

static bool list_seen(tok_key *key, void *arg)
{
    key_array *array = arg;
    if (array->count == array->room) {
        size_t room = array->room * 2 + 16;
        tok_key **more = core_realloc(array->keys, room * sizeof *more);
        if (more == NULL) {
            array->failed = true;
            return false;
        }
        array->keys = more;
        array->room = room;
    }
    array->keys[array->count++] = tok_key_ref(key);
    return true;
}

static core_status list_all(tok_session *session, void *arg, core_err *err)
{
    key_array *array = arg;
    tok_key_list_free(array->keys, array->count);
    memset(array, 0, sizeof *array);
    core_status st = each_key(session, CKA_ID, NULL, 0, list_seen, array, err);
    if (st == ST_OK && array->failed)
        st = core_fail(err, ST_NO_MEMORY, "out of memory for the keys of the token");
    return st;
}

core_status tok_key_list(tok_token *token, tok_key ***out, size_t *count, core_err *err)
{
    key_array array = {0};
    core_status st = tok_run(token, list_all, &array, err);

    *out = NULL;
    *count = 0;
    if (st != ST_OK) {
        tok_key_list_free(array.keys, array.count);
        return st;
    }
    for (size_t i = 0; i < array.count; i++)
        (void)put_seen(array.keys[i], NULL);
    *out = array.keys;
    *count = array.count;
    return ST_OK;
}
