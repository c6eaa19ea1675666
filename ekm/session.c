/* SPDX-License-Identifier: Apache-2.0
 *
 * One open session of SQL Server: its login to a token, and its volatile keys, which nobody but
 * this session sees and which end with it.
 */
#include <string.h>
#include "core/memory.h"
#include "ekm/ekm_private.h"

/* Takes over the caller's reference to and login of `token`, when it succeeds. */
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
    for (size_t n = 0; n < session->own_count; n++)
        tok_key_release(session->own[n]);
    tok_token_logout(session->token);
    tok_token_release(session->token);
    core_lock_destroy(&session->lock);
    core_free(session->own);
    core_free(session->ids);
    core_free(session->by_thumb);
    core_free(session->identity);
    core_free(session);
}

tok_key *ekm_session_own_by_thumb(ekm_session *session, const uint8_t thumb[TOK_THUMB_LEN])
{
    tok_key *found = NULL;
    core_lock_acquire(&session->lock);
    for (size_t n = 0; n < session->own_count && !found; n++) {
        if (memcmp(tok_key_info_of(session->own[n])->thumb, thumb, TOK_THUMB_LEN) == 0)
            found = tok_key_ref(session->own[n]);
    }
    core_lock_release(&session->lock);
    return found;
}

static tok_key *own_by_name_locked(const ekm_session *session, const char *name)
    CORE_REQUIRES(session->lock)
{
    for (size_t n = 0; n < session->own_count; n++) {
        if (strcmp(tok_key_info_of(session->own[n])->name, name) == 0)
            return session->own[n];
    }
    return NULL;
}

tok_key *ekm_session_own_by_name(ekm_session *session, const char *name)
{
    core_lock_acquire(&session->lock);
    tok_key *found = own_by_name_locked(session, name);
    if (found)
        found = tok_key_ref(found);
    core_lock_release(&session->lock);
    return found;
}

core_status ekm_session_own_add(ekm_session *session, tok_key *key)
{
    core_status st = ST_KEY_EXISTS;
    core_lock_acquire(&session->lock);
    if (!own_by_name_locked(session, tok_key_info_of(key)->name)) {
        size_t size = (session->own_count + 1) * sizeof(tok_key *);
        tok_key **own = core_realloc(session->own, size);
        st = own ? ST_OK : ST_NO_MEMORY;
        if (own) {
            own[session->own_count++] = tok_key_ref(key);
            session->own = own;
        }
    }
    core_lock_release(&session->lock);
    return st;
}

void ekm_session_own_remove(ekm_session *session, const tok_key *key)
{
    tok_key *removed = NULL;
    core_lock_acquire(&session->lock);
    for (size_t n = 0; n < session->own_count && !removed; n++) {
        if (session->own[n] == key) {
            removed = session->own[n];
            session->own[n] = session->own[--session->own_count];
        }
    }
    core_lock_release(&session->lock);
    if (removed)
        tok_key_release(removed);
}
