/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the object handle of a key, again after a new login or re-initialization. Tokens reuse
 * handles, so a handle is accepted only if the key that it names has the same thumbprint.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* A search for the object of one known key. */
typedef struct key_search {
    const tok_session *session;
    tok_key *key;
    const char *const *names; /* two labels; it must have one of them; NULL: any */
    bool found;
    size_t alike; /* objects that look like the key, if it is not known by its thumbprint alone */
} key_search;

/* Compares label and id, for a key without a known thumbprint. */
static bool looks_alike(const tok_key_info *a, const tok_key_info *b)
{
    return strcmp(a->name, b->name) == 0 && a->id_len == b->id_len &&
           memcmp(a->id, b->id, a->id_len) == 0;
}

/* True if the other key has one of the two labels. A key that was read with an empty label matches
 * any label, because SoftHSM under load may return an empty one. The id is compared only if there
 * is no thumbprint: the id of a new key may have been read before it was set. */
static bool is_named(const key_search *same, const tok_key_info *other)
{
    const tok_key_info *info = &same->key->info;

    if (!info->identified &&
        (other->id_len != info->id_len || memcmp(other->id, info->id, info->id_len) != 0))
        return false;
    return (info->identified && info->name[0] == 0) || strcmp(other->name, same->names[0]) == 0 ||
           strcmp(other->name, same->names[1]) == 0;
}

/* For tok_scan: notes the handle if the other key is the one searched for. */
static bool note_if_same(tok_key *other, void *arg)
{
    key_search *same = arg;
    const tok_key_info *info = &same->key->info;
    /* For use, copies of a key count as one key; for renaming and destroying they do not. */
    const bool identified = info->identified && same->names == NULL;

    if (info->identified && memcmp(other->info.thumb, info->thumb, TOK_THUMB_LEN) != 0)
        return true;
    if (same->names != NULL ? !is_named(same, &other->info)
                            : !identified && !looks_alike(&other->info, info))
        return true;
    same->found = identified || ++same->alike == 1;
    tok_key_state_copy(same->key, other);
    tok_key_note_handle(same->session, same->key,
                        atomic_load(&other->handles[same->session->member_index].handle));
    return !identified; /* go on: a second match makes it ambiguous */
}

/* Searches by CKA_ID, then by label, then among all keys of the class. The last two searches may
 * use other symmetric keys to compute their thumbprints. */
static core_status find_object(tok_session *session, tok_key *key, const char *const *names,
                               core_err *err)
{
    const tok_key_info *info = &key->info;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &key->object_class, sizeof key->object_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {0, NULL, 0},
    };
    const CK_ATTRIBUTE narrow[] = {
        {CKA_ID, (void *)(uintptr_t)info->id, (CK_ULONG)info->id_len},
        {CKA_LABEL, (void *)(uintptr_t)info->name, (CK_ULONG)strlen(info->name)},
    };
    key_search same = {session, key, names, false, 0};
    tok_scan scan = {.seen = note_if_same, .arg = &same, .thumbs = info->identified};
    core_status st = ST_OK;

    for (size_t i = 0;
         st == ST_OK && !same.found && same.alike == 0 && i < sizeof narrow / sizeof narrow[0];
         i++) {
        match[2] = narrow[i];
        if (narrow[i].ulValueLen > 0)
            st = tok_scan_objects(session, match, 3, key->object_class, &scan, err);
    }
    const core_status bad = scan.bad; /* an object with this key's id or label cannot be read */
    if (st == ST_OK && !same.found && same.alike == 0)
        st = tok_scan_objects(session, match, 2, key->object_class, &scan, err);
    if (st == ST_OK && names != NULL && same.alike > 1) {
        return core_fail(err, ST_KEY_AMBIGUOUS,
                         "key \"%s\": token \"%s\" has %zu objects with its name and "
                         "thumbprint; give one of them another label with the vendor's tool",
                         info->name, session->token->info.label, same.alike);
    }
    if (st != ST_OK || same.found)
        return st;
    if (bad != ST_OK) {
        return core_fail(err, bad, "key \"%s\" cannot be read: %s", info->name,
                         core_err_text(&scan.why, bad));
    }
    return core_fail(err, ST_HANDLE_LOST, "key \"%s\" is no longer on token \"%s\"; %s", info->name,
                     session->token->info.label, core_status_next(ST_HANDLE_LOST));
}

/* True if *out is a handle of the current generation. The generation is read before and after the
 * handle, because tok_key_note_handle may run in another thread. */
static bool is_handle_known(const tok_session *session, const tok_key_handles *handles,
                            CK_OBJECT_HANDLE *out)
{
    const uint64_t handle_generation = tok_token_handle_generation(session->token);
    const bool was_current = atomic_load(&handles->handle_generation) == handle_generation;

    *out = atomic_load(&handles->handle);
    return was_current && atomic_load(&handles->handle_generation) == handle_generation;
}

core_status tok_key_find(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out, core_err *err)
{
    const tok_key_handles *handles = &key->handles[session->member_index];

    /* No other process sees or changes a session key, so its handle needs no search. */
    if (!key->info.persistent) {
        return is_handle_known(session, handles, out)
                   ? ST_OK
                   : core_fail(err, ST_HANDLE_LOST,
                               "key \"%s\" was a session key and is lost with its session or login",
                               key->info.name);
    }
    core_status st = find_object(session, key, NULL, err);
    *out = atomic_load(&handles->handle);
    return st;
}

core_status tok_key_find_named(tok_session *session, tok_key *key, const char *other_name,
                               CK_OBJECT_HANDLE *out, core_err *err)
{
    enum { TRIES = 4, PAUSE_MS = 10 };
    const char *names[2] = {key->info.name, other_name != NULL ? other_name : key->info.name};

    if (!key->info.persistent)
        return tok_key_find(session, key, out, err);
    core_status st = find_object(session, key, names, err);
    /* SoftHSM under load may return an empty label. A repeated search finds the key. */
    for (unsigned i = 1; i < TRIES && st == ST_HANDLE_LOST; i++) {
        core_sleep_ms(PAUSE_MS * i);
        st = find_object(session, key, names, err);
    }
    *out = st == ST_OK ? atomic_load(&key->handles[session->member_index].handle) : 0;
    return st;
}

core_status tok_key_handle(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out, core_err *err)
{
    tok_key_handles *handles = &key->handles[session->member_index];
    core_status st = ST_HANDLE_LOST;

    if (is_handle_known(session, handles, out))
        st = tok_key_proof_due(session, key) ? tok_key_prove(session, key, *out, err) : ST_OK;
    if (st != ST_HANDLE_LOST)
        return st;
    return tok_key_find(session, key, out, err);
}

core_status tok_key_invalidate_if_lost(tok_key *key, core_status st)
{
    /* An administrator may have disabled this use of the key. */
    if (st == ST_KEY_USAGE)
        tok_key_doubt(key);
    for (unsigned i = 0; st == ST_HANDLE_LOST && i < CORE_GROUP_MOST; i++)
        atomic_store(&key->handles[i].handle_generation, 0);
    return st;
}

EVP_PKEY *tok_key_software(tok_key *key)
{
    EVP_PKEY *made;
    EVP_PKEY *none = NULL;
    EVP_PKEY *have = atomic_load(&key->software);

    if (have != NULL || !key->info.rsa)
        return have;
    made = core_rsa_public(key->info.modulus, key->info.modulus_len, key->info.exponent,
                           key->info.exponent_len);
    if (made != NULL && !atomic_compare_exchange_strong(&key->software, &none, made)) {
        core_rsa_free(made);
        return none;
    }
    return made;
}
