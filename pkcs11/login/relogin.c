/* SPDX-License-Identifier: Apache-2.0
 *
 * Logins with the cached PIN: after the token has lost the login, and for single operations of keys
 * with CKA_ALWAYS_AUTHENTICATE. The PIN may have been changed on the token since it was accepted,
 * so these logins count as PIN tries: after pin_tries failures in a row the cached PIN is sent only
 * once in each pause.
 */
#include "pkcs11/login/login_private.h"

/* Asks the token whether this process is logged in (*held). If the login session is lost, opens
 * another one first, because other sessions of ours may still hold the login. */
static core_status query_login(tok_token *token, bool *held, core_err *err)
{
    CK_SESSION_INFO info;
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;

    *held = false;
    for (int i = 0; i < 2 && tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST; i++) {
        core_status st = tok_login_session_open(token, err);
        if (st != ST_OK)
            return st;
        rv = token->ctx->library.f->C_GetSessionInfo(token->login_session, &info);
        /* Do not close a lost session: the module may have reassigned its handle. */
        if (tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
            token->login_session = 0;
    }
    if (rv != CKR_OK)
        tok_login_session_close(token);
    *held = rv == CKR_OK &&
            (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS);
    return ST_OK;
}

/* Sends the cached PIN. If the token rejects it, the PIN was changed on the token: drop it, so that
 * it is not tried until it locks the token. The next session presents the new PIN. */
static core_status login_with_cached_pin(tok_token *token, core_err *err)
{
    core_secret pin = {0};
    core_status st = tok_pin_cached_allowed(token, err);

    if (st == ST_OK)
        st = core_unseal(token->pin->cached_pin.data, token->pin->cached_pin.length, &pin);
    if (st != ST_OK)
        return st;
    tok_pin_offer offer = {.pin = (const char *)pin.data,
                           .length = pin.length,
                           .hash = token->pin->verifier,
                           .cached = true};
    st = tok_login_ask(token, &offer, TOK_LOGIN_AGAIN, err);
    if (st == ST_AUTH_FAILED)
        tok_pin_record_superseded(token);
    core_secret_close(&pin);
    return st;
}

/* Restores the login of the token's users. Outcomes:
 *   the process is still logged in, or another thread has logged in again: ST_OK;
 *   the token has no user login, so that none can be lost: ST_OK;
 *   the PIN is cached: C_Login with it;
 *   otherwise the login stays lost (TOK_LOGIN_LOST) until a user logs in: ST_LOGIN_LOST.
 * Called inside the gate or with it closed. */
core_status tok_login_again_locked(tok_token *token, core_err *err)
{
    bool held = false;
    core_status st = query_login(token, &held, err);

    if (st != ST_OK)
        return st;
    const bool needs_no_login = !token->info.login_required && !token->pin->known;
    if ((held || needs_no_login) && tok_login_users(token) > 0) {
        tok_login_found(token);
        return ST_OK;
    }
    tok_login_lost(token);
    if (tok_login_users(token) > 0 && token->pin->cached_pin.length > 0)
        return login_with_cached_pin(token, err);
    return core_fail(err, ST_LOGIN_LOST, "token \"%s\": %s; %s", token->info.label,
                     core_status_text(ST_LOGIN_LOST), core_status_next(ST_LOGIN_LOST));
}

core_status tok_login_again(tok_token *token, core_err *err)
    CORE_NO_ANALYSIS /* a status says whether the lock is held */
{
    core_status st = tok_login_lock_acquire(token, err);

    if (st != ST_OK)
        return st;
    st = tok_login_again_locked(token, err);
    tok_timed_lock_release(&token->login_lock);
    return st;
}

/* Called with the login lock held, which guards the cached PIN. The PIN is not sent if the token
 * has rejected it since. */
static core_status login_operation_locked(tok_session *session, core_err *err)
{
    tok_token *token = session->token;
    core_secret pin = {0};

    if (token->pin->cached_pin.length == 0 && !token->pin->typed) {
        return core_fail(
            err, ST_POLICY,
            "token \"%s\": this key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE); set "
            "relogin = yes",
            token->info.label);
    }
    core_status st = tok_pin_not_refused(token, token->pin->verifier, err);
    if (st == ST_OK)
        st = tok_pin_cached_allowed(token, err);
    if (st == ST_OK && !token->pin->typed)
        st = core_unseal(token->pin->cached_pin.data, token->pin->cached_pin.length, &pin);
    if (st == ST_OK) {
        tok_pin_offer offer = {.session = session->handle,
                               .user = CKU_CONTEXT_SPECIFIC,
                               .pin = (const char *)pin.data,
                               .length = pin.length,
                               .hash = token->pin->verifier,
                               .cached = true};
        st = tok_pin_try(token, &offer, err);
    }
    core_secret_close(&pin);
    return st;
}

core_status tok_login_operation(tok_session *session, core_err *err)
    CORE_NO_ANALYSIS /* a status says whether the lock is held */
{
    core_status st = tok_login_lock_acquire(session->token, err);

    if (st != ST_OK)
        return st;
    st = login_operation_locked(session, err);
    tok_timed_lock_release(&session->token->login_lock);
    return st;
}
