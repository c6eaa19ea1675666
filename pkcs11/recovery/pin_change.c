/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks a PIN that differs from the one that is logged in. It may be wrong, or it may be the
 * token's new PIN; only the token can tell, and it compares a PIN only while no user is logged in.
 * So, with the gate closed: C_Logout, C_Login with the new PIN, and if the token rejects it,
 * C_Login with the old PIN. Sessions that were opened with the old PIN stay valid, since it was
 * right then.
 *
 * Limits on the disturbance by wrong credentials: a rejected PIN is not sent again, and only a few
 * different PINs are sent (pin.c). After each rejected PIN the old one is sent, which resets the
 * token's count of wrong PINs (a module that is known not to reset it is not asked). If the PIN was
 * changed to a third one, both fail; so nothing is sent while the token reports a low count of
 * tries, because two more failures could lock it.
 *
 * C_SetPIN with the same old and new PIN would check a PIN without a logout. But it writes to the
 * token, may change its PIN history, and may be refused by its policy; a check must not do that.
 */
#include <string.h>
#include "pkcs11/recovery/recovery_private.h"

static core_status fail_other_pin(const tok_token *token, const char *why, core_err *err)
{
    return core_fail(err, ST_AUTH_FAILED,
                     "token \"%s\": not the PIN that is logged in; check SECRET%s",
                     token->info.label, why);
}

core_status tok_pin_change_allowed(tok_token *token, size_t length, const uint8_t hash[TOK_HASH],
                                   core_err *err)
{
    tok_token_info now;

    if (token->config->pin_change == CORE_CHANGE_REFUSE)
        return fail_other_pin(
            token, " (a changed PIN needs all sessions closed: pin_change = refuse)", err);
    if (token->ctx->library.counting)
        return fail_other_pin(
            token,
            " (a changed PIN needs all sessions closed: this module counts wrong PINs "
            "past a good login)",
            err);
    if (token->pin->typed || length == 0)
        return fail_other_pin(
            token,
            " (the PIN is typed at the token: leave SECRET and pin_file empty, or "
            "give the PIN for all sessions)",
            err);
    if (token->pin->cached_pin.length == 0)
        return fail_other_pin(token, " (a changed PIN needs all sessions closed: relogin = no)",
                              err);
    /* Do not end another component's login that we only trusted (foreign_login = trust). */
    if (!token->pin->verified)
        return fail_other_pin(token, "", err);
    core_status st = tok_login_allowed(token, length, hash, err);
    if (st == ST_OK)
        st = tok_pin_flags(token, &now, err);
    if (st == ST_OK && now.pin_low) {
        st =
            core_fail(err, ST_PIN_RATIONED,
                      "token \"%s\" has been sent wrong PINs since its last login, so this one was "
                      "not sent while others are logged in; log in once with the right one "
                      "(p11ekm doctor)",
                      token->info.label);
    }
    if (st == ST_OK && tok_session_keys_any(token)) {
        st = core_fail(
            err, ST_AUTH_FAILED,
            "token \"%s\": not the PIN that is logged in; to try it would destroy volatile "
            "keys: close the sessions that hold them, or drop the keys",
            token->info.label);
    }
    return st;
}

/* Some modules cache the PIN verifier at C_Initialize, so a PIN changed by another process is seen
 * only after re-initialization. */
static bool caches_pin_at_init(const tok_token *token)
{
    static const char *const manufacturers[] = {"SoftHSM project"};

    for (size_t i = 0; i < sizeof manufacturers / sizeof manufacturers[0]; i++)
        if (strcmp(token->info.manufacturer, manufacturers[i]) == 0)
            return true;
    return token->config->pin_change == CORE_CHANGE_INIT;
}

/* True if the module may be re-initialized: we initialized it, and no other token in use would lose
 * a login without a cached PIN, or session keys. */
static bool may_reinitialize(const tok_token *token)
{
    const tok_gate *gate = token->ctx->gate;
    bool may = tok_gate_may_finalize(gate);

    for (tok_token *other = NULL; (other = tok_gate_next(gate, other)) != NULL;) {
        if (other != token && tok_login_users(other) > 0 &&
            (other->pin->cached_pin.length == 0 || tok_session_keys_any(other)))
            may = false;
    }
    return may;
}

/* Calls C_Logout. If the login session is lost, opens another one for the call, because other
 * sessions may still hold the login. */
static core_status log_out(tok_token *token, core_err *err)
{
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;

    for (int i = 0; i < 2 && tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST; i++) {
        if (token->login_session == 0) {
            CK_SESSION_HANDLE login_session = 0;
            core_status st = tok_session_open(token, &login_session, err);
            if (st != ST_OK)
                return st;
            token->login_session = login_session;
        }
        rv = token->ctx->library.f->C_Logout(token->login_session);
        if (tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
            token->login_session = 0;
    }
    return rv == CKR_OK || rv == CKR_USER_NOT_LOGGED_IN
               ? ST_OK
               : tok_rv_fail(err, token, "C_Logout", rv, TOK_CALL_OTHER);
}

/* Starts a new handle generation, since a logout invalidates handles of private objects. */
static void invalidate_handles(tok_token *token)
{
    core_mutex_lock(&token->lock);
    token->indexed_at_us = 0;
    core_mutex_unlock(&token->lock);
    atomic_fetch_add(&token->module_generation, 1);
}

core_status tok_pin_change(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    core_err lost = {0};

    core_status st = caches_pin_at_init(token) && may_reinitialize(token)
                         ? tok_reset_for_login(token, err)
                         : log_out(token, err);
    if (st == ST_OK) {
        token->pin->verified = false; /* until the token accepts it again */
        st = tok_login_ask(token, offer, TOK_LOGIN_CHANGED, err);
    }
    invalidate_handles(token);
    if (st == ST_OK) {
        tok_pin_record_superseded(token);
        tok_pin_record_accepted(token, offer->hash, offer->pin, offer->length);
        token->pin->verified = true;
        tok_note(token->ctx->gate, CORE_LOG_INFO,
                 "token \"%s\": its PIN was changed, the new one is logged in", token->info.label);
        return ST_OK;
    }
    /* Log in with the old PIN again. If C_Initialize failed, recovery does that later. */
    const core_status restored =
        token->ctx->gate->initialised ? tok_login_again_locked(token, &lost) : ST_OK;
    if (restored != ST_OK)
        tok_note_status(token->ctx->gate, CORE_LOG_ERROR,
                        "login lost over a PIN that is not the one logged in", restored, &lost);
    return st;
}
