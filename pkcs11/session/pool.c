/* SPDX-License-Identifier: Apache-2.0
 *
 * The session pool of a token: bounded, last in first out (what was used last is warm in the HSM,
 * too), with a limit to the waiting. Sessions are validated by use, not by a call of their own. The
 * keeper, which holds the login, is not in the pool, so that the number of our sessions never falls
 * to none while a user is logged in.
 */
#include "pkcs11/session/key_private.h"

enum { POOL_MOST = 32, SCRATCH_BYTES = 2 * TOK_BLOCK_MOST };

CK_RV tok_slot_open(tok_context *ctx, CK_SLOT_ID slot, CK_SESSION_HANDLE *out)
{
    tok_check_inside();
    const CK_FUNCTION_LIST *f = ctx->library.f;
    CK_RV rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out);

    if (rv == CKR_TOKEN_WRITE_PROTECTED || rv == CKR_SESSION_READ_ONLY)
        rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    return rv;
}

/* For the session that holds the login. */
static CK_RV open_login_session(const tok_token *token, CK_SLOT_ID slot, CK_SESSION_HANDLE *out)
{
    const CK_FUNCTION_LIST *f = token->ctx->library.f;
    const bool reads = token->info.max_rw_sessions == 1 && token->info.max_sessions != 1;
    CK_RV rv = CKR_SESSION_COUNT;

    if (!reads)
        rv = tok_slot_open(token->ctx, slot, out);
    if (rv == CKR_SESSION_COUNT)
        rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    return rv == CKR_OK || !reads ? rv : tok_slot_open(token->ctx, slot, out);
}

static core_status open_session(tok_token *token, bool login_session, CK_SESSION_HANDLE *out,
                                core_err *err)
{
    const CK_SLOT_ID slot = atomic_load(&token->slot);
    CK_RV rv =
        login_session ? open_login_session(token, slot, out) : tok_slot_open(token->ctx, slot, out);
    if (rv != CKR_OK)
        return tok_rv_fail(err, token, "C_OpenSession", rv, TOK_CALL_OTHER);
    /* A token put in the other's place gets neither its PIN nor its work. */
    if (tok_slot_holds(token, slot))
        return ST_OK;
    (void)token->ctx->library.f->C_CloseSession(*out);
    *out = 0;
    return core_fail(err, ST_TOKEN_NOT_FOUND, "token \"%s\" (serial %s): not in its slot; %s",
                     token->info.label, token->info.serial, core_status_next(ST_DEVICE));
}

core_status tok_session_open(tok_token *token, CK_SESSION_HANDLE *out, core_err *err)
{
    return open_session(token, false, out, err);
}

core_status tok_session_open_for_login(tok_token *token, CK_SESSION_HANDLE *out, core_err *err)
{
    return open_session(token, true, out, err);
}

static unsigned pool_limit(const tok_token *token)
{
    unsigned most = token->config->max_sessions != 0 ? token->config->max_sessions : POOL_MOST;
    uint64_t allowed = token->info.max_sessions;
    uint64_t writing = token->info.max_rw_sessions;
    /* One of the token's is the keeper's; the only one is both the keeper's and the pool's. */
    if (allowed > 0 && allowed - 1 < most)
        most = allowed > 1 ? (unsigned)allowed - 1 : 1;
    if (writing > 0 && writing - 1 < most)
        most = writing > 1 ? (unsigned)writing - 1 : 1;
    return most;
}

static void session_free(tok_session *session)
{
    core_secret_close(&session->scratch);
    core_free(session);
}

/* `handle` 0: a new session of the token's. */
static core_status session_new(tok_token *token, CK_SESSION_HANDLE handle, tok_session **out,
                               core_err *err)
{
    tok_session *session = core_calloc(1, sizeof *session);

    if (session == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for a session");
    core_status st = core_secret_open(&session->scratch, SCRATCH_BYTES);
    if (st != ST_OK)
        st = core_fail(err, st, "out of memory for a session");
    else if (handle == 0)
        st = tok_session_open(token, &session->handle, err);
    if (st != ST_OK) {
        session_free(session);
        return st;
    }
    if (handle != 0)
        session->handle = handle;
    session->borrowed = handle != 0;
    session->token = token;
    session->f = token->ctx->library.f;
    *out = session;
    return ST_OK;
}

/* A token that was full gets one attempt to open one more session in a time that doubles, so that
 * the pool grows again when others have left room. */
enum { GROW_FIRST_MS = 500, GROW_LAST_MS = 60000 };

/* The token would not open more. */
static void shrink_locked(tok_token *token) CORE_REQUIRES(token->lock)
{
    token->limit = token->open;
    token->grow_ms = token->grow_ms == 0                 ? GROW_FIRST_MS
                     : token->grow_ms < GROW_LAST_MS / 2 ? token->grow_ms * 2
                                                         : GROW_LAST_MS;
    token->grow_at_us = core_deadline_us(token->grow_ms);
}

static bool is_full_locked(const tok_token *token) CORE_REQUIRES(token->lock)
{
    return token->idle == NULL && token->open >= token->limit;
}

/* Whether one more session than the token had room for may be tried now; then nobody else does
 * before that is settled. */
static bool may_grow_locked(tok_token *token) CORE_REQUIRES(token->lock)
{
    if (token->grow_ms == 0 || core_now_us() < token->grow_at_us)
        return false;
    token->grow_at_us = core_deadline_us(token->grow_ms);
    token->limit++;
    return true;
}

/* Waits for a session that is given back, or for the time to try another. */
static core_status wait_locked(tok_token *token, uint64_t until, core_err *err)
    CORE_REQUIRES(token->lock)
{
    while (is_full_locked(token) && !may_grow_locked(token)) {
        const bool grows = token->grow_ms != 0 && token->grow_at_us < until;
        bool in_time =
            core_cond_wait_until(&token->freed, &token->lock, grows ? token->grow_at_us : until);
        if (!in_time && !grows && is_full_locked(token)) {
            return core_fail(err, ST_POOL_TIMEOUT,
                             "token \"%s\": all %u sessions busy for %u ms; %s", token->info.label,
                             token->limit, token->config->session_wait_ms,
                             core_status_next(ST_POOL_TIMEOUT));
        }
    }
    return ST_OK;
}

/* Takes an idle session, or the right to open one (*out NULL), or waits for either. */
static core_status claim(tok_token *token, tok_session **out, core_err *err)
{
    core_status st = ST_OK;

    core_mutex_lock(&token->lock);
    if (token->users == 0 || token->login != TOK_LOGGED_IN) {
        st =
            core_fail(err, token->users > 0 ? ST_LOGIN_LOST : ST_AUTH_FAILED,
                      "token \"%s\": nobody is logged in; open a session first", token->info.label);
        goto done;
    }
    if (token->limit == 0)
        token->limit = pool_limit(token);
    if (is_full_locked(token))
        st = wait_locked(token, core_deadline_us(token->config->session_wait_ms), err);
    if (st != ST_OK)
        goto done;
    if (token->idle != NULL) {
        *out = token->idle;
        token->idle = (*out)->next;
    } else {
        token->open++;
    }
done:
    core_mutex_unlock(&token->lock);
    return st;
}

/* Gives the right to a session back. */
static void unclaim(tok_token *token)
{
    core_mutex_lock(&token->lock);
    token->open--;
    core_cond_signal(&token->freed);
    core_mutex_unlock(&token->lock);
}

/* The same where the token would not open one: the pool becomes as large as what is open, so that
 * the next one waits instead. False where nothing is open. */
static bool unclaim_full(tok_token *token)
{
    core_mutex_lock(&token->lock);
    token->open--;
    const bool others = token->open > 0;
    const bool first = others && token->grow_ms == 0;
    if (others)
        shrink_locked(token);
    core_cond_signal(&token->freed);
    core_mutex_unlock(&token->lock);
    if (first) {
        tok_note(token->ctx->gate, CORE_LOG_WARNING,
                 "token \"%s\" would not open another session; the pool makes do with fewer, and "
                 "tries again from time to time",
                 token->info.label);
    }
    return others;
}

/* A session was opened: after a shortage that is room for the next, too. */
static void note_room(tok_token *token)
{
    bool whole = false;

    core_mutex_lock(&token->lock);
    const unsigned most = pool_limit(token);
    if (token->grow_ms != 0) {
        whole = token->limit >= most;
        token->grow_ms = whole ? 0 : GROW_FIRST_MS;
        token->grow_at_us = 0;
        core_cond_signal(&token->freed);
    }
    core_mutex_unlock(&token->lock);
    if (whole)
        tok_note(token->ctx->gate, CORE_LOG_INFO, "token \"%s\" has room for %u sessions again",
                 token->info.label, most);
}

/* A token with room for one session only: the session that holds the login does the work, too.
 * *out NULL: it is at work. */
static core_status borrow_login_session(tok_token *token, tok_session **out, core_err *err)
{
    const CK_SESSION_HANDLE login_session = token->login_session;

    core_mutex_lock(&token->lock);
    const bool mine = token->open == 0 && login_session != 0;
    if (mine)
        token->open = token->limit = 1;
    if (mine && token->grow_ms == 0 && pool_limit(token) > 1) {
        token->grow_ms = GROW_FIRST_MS;
        token->grow_at_us = core_deadline_us(GROW_FIRST_MS);
    }
    core_mutex_unlock(&token->lock);
    if (!mine) {
        return login_session != 0
                   ? ST_OK
                   : core_fail(err, ST_TOKEN_FULL, "token \"%s\": %s; %s", token->info.label,
                               core_status_text(ST_TOKEN_FULL), core_status_next(ST_TOKEN_FULL));
    }
    core_status st = session_new(token, login_session, out, err);
    if (st != ST_OK)
        unclaim(token);
    return st;
}

/* It stays open for the login, so that an operation that was left active is ended. When the token
 * does not know it any more, the login is gone with it. */
static void return_login_session(tok_token *token, tok_session *session)
{
    const CK_FUNCTION_LIST *f = session->f;
    CK_ULONG length = (CK_ULONG)session->scratch.capacity;
    CK_SESSION_HANDLE handle = session->handle;

    if (session->gone) {
        if (atomic_compare_exchange_strong(&token->login_session, &handle, 0))
            tok_login_lost(token);
    } else if (session->dirty) {
        (void)f->C_FindObjectsFinal(handle);
        (void)f->C_EncryptFinal(handle, session->scratch.data, &length);
        length = (CK_ULONG)session->scratch.capacity;
        (void)f->C_DecryptFinal(handle, session->scratch.data, &length);
        length = (CK_ULONG)session->scratch.capacity;
        (void)f->C_SignFinal(handle, session->scratch.data, &length);
    }
    session_free(session);
    unclaim(token);
}

core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err)
{
    tok_check_inside();
    for (;;) {
        *out = NULL;
        core_status st = claim(token, out, err);
        if (st != ST_OK || *out != NULL)
            return st;
        st = token->info.max_sessions == 1 ? ST_TOKEN_FULL : session_new(token, 0, out, err);
        if (st == ST_OK) {
            note_room(token);
            return ST_OK;
        }
        if (st != ST_TOKEN_FULL) {
            unclaim(token);
            return st;
        }
        if (unclaim_full(token))
            continue;
        st = borrow_login_session(token, out, err);
        if (st != ST_OK || *out != NULL)
            return st;
    }
}

void tok_pool_give(tok_token *token, tok_session *session)
{
    if (session->borrowed) {
        return_login_session(token, session);
        return;
    }
    core_mutex_lock(&token->lock);
    /* Behind the last user none may stay: it would keep the token logged in. */
    bool keep = !session->dirty && token->users > 0;
    if (keep) {
        session->next = token->idle;
        token->idle = session;
        core_cond_signal(&token->freed);
    }
    core_mutex_unlock(&token->lock);
    if (keep)
        return;
    if (!session->gone)
        tok_session_end(token, session->handle);
    session_free(session);
    unclaim(token);
}

void tok_pool_drain(tok_token *token, bool forget)
{
    core_mutex_lock(&token->lock);
    tok_session *session = token->idle;
    token->idle = NULL;
    for (tok_session *s = session; s != NULL; s = s->next)
        token->open--;
    if (forget) {
        token->open = 0; /* after a fork, those in use were the parent's */
        token->limit = token->grow_ms = 0;
    }
    core_mutex_unlock(&token->lock);

    while (session != NULL) {
        tok_session *next = session->next;
        if (!forget)
            tok_session_end(token, session->handle);
        session_free(session);
        session = next;
    }
}
