/* SPDX-License-Identifier: Apache-2.0
 *
 * One open session of SQL Server: its login to a token, and its session keys, which only this
 * session sees and which end with it.
 */
#include <string.h>
#include "core/memory.h"
#include "ekm/ekm_private.h"

/* On success the session owns the reference to `token` and its login. */
core_status ekm_session_new(tok_token *token, const char *identity, ekm_session **out)
{
    *out = NULL;
    ekm_session *session = core_calloc(1, sizeof *session);
    if (!session)
        return ST_NO_MEMORY;
    session->identity = core_strdup(identity);
    if (!session->identity) {
        core_free(session);
        return ST_NO_MEMORY;
    }
    session->token = token;
    session->lock = (core_lock)CORE_LOCK_INIT;
    core_log_unlocked();
    *out = session;
    return ST_OK;
}

void ekm_session_free(ekm_session *session)
{
    for (size_t n = 0; n < session->session_key_count; n++)
        tok_key_release(session->session_keys[n]);
    tok_token_logout(session->token);
    tok_token_release(session->token);
    core_lock_destroy(&session->lock);
    core_free(session->session_keys);
    core_free(session->ids);
    core_free(session->by_thumb);
    core_free(session->identity);
    core_free(session);
}

tok_key *ekm_session_key_by_thumb(ekm_session *session, const uint8_t thumb[TOK_THUMB_LEN])
{
    tok_key *found = NULL;
    if (session->session_key_count == 0) /* the usual case: every call reads this first */
        return NULL;
    core_lock_acquire(&session->lock);
    for (size_t n = 0; n < session->session_key_count && !found; n++) {
        if (memcmp(tok_key_info_of(session->session_keys[n])->thumb, thumb, TOK_THUMB_LEN) == 0)
            found = tok_key_ref(session->session_keys[n]);
    }
    core_lock_release(&session->lock);
    return found;
}

static tok_key *key_by_name_locked(const ekm_session *session, const char *name)
    CORE_REQUIRES(session->lock)
{
    for (size_t n = 0; n < session->session_key_count; n++) {
        if (strcmp(tok_key_info_of(session->session_keys[n])->name, name) == 0)
            return session->session_keys[n];
    }
    return NULL;
}

tok_key *ekm_session_key_by_name(ekm_session *session, const char *name)
{
    core_lock_acquire(&session->lock);
    tok_key *found = key_by_name_locked(session, name);
    if (found)
        found = tok_key_ref(found);
    core_lock_release(&session->lock);
    return found;
}

core_status ekm_session_key_add(ekm_session *session, tok_key *key)
{
    core_status st = ST_KEY_EXISTS;
    core_lock_acquire(&session->lock);
    if (!key_by_name_locked(session, tok_key_info_of(key)->name)) {
        size_t size = (session->session_key_count + 1) * sizeof(tok_key *);
        tok_key **keys = core_realloc(session->session_keys, size);
        st = keys ? ST_OK : ST_NO_MEMORY;
        if (keys) {
            keys[session->session_key_count++] = tok_key_ref(key);
            session->session_keys = keys;
        }
    }
    core_lock_release(&session->lock);
    return st;
}

void ekm_session_key_remove(ekm_session *session, const tok_key *key)
{
    tok_key *removed = NULL;
    core_lock_acquire(&session->lock);
    for (size_t n = 0; n < session->session_key_count && !removed; n++) {
        if (session->session_keys[n] == key) {
            removed = session->session_keys[n];
            session->session_keys[n] = session->session_keys[--session->session_key_count];
        }
    }
    core_lock_release(&session->lock);
    if (removed)
        tok_key_release(removed);
}
