/* SPDX-License-Identifier: Apache-2.0
 *
 * The session pool of a token. It is bounded, last in first out (the HSM may still have state of
 * the last used session in its caches), and a caller waits for a session for session_wait_ms at
 * most. A session is not checked before use; the operation that finds it lost discards it.
 *
 * The login session is not in the pool, so that at least one session of this process stays open
 * while a user is logged in: the token logs out when the last one is closed. The pool borrows
 * the login session only if the token cannot open another session.
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

/* Opens the session that holds the login: a read-only one if the token has a single read/write
 * session, so that the pool gets that one. */
static CK_RV open_login_session(const tok_token *token, CK_SLOT_ID slot, CK_SESSION_HANDLE *out)
{
    const CK_FUNCTION_LIST *f = token->ctx->library.f;
    const bool read_only = token->info.max_rw_sessions == 1 && token->info.max_sessions != 1;
    CK_RV rv = CKR_SESSION_COUNT;

    if (!read_only)
        rv = tok_slot_open(token->ctx, slot, out);
    if (rv == CKR_SESSION_COUNT)
        rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    return rv == CKR_OK || !read_only ? rv : tok_slot_open(token->ctx, slot, out);
}

static core_status open_session(tok_token *token, bool login_session, CK_SESSION_HANDLE *out,
                                core_err *err)
{
    const CK_SLOT_ID slot = atomic_load(&token->slot);
    CK_RV rv =
        login_session ? open_login_session(token, slot, out) : tok_slot_open(token->ctx, slot, out);
    if (rv != CKR_OK)
        return tok_rv_fail(err, token, "C_OpenSession", rv, TOK_CALL_OTHER);
    /* Verify that the slot still holds the same token before using the session: never send the PIN
     * or data to a different token. */
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

/* The number of sessions that the pool may open, by the configuration and the token's limits. */
static unsigned pool_limit(const tok_token *token)
{
    unsigned most = token->config->max_sessions != 0 ? token->config->max_sessions : POOL_MOST;
    uint64_t allowed = token->info.max_sessions;
    uint64_t writing = token->info.max_rw_sessions;
    /* Subtract the login session. A single session serves as both. */
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

/* Makes the object of a pool session. `handle` is the login session to borrow; 0 opens a new
 * session. */
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

/* After the token refused a further session, one thread tries to open one more after a pause that
 * doubles, so that the pool grows again when other applications have closed sessions. */
enum { GROW_FIRST_MS = 500, GROW_LAST_MS = 60000 };

/* The token refused a further session: limit the pool to what is open. */
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

/* True if the pause has elapsed: the calling thread may try to open one session more than the
 * limit. No other thread tries until the next pause has elapsed. */
static bool may_grow_locked(tok_token *token) CORE_REQUIRES(token->lock)
{
    if (token->grow_ms == 0 || core_now_us() < token->grow_at_us)
        return false;
    token->grow_at_us = core_deadline_us(token->grow_ms);
    token->limit++;
    return true;
}

/* Waits until a session is returned or one more may be tried; ST_POOL_TIMEOUT after `until`. */
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

/* Takes an idle session, or reserves the right to open one (*out NULL), or waits for either. */
static core_status reserve(tok_token *token, tok_session **out, core_err *err)
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

/* Returns a reservation. */
static void unreserve(tok_token *token)
{
    core_mutex_lock(&token->lock);
    token->open--;
    core_cond_signal(&token->freed);
    core_mutex_unlock(&token->lock);
}

/* Returns a reservation after the token refused to open a session, and limits the pool to the open
 * sessions, so that later callers wait for one of them. Returns false if none is open. */
static bool unreserve_full(tok_token *token)
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

/* Called after a session was opened. If the token had refused one before, lets the pool grow again:
 * the next attempt needs no pause. */
static void note_growth(tok_token *token)
{
    bool complete = false;

    core_mutex_lock(&token->lock);
    const unsigned most = pool_limit(token);
    if (token->grow_ms != 0) {
        complete = token->limit >= most;
        token->grow_ms = complete ? 0 : GROW_FIRST_MS;
        token->grow_at_us = 0;
        core_cond_signal(&token->freed);
    }
    core_mutex_unlock(&token->lock);
    if (complete)
        tok_note(token->ctx->gate, CORE_LOG_INFO, "token \"%s\" has room for %u sessions again",
                 token->info.label, most);
}

/* Borrows the login session for an operation, if the token cannot open another session. *out is
 * NULL if another operation has borrowed it. */
static core_status borrow_login_session(tok_token *token, tok_session **out, core_err *err)
{
    const CK_SESSION_HANDLE login_session = token->login_session;

    core_mutex_lock(&token->lock);
    const bool borrowed = token->open == 0 && login_session != 0;
    if (borrowed)
        token->open = token->limit = 1;
    if (borrowed && token->grow_ms == 0 && pool_limit(token) > 1) {
        token->grow_ms = GROW_FIRST_MS;
        token->grow_at_us = core_deadline_us(GROW_FIRST_MS);
    }
    core_mutex_unlock(&token->lock);
    if (!borrowed) {
        return login_session != 0
                   ? ST_OK
                   : core_fail(err, ST_TOKEN_FULL, "token \"%s\": %s; %s", token->info.label,
                               core_status_text(ST_TOKEN_FULL), core_status_next(ST_TOKEN_FULL));
    }
    core_status st = session_new(token, login_session, out, err);
    if (st != ST_OK)
        unreserve(token);
    return st;
}

/* Returns the borrowed login session. It must stay open to hold the login, so an operation that may
 * still be active in it is ended instead. If the token no longer knows the session, the login is
 * lost. */
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
    unreserve(token);
}

core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err)
{
    tok_check_inside();
    for (;;) {
        *out = NULL;
        core_status st = reserve(token, out, err);
        if (st != ST_OK || *out != NULL)
            return st;
        st = token->info.max_sessions == 1 ? ST_TOKEN_FULL : session_new(token, 0, out, err);
        if (st == ST_OK) {
            note_growth(token);
            return ST_OK;
        }
        if (st != ST_TOKEN_FULL) {
            unreserve(token);
            return st;
        }
        if (unreserve_full(token))
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
    /* Do not return a session to the pool when no user is left; an open session would keep the
     * token logged in. */
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
    unreserve(token);
}

void tok_pool_drain(tok_token *token, bool forget)
{
    core_mutex_lock(&token->lock);
    tok_session *session = token->idle;
    token->idle = NULL;
    for (tok_session *s = session; s != NULL; s = s->next)
        token->open--;
    if (forget) {
        token->open = 0; /* after a fork, sessions in use belong to the parent */
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
