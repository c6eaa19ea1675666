/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in with the kept PIN: again, after the token lost the login, and for single operations of
 * keys that demand it. The PIN may have been changed on the token since it was accepted, so these
 * logins are PIN tries like all others: after pin_tries failures in a row the kept PIN is rationed.
 */
#include "pkcs11/login/login_private.h"

/* Whether this process is logged in to the token. The login session may be gone while other
 * sessions of ours hold the login: then another is opened in its place. */
static core_status look_at_login(tok_token *token, bool *held, core_err *err)
{
    CK_SESSION_INFO info;
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;

    *held = false;
    for (int i = 0; i < 2 && tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST; i++) {
        core_status st = tok_login_session_open(token, err);
        if (st != ST_OK)
            return st;
        rv = token->ctx->library.f->C_GetSessionInfo(token->login_session, &info);
        /* A session that is gone is not closed: its number may be another's by now. */
        if (tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
            token->login_session = 0;
    }
    if (rv != CKR_OK)
        tok_login_session_close(token);
    *held = rv == CKR_OK &&
            (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS);
    return ST_OK;
}

static core_status log_in_again(tok_token *token, core_err *err)
{
    core_secret pin = {0};
    core_status st = tok_pin_kept_allowed(token, err);

    if (st == ST_OK)
        st = core_unseal(token->pin->cached_pin.data, token->pin->cached_pin.length, &pin);
    if (st != ST_OK)
        return st;
    tok_pin_offer offer = {.pin = (const char *)pin.data,
                           .length = pin.length,
                           .hash = token->pin->verifier,
                           .kept = true};
    st = tok_login_ask(token, &offer, TOK_LOGIN_AGAIN, err);
    /* The PIN was changed on the token: the kept one must not be tried until it locks the token.
     * The next session brings the new one. */
    if (st == ST_AUTH_FAILED)
        tok_pin_record_superseded(token);
    core_secret_close(&pin);
    return st;
}

core_status tok_login_again_locked(tok_token *token, core_err *err)
{
    bool held = false;
    core_status st = look_at_login(token, &held, err); /* another thread may have been faster */

    if (st != ST_OK)
        return st;
    if (held && tok_login_users(token) > 0) {
        tok_login_found(token);
        return ST_OK;
    }
    if (tok_login_users(token) > 0 && !token->info.login_required && !token->pin->known) {
        tok_login_found(token); /* there is none to be made */
        return ST_OK;
    }
    tok_login_lost(token);
    if (tok_login_users(token) > 0 && token->pin->cached_pin.length > 0)
        return log_in_again(token, err);
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

/* In the login turn, in which the PIN may be replaced. One that was refused is not sent again. */
static core_status login_operation(tok_session *session, core_err *err)
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
        st = tok_pin_kept_allowed(token, err);
    if (st == ST_OK && !token->pin->typed)
        st = core_unseal(token->pin->cached_pin.data, token->pin->cached_pin.length, &pin);
    if (st == ST_OK) {
        tok_pin_offer offer = {.session = session->handle,
                               .user = CKU_CONTEXT_SPECIFIC,
                               .pin = (const char *)pin.data,
                               .length = pin.length,
                               .hash = token->pin->verifier,
                               .kept = true};
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
    st = login_operation(session, err);
    tok_timed_lock_release(&session->token->login_lock);
    return st;
}
