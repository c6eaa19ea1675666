/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs the login session in, and ends the login when no user is left. In PKCS #11 the login state
 * belongs to the process and the token: once one session is logged in, the token treats every
 * session of the process as logged in and C_Login no longer checks the PIN. So the PIN of each
 * later user is compared in constant time with the keyed hash of the PIN that the token accepted
 * (recovery/login_user.c). A different PIN may be the token's new one (recovery/pin_change.c).
 */
#include "pkcs11/login/login_private.h"

unsigned tok_login_wait_ms(const tok_token *token)
{
    enum { DEFAULT_MS = 10000 };
    return token->config->session_wait_ms != 0 ? token->config->session_wait_ms : DEFAULT_MS;
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

/* Another component of this process has logged in to the token. Acts by the setting foreign_login:
 * refuse the user, trust that login without a check of the PIN, or end it with C_Logout and log in
 * with our PIN. */
static core_status handle_foreign_login(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    if (token->config->foreign_login == CORE_FOREIGN_REFUSE)
        return fail_foreign(err, token);
    if (token->config->foreign_login == CORE_FOREIGN_TRUST)
        return ST_OK;
    (void)token->ctx->library.f->C_Logout(token->login_session);
    core_status st = tok_pin_try(token, offer, err);
    return st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN ? fail_foreign(err, token) : st;
}

/* C_Login returned CKR_USER_ALREADY_LOGGED_IN, so the token did not check the PIN. What that means
 * depends on why we called C_Login. */
static core_status handle_already_logged_in(tok_token *token, tok_pin_offer *offer,
                                            tok_login_kind kind, core_err *err)
{
    const bool may_be_ours = token->pin->known && tok_login_users(token) > 0;

    switch (kind) {
    case TOK_LOGIN_AGAIN: /* the login was not lost, or another session made it again */
        return ST_OK;
    case TOK_LOGIN_CHANGED: /* another component logged in after our C_Logout */
        return fail_foreign(err, token);
    case TOK_LOGIN_FIRST:
    default:
        break;
    }
    if (may_be_ours) {
        return core_fail(err, ST_AUTH_FAILED,
                         "token \"%s\": not the PIN that is logged in; check SECRET",
                         token->info.label);
    }
    return handle_foreign_login(token, offer, err);
}

bool tok_login_has_no_user(const tok_token *token, CK_RV rv)
{
    return !token->info.login_required &&
           (rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_USER_TYPE_INVALID ||
            rv == CKR_USER_PIN_NOT_INITIALIZED);
}

/* Calls C_Login, unless there is no PIN and the token requires none. A token without a user login
 * (tok_login_has_no_user) counts as logged in. */
static core_status login_if_required(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    if (offer->pin == NULL && !token->info.login_required && !token->info.protected_path) {
        offer->rv = CKR_FUNCTION_NOT_SUPPORTED;
        return ST_OK;
    }
    core_status st = tok_pin_try(token, offer, err);
    return st != ST_OK && tok_login_has_no_user(token, offer->rv) ? ST_OK : st;
}

/* Ends a failed login. A lost login session is not closed, because the module may have reassigned
 * its handle. After TOK_LOGIN_FIRST the login state stays as it is: logged out, or already lost. */
static void discard_login_session(tok_token *token, const tok_pin_offer *offer, tok_login_kind kind)
{
    if (tok_rv_status(offer->rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
        token->login_session = 0;
    tok_login_session_close(token);
    if (kind != TOK_LOGIN_FIRST)
        tok_login_lost(token);
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
    st = login_if_required(token, offer, err);
    if (st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN)
        st = handle_already_logged_in(token, offer, kind, err);
    if (st != ST_OK) {
        discard_login_session(token, offer, kind);
        return st;
    }
    tok_login_set(token, TOK_LOGGED_IN);
    tok_mark_available(token);
    return ST_OK;
}

core_status tok_login_allowed(tok_token *token, size_t length, const uint8_t hash[TOK_HASH],
                              core_err *err)
{
    core_status st = tok_pin_allowed(token, hash, err);

    if (st != ST_OK)
        return st;
    if (length == 0) /* the PIN is typed at the token, or there is none */
        return ST_OK;
    if (length < token->info.min_pin || (token->info.max_pin > 0 && length > token->info.max_pin)) {
        return core_fail(err, ST_AUTH_FAILED,
                         "token \"%s\" takes PINs of %u to %u characters; check SECRET",
                         token->info.label, token->info.min_pin, token->info.max_pin);
    }
    return ST_OK;
}

void tok_login_end_if_unused(tok_token *token)
{
    core_mutex_lock(&token->lock);
    const bool needs_cleanup =
        token->users == 0 && (token->login_session != 0 || token->pin->known || token->open > 0);
    core_mutex_unlock(&token->lock);
    if (!needs_cleanup)
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
        } else if (tok_login_users(token) == 0) { /* no module to call: wipe the PIN at least */
            tok_pin_forget(token);
            tok_keys_forget(token);
        }
        tok_timed_lock_release(&token->login_lock);
    }
    if (entered)
        tok_module_exit(token->ctx, &scope, token->info.label);
}
