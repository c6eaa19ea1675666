/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in. The login state of PKCS#11 belongs to the process and the token: once one of our
 * users is in, the token takes everybody for him and C_Login no longer looks at the PIN. So each
 * later user's PIN is compared here, in constant time, with the keyed hash of the one that the
 * token accepted; one that differs may be the token's new one, see pin_change.c.
 */
#include "pkcs11/login/login_private.h"

/* The wait for another login: it does not wait for a session, so session_wait_ms = 0 is no limit to
 * it. */
unsigned tok_login_wait_ms(const tok_token *token)
{
    enum { OTHERWISE_MS = 10000 };
    return token->config->session_wait_ms != 0 ? token->config->session_wait_ms : OTHERWISE_MS;
}

core_status tok_login_lock_acquire(tok_token *token, core_err *err)
    CORE_NO_ANALYSIS /* its status says whether it holds the lock */
{
    if (tok_timed_lock_acquire(&token->login_lock, tok_login_wait_ms(token)))
        return ST_OK;
    return core_fail(err, ST_POOL_TIMEOUT, "%s \"%s\": another login has not come back",
                     token->group != NULL ? "group" : "token", token->info.label);
}

core_status tok_login_session_open(tok_token *token, core_err *err)
{
    CK_SESSION_HANDLE login_session = 0;

    if (token->login_session != 0)
        return ST_OK;
    core_status st = tok_session_open_for_login(token, &login_session, err);
    if (st == ST_OK)
        token->login_session = login_session;
    return st;
}

void tok_login_session_close(tok_token *token)
{
    if (token->login_session != 0) {
        tok_session_end(token, token->login_session);
        token->login_session = 0;
    }
}

static core_status fail_foreign(core_err *err, const tok_token *token)
{
    return tok_rv_fail(err, token, "C_Login", CKR_USER_ANOTHER_ALREADY_LOGGED_IN, TOK_CALL_OTHER);
}

/* The token is logged in already, so it cannot be asked about this PIN. For a first user it is
 * another component's login, but while there are users of ours it may be our own. */
static core_status login_found(tok_token *token, tok_pin_offer *offer, tok_login_kind kind,
                               core_err *err)
{
    const bool ours = token->pin->known && tok_login_users(token) > 0;

    if (kind == TOK_LOGIN_AGAIN)
        return ST_OK;
    if (kind == TOK_LOGIN_FIRST && ours) {
        return core_fail(err, ST_AUTH_FAILED,
                         "token \"%s\": not the PIN that is logged in; check SECRET",
                         token->info.label);
    }
    if (kind == TOK_LOGIN_CHANGED || token->config->foreign_login == CORE_FOREIGN_REFUSE)
        return fail_foreign(err, token);
    if (token->config->foreign_login == CORE_FOREIGN_TRUST)
        return ST_OK;
    (void)token->ctx->library.f->C_Logout(token->login_session);
    core_status st = tok_pin_try(token, offer, err);
    return st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN ? fail_foreign(err, token) : st;
}

/* Whether the token has no user to log in: CKF_LOGIN_REQUIRED is not set, and C_Login says so. */
bool tok_login_has_no_user(const tok_token *token, CK_RV rv)
{
    return !token->info.login_required &&
           (rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_USER_TYPE_INVALID ||
            rv == CKR_USER_PIN_NOT_INITIALIZED);
}

/* C_Login, unless there is neither a PIN nor a need for one. */
static core_status try_pin(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    if (offer->pin == NULL && !token->info.login_required && !token->info.protected_path) {
        offer->rv = CKR_FUNCTION_NOT_SUPPORTED;
        return ST_OK;
    }
    core_status st = tok_pin_try(token, offer, err);
    return st != ST_OK && tok_login_has_no_user(token, offer->rv) ? ST_OK : st;
}

core_status tok_login_ask(tok_token *token, tok_pin_offer *offer, tok_login_kind kind,
                          core_err *err)
{
    tok_check_inside();
    core_status st = tok_login_session_open(token, err);

    if (st != ST_OK)
        return st;
    offer->session = token->login_session;
    offer->user = CKU_USER;
    st = try_pin(token, offer, err);
    if (st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN)
        st = login_found(token, offer, kind, err);
    if (st == ST_OK) {
        tok_login_set(token, TOK_LOGGED_IN);
        tok_mark_available(token);
        return ST_OK;
    }
    /* A lost session is not closed: its handle may be another's by now. */
    if (tok_rv_status(offer->rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
        token->login_session = 0;
    tok_login_session_close(token);
    /* A first user beside others came because the login was lost: that is how it stays. */
    if (kind != TOK_LOGIN_FIRST)
        tok_login_lost(token);
    return st;
}

core_status tok_login_allowed(tok_token *token, size_t length, const uint8_t hash[TOK_HASH],
                              core_err *err)
{
    core_status st = tok_pin_allowed(token, hash, err);

    if (st != ST_OK)
        return st;
    if (length == 0) /* typed at the token, or none at all */
        return ST_OK;
    if (length < token->info.min_pin || (token->info.max_pin > 0 && length > token->info.max_pin)) {
        return core_fail(err, ST_AUTH_FAILED,
                         "token \"%s\" takes PINs of %u to %u characters; check SECRET",
                         token->info.label, token->info.min_pin, token->info.max_pin);
    }
    return ST_OK;
}

/* Ends what there is for users when there are none; inside the gate, in the login turn. No
 * C_Logout: it would log out whoever else in this process uses the token. The token does that
 * itself when the last session of the process is closed. */
void tok_login_end_if_unused(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool left =
        token->users == 0 && (token->login_session != 0 || token->pin->known || token->open > 0);
    core_mutex_unlock(&token->lock);
    if (!left)
        return;
    tok_pool_drain(token, false);
    tok_session_keys_end(token);
    tok_login_session_close(token);
    tok_login_set(token, TOK_LOGGED_OUT);
    tok_pin_forget(token);
    tok_keys_forget(token);
    atomic_fetch_add(&token->module_generation, 1);
}

void tok_login_tidy(tok_token *token)
{
    tok_call_scope scope;

    if (tok_login_users(token) > 0)
        return;
    bool entered = tok_module_enter(token->ctx, &scope, NULL) == ST_OK;
    if (tok_timed_lock_acquire(&token->login_lock, token->config->session_wait_ms)) {
        if (entered) {
            tok_login_end_if_unused(token);
        } else if (tok_login_users(token) == 0) { /* the module is away: but the PIN is here */
            tok_pin_forget(token);
            tok_keys_forget(token);
        }
        tok_timed_lock_release(&token->login_lock);
    }
    if (entered)
        tok_module_exit(token->ctx, &scope, token->info.label);
}
