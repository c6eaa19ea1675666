/* SPDX-License-Identifier: Apache-2.0
 *
 * The session pool of a token: bounded, last in first out (what was used last is warm in the HSM,
 * too), with a limit to the waiting. Sessions are validated by use, not by a call of their own. The
 * keeper, which holds the login, is not in the pool, so that the number of our sessions never falls
 * to none while a user is logged in.
 */
#include "pkcs11/tok_private.h"

enum { POOL_MOST = 32, SCRATCH_BYTES = 2 * TOK_BLOCK_MOST };

CK_RV tok_slot_open(tok_context *ctx, CK_SLOT_ID slot, CK_SESSION_HANDLE *out)
{
    const CK_FUNCTION_LIST *f = ctx->library.f;
    CK_RV rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out);

    if (rv == CKR_TOKEN_WRITE_PROTECTED)
        rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    return rv;
}

core_status tok_session_open(tok_token *token, CK_SESSION_HANDLE *out, core_err *err)
{
    const CK_SLOT_ID slot = atomic_load(&token->slot);
    CK_RV rv = tok_slot_open(token->ctx, slot, out);
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

static unsigned pool_limit(const tok_token *token)
{
    unsigned most = token->config->max_sessions != 0 ? token->config->max_sessions : POOL_MOST;
    uint64_t allowed = token->info.max_sessions;
    /* One of the token's is the keeper's. */
    if (allowed > 1 && allowed - 1 < most)
        most = (unsigned)allowed - 1;
    return most;
}

static void session_free(tok_session *session)
{
    core_secret_close(&session->scratch);
    core_free(session);
}

static core_status session_new(tok_token *token, tok_session **out, core_err *err)
{
    tok_session *session = core_calloc(1, sizeof *session);

    if (session == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for a session");
    core_status st = core_secret_open(&session->scratch, SCRATCH_BYTES);
    if (st != ST_OK)
        st = core_fail(err, st, "out of memory for a session");
    else
        st = tok_session_open(token, &session->handle, err);
    if (st != ST_OK) {
        session_free(session);
        return st;
    }
    session->token = token;
    session->f = token->ctx->library.f;
    *out = session;
    return ST_OK;
}

/* Takes an idle session, or the right to open one (*out NULL), or waits for either. */
static core_status claim(tok_token *token, tok_session **out, core_err *err)
{
    uint64_t until = 0;
    bool in_time = true;
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
    while (token->idle == NULL && token->open >= token->limit) {
        if (until == 0)
            until = core_deadline_us(token->config->session_wait_ms);
        in_time = core_cond_wait_until(&token->freed, &token->lock, until);
        if (!in_time && token->idle == NULL && token->open >= token->limit) {
            st = core_fail(err, ST_POOL_TIMEOUT, "token \"%s\": all %u sessions busy for %u ms; %s",
                           token->info.label, token->limit, token->config->session_wait_ms,
                           core_status_next(ST_POOL_TIMEOUT));
            goto done;
        }
    }
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

/* Gives the right to a session back. When the token would not open one, the pool becomes as large
 * as what is open, so that the next one waits instead. */
static bool unclaim(tok_token *token, bool shrink)
{
    core_mutex_lock(&token->lock);
    token->open--;
    bool others = token->open > 0;
    if (shrink && others)
        token->limit = token->open;
    core_cond_signal(&token->freed);
    core_mutex_unlock(&token->lock);
    return others;
}

core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err)
{
    for (;;) {
        *out = NULL;
        core_status st = claim(token, out, err);
        if (st != ST_OK || *out != NULL)
            return st;
        st = session_new(token, out, err);
        if (st == ST_OK)
            return ST_OK;
        if (!unclaim(token, st == ST_TOKEN_FULL) || st != ST_TOKEN_FULL)
            return st;
    }
}

void tok_pool_give(tok_token *token, tok_session *session)
{
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
    (void)unclaim(token, false);
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
        token->limit = 0;
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
