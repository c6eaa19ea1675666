/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs a user in to one token, with one recovery of the device, and logs a user out.
 */
#include "pkcs11/recovery/recovery_private.h"

/* The first user, or one with another PIN while the login is lost: by the token. */
static core_status login_first(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    const bool another = token->pin->known;
    core_status st = tok_login_allowed(token, offer->length, offer->hash, err);

    if (st == ST_OK)
        st = tok_login_ask(token, offer, TOK_LOGIN_FIRST, err);
    if (st == ST_OK && tok_login_has_no_user(token, offer->rv)) {
        core_log(CORE_LOG_INFO, "token \"%s\" has no user login: SECRET is not checked",
                 token->info.label);
    } else if (st == ST_OK) {
        if (another)
            tok_pin_record_superseded(token);
        tok_pin_record_accepted(token, offer->hash, offer->pin, offer->length);
        token->pin->verified = offer->rv == CKR_OK; /* not where it is trusted */
    }
    return st;
}

/* The login was lost, and the PIN that made it is offered: it makes it again. A token that is still
 * logged in, or is again, tells nothing new of a PIN that it has accepted before. */
static core_status login_lost(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    core_status st = tok_login_allowed(token, offer->length, offer->hash, err);

    if (st == ST_OK)
        st = tok_login_ask(token, offer, TOK_LOGIN_AGAIN, err);
    if (st == ST_AUTH_FAILED && offer->rv != CKR_OK)
        tok_pin_record_superseded(token);
    return st;
}

/* One login under way. */
typedef struct login {
    tok_token *token;
    tok_pin_offer offer;
    bool alone;   /* in the module, with the gate closed */
    bool asks;    /* has to be */
    bool reached; /* it was asked */
} login;

/* A PIN that is not the one logged in: wrong, or the token's new one. The token can be asked only
 * when nobody else is at work. */
static core_status login_other(login *l, core_err *err) CORE_REQUIRES(l->token->login_lock)
{
    core_status st = tok_pin_change_allowed(l->token, l->offer.length, l->offer.hash, err);

    if (st == ST_OK && l->alone)
        return tok_pin_change(l->token, &l->offer, err);
    l->asks = st == ST_OK;
    return st;
}

static bool is_lost(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool lost = token->login != TOK_LOGGED_IN;
    core_mutex_unlock(&token->lock);
    return lost;
}

static core_status login_hashed(login *l, core_err *err) CORE_REQUIRES(l->token->login_lock)
{
    tok_token *token = l->token;
    const tok_pin_state *pin = token->pin;

    if (tok_login_users(token) == 0 || !pin->known) {
        tok_login_end_if_unused(token);
        tok_stale_close(token); /* they would hold a login that is not this user's */
        return login_first(token, &l->offer, err);
    }
    const bool same = core_equal_ct(pin->verifier, l->offer.hash, TOK_HASH);
    if (same) /* with the kept PIN, recovery logs in */
        return is_lost(token) && pin->cached_pin.length == 0 ? login_lost(token, &l->offer, err)
                                                             : ST_OK;
    return is_lost(token) ? login_first(token, &l->offer, err) : login_other(l, err);
}

static core_status login_in_turn(login *l, core_err *err) CORE_REQUIRES(l->token->login_lock)
{
    tok_token *token = l->token;
    uint8_t hash[TOK_HASH];
    core_status st = tok_pin_hash(token->pin, l->offer.pin, l->offer.length, hash);

    if (st != ST_OK)
        return core_fail(err, st, "OpenSSL failed");
    l->asks = false;
    l->offer.hash = hash;
    st = login_hashed(l, err);
    l->offer.hash = NULL;
    if (st == ST_OK && !l->asks) {
        core_mutex_lock(&token->lock);
        token->users++;
        core_mutex_unlock(&token->lock);
    }
    core_wipe(hash, sizeof hash);
    return st;
}

/* The analysis does not know that a status says whether the lock is held. */
static core_status login_lock(void *arg, core_err *err) CORE_NO_ANALYSIS
{
    login *l = arg;
    core_status st = tok_login_lock_acquire(l->token, err);

    if (st != ST_OK)
        return st;
    l->reached = true;
    st = login_in_turn(l, err);
    tok_timed_lock_release(&l->token->login_lock);
    return st;
}

static core_status login_with(login *l, core_err *err)
{
    tok_token *token = l->token;
    tok_call_scope scope;

    l->alone = false;
    l->offer.doubtful = l->offer.again = false;
    core_status st = tok_module_enter(token->ctx, &scope, err);
    if (st != ST_OK)
        return st;
    st = login_lock(l, err);
    tok_module_exit(token->ctx, &scope, token->info.label);
    if (st == ST_OK && l->asks) {
        l->alone = true;
        l->reached = false;
        st = tok_run_exclusive(token->ctx, tok_login_wait_ms(token), login_lock, l, err);
        if (st == ST_POOL_TIMEOUT && !l->reached) {
            st = core_fail(err, ST_AUTH_FAILED,
                           "token \"%s\": not the PIN that is logged in, and not sent: calls of "
                           "other sessions take too long to ask the token about it; check SECRET, "
                           "and if the token's PIN was changed, try again",
                           token->info.label);
        }
        tok_login_tidy(token);
    }
    return st;
}

/* A second time where the first met a device or a session that was lost, unless the PIN may be what
 * is wrong and a second try is one too many. */
static core_status login_or_recover(login *l, core_err *err)
{
    const uint64_t module_generation = atomic_load(&l->token->module_generation);
    const core_status first = login_with(l, err);
    const bool final = l->offer.doubtful && !l->offer.again;
    core_status st = ST_OK;

    if (core_status_class(first) == CORE_CLASS_DEVICE)
        st = tok_recover(l->token, first, module_generation, final ? NULL : err);
    else if (core_status_class(first) != CORE_CLASS_SESSION)
        return first;
    if (final)
        return first;
    /* That the old PIN is not to be had, or refused by now, says nothing of this one. */
    core_class class = core_status_class(st);
    if (st == ST_OK || class == CORE_CLASS_LOGIN || class == CORE_CLASS_PIN)
        st = login_with(l, err);
    return st;
}

/* Whether a user may log in to the token without a PIN of his. */
static bool needs_no_pin(const tok_token *token)
{
    return token->config->pin_file == NULL &&
           (token->info.protected_path || !token->info.login_required);
}

core_status tok_single_login(tok_token *token, const char *pin, size_t pin_len, core_err *err)
{
    core_secret from_file = {0};
    core_status st = ST_OK;

    if (pin == NULL && !needs_no_pin(token)) {
        st = tok_pin_from_file(token, &from_file, err);
        if (st != ST_OK)
            return st;
        pin = (const char *)from_file.data;
        pin_len = from_file.length;
    }
    login l = {.token = token, .offer = {.pin = pin, .length = pin_len}};
    st = login_or_recover(&l, err);
    core_secret_close(&from_file);
    return st;
}

/* The user is counted out first: what a recovery or another login holds up for longer than he
 * waits, they end when they are through. The login itself stays until then, so that a user who
 * comes in between finds it as it is. */
void tok_single_logout(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool last = token->users > 0 && --token->users == 0;
    core_mutex_unlock(&token->lock);
    if (last)
        tok_login_tidy(token);
}
