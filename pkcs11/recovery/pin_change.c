/* SPDX-License-Identifier: Apache-2.0
 *
 * A PIN that is not the one logged in. It may be wrong, or it may be the new one of a token whose
 * PIN was changed; only the token knows, and it looks at a PIN only when nobody is logged in. So,
 * with all others waiting at the gate: logged out, in with the new one, and if that is refused, in
 * with the old one again. Sessions of the old PIN stay valid: it was right when they were opened.
 *
 * What bounds the disturbance by a wrong credential: a PIN that was refused is not sent again, and
 * of different ones only a few are (pin.c). Each is followed by the old one, which sets the token's
 * own count of wrong PINs back (a module known not to do that is not asked); but should the PIN
 * have become a third one, both are wrong. So nothing is sent while the token says that its count
 * is low already: two more could lock it.
 *
 * C_SetPIN from the PIN to itself would ask without a logout. But it writes to the token, ends the
 * old PIN's history where there is one, and is refused by policies; a question must not do that.
 */
#include <string.h>
#include "pkcs11/recovery/recovery_private.h"

static core_status wrong_pin(const tok_token *token, const char *why, core_err *err)
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
        return wrong_pin(token, " (a changed PIN needs all sessions closed: pin_change = refuse)",
                         err);
    if (token->ctx->library.counting)
        return wrong_pin(token,
                         " (a changed PIN needs all sessions closed: this module counts wrong PINs "
                         "past a good login)",
                         err);
    if (token->pin->typed || length == 0)
        return wrong_pin(token,
                         " (the PIN is typed at the token: leave SECRET and pin_file empty, or "
                         "give the PIN for all sessions)",
                         err);
    if (token->pin->cached_pin.length == 0)
        return wrong_pin(token, " (a changed PIN needs all sessions closed: relogin = no)", err);
    /* A login that we only found (foreign_login = trust) is not ours to end. */
    if (!token->pin->verified)
        return wrong_pin(token, "", err);
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

/* Some modules read the PIN's check value once, when they are initialised, so that a change by
 * another process shows only in a new start. */
static bool goes_by_its_start(const tok_token *token)
{
    static const char *const manufacturers[] = {"SoftHSM project"};

    for (size_t i = 0; i < sizeof manufacturers / sizeof manufacturers[0]; i++)
        if (strcmp(token->info.manufacturer, manufacturers[i]) == 0)
            return true;
    return token->config->pin_change == CORE_CHANGE_INIT;
}

/* Whether the module may be started anew: it is ours, and no other token of it loses by that. */
static bool may_start_anew(const tok_token *token)
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

/* A keeper that the token has lost is opened anew: the login may be held by other sessions. */
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

static void handles_are_lost(tok_token *token)
{
    core_mutex_lock(&token->lock);
    token->indexed_at_us = 0;
    core_mutex_unlock(&token->lock);
    atomic_fetch_add(&token->module_generation, 1);
}

core_status tok_pin_change(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    core_err lost = {0};

    core_status st = goes_by_its_start(token) && may_start_anew(token)
                         ? tok_reset_for_login(token, err)
                         : log_out(token, err);
    if (st == ST_OK) {
        token->pin->verified = false; /* until the token accepts it again */
        st = tok_login_ask(token, offer, TOK_LOGIN_CHANGED, err);
    }
    handles_are_lost(token);
    if (st == ST_OK) {
        tok_pin_record_superseded(token);
        tok_pin_record_accepted(token, offer->hash, offer->pin, offer->length);
        token->pin->verified = true;
        tok_note(token->ctx->gate, CORE_LOG_INFO,
                 "token \"%s\": its PIN was changed, the new one is logged in", token->info.label);
        return ST_OK;
    }
    /* A module that does not start is a case for recovery, which logs in, too. */
    core_status back = token->ctx->gate->initialised ? tok_login_again_locked(token, &lost) : ST_OK;
    if (back != ST_OK)
        tok_note_status(token->ctx->gate, CORE_LOG_ERROR,
                        "login lost over a PIN that is not the one logged in", back, &lost);
    return st;
}
