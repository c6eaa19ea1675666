/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs a user in to one token, with at most one recovery, and logs a user out.
 *
 * How the PIN of a user is checked depends on the state of the token (login_by_state):
 *
 *   state                      PIN               action
 *   no user is logged in       any               C_Login (login_first)
 *   logged in                  the accepted one  compare hashes only
 *   logged in                  another           C_Logout and C_Login, exclusively (login_other)
 *   login lost, PIN cached     the accepted one  compare hashes only; recovery logs in
 *   login lost, no cached PIN  the accepted one  C_Login (login_lost)
 *   login lost                 another           C_Login (login_first)
 */
#include "pkcs11/recovery/recovery_private.h"

/* The token checks the PIN by C_Login: of the first user, or of a user with another PIN while the
 * login is lost. */
static core_status login_first(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    const bool replaces_pin = token->pin->known;
    core_status st = tok_login_allowed(token, offer->length, offer->hash, err);

    if (st == ST_OK)
        st = tok_login_ask(token, offer, TOK_LOGIN_FIRST, err);
    if (st == ST_OK && tok_login_has_no_user(token, offer->rv)) {
        core_log(CORE_LOG_INFO, "token \"%s\" has no user login: SECRET is not checked",
                 token->info.label);
    } else if (st == ST_OK) {
        if (replaces_pin)
            tok_pin_record_superseded(token);
        tok_pin_record_accepted(token, offer->hash, offer->pin, offer->length);
        token->pin->verified = offer->rv == CKR_OK; /* not with foreign_login = trust */
    }
    return st;
}

/* The login is lost, and the user presents the PIN of that login: log in with it. If the token
 * turns out to be logged in, the PIN needs no other check, since the token has accepted it before.
 */
static core_status login_lost(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    core_status st = tok_login_allowed(token, offer->length, offer->hash, err);

    if (st == ST_OK)
        st = tok_login_ask(token, offer, TOK_LOGIN_AGAIN, err);
    if (st == ST_AUTH_FAILED && offer->rv != CKR_OK)
        tok_pin_record_superseded(token);
    return st;
}

/* The login of one user. */
typedef struct user_login {
    tok_token *token;
    tok_pin_offer offer;
    bool exclusive;       /* the gate is closed: no other thread is in the module */
    bool needs_exclusive; /* out: not logged in; repeat with the gate closed */
    bool lock_acquired;   /* out: the login lock was acquired */
} user_login;

/* The PIN differs from the one that is logged in: it is wrong, or it is the token's new PIN. Only
 * the token can tell, after a C_Logout, so no other thread may use the token in between. */
static core_status login_other(user_login *login, core_err *err)
    CORE_REQUIRES(login->token->login_lock)
{
    core_status st =
        tok_pin_change_allowed(login->token, login->offer.length, login->offer.hash, err);

    if (st == ST_OK && login->exclusive)
        return tok_pin_change(login->token, &login->offer, err);
    login->needs_exclusive = st == ST_OK;
    return st;
}

static bool login_is_lost(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool lost = token->login != TOK_LOGGED_IN;
    core_mutex_unlock(&token->lock);
    return lost;
}

/* Chooses the check by the table at the top of the file. With the login lock held; offer.hash is
 * set. */
static core_status login_by_state(user_login *login, core_err *err)
    CORE_REQUIRES(login->token->login_lock)
{
    tok_token *token = login->token;
    const tok_pin_state *pin = token->pin;

    if (tok_login_users(token) == 0 || !pin->known) {
        tok_login_end_if_unused(token);
        tok_stale_close(token); /* stale sessions would keep an earlier login alive */
        return login_first(token, &login->offer, err);
    }
    const bool lost = login_is_lost(token);
    if (!core_equal_ct(pin->verifier, login->offer.hash, TOK_HASH))
        return lost ? login_first(token, &login->offer, err) : login_other(login, err);
    if (lost && pin->cached_pin.length == 0)
        return login_lost(token, &login->offer, err);
    return ST_OK;
}

/* With the login lock held, inside the gate or with it closed. */
static core_status login_locked(user_login *login, core_err *err)
    CORE_REQUIRES(login->token->login_lock)
{
    tok_token *token = login->token;
    uint8_t hash[TOK_HASH];
    core_status st = tok_pin_hash(token->pin, login->offer.pin, login->offer.length, hash);

    if (st != ST_OK)
        return core_fail(err, st, "OpenSSL failed");
    login->needs_exclusive = false;
    login->offer.hash = hash;
    st = login_by_state(login, err);
    login->offer.hash = NULL;
    if (st == ST_OK && !login->needs_exclusive) {
        core_mutex_lock(&token->lock);
        token->users++;
        core_mutex_unlock(&token->lock);
    }
    core_wipe(hash, sizeof hash);
    return st;
}

/* tok_exclusive_op, and inside the gate. `arg` is the user_login. No analysis: it does not know
 * that the status says whether the lock is held. */
static core_status acquire_and_login(void *arg, core_err *err) CORE_NO_ANALYSIS
{
    user_login *login = arg;
    core_status st = tok_login_lock_acquire(login->token, err);

    if (st != ST_OK)
        return st;
    login->lock_acquired = true;
    st = login_locked(login, err);
    tok_timed_lock_release(&login->token->login_lock);
    return st;
}

/* Repeats the login with the gate closed, because the token has to check a PIN that differs from
 * the one that is logged in. */
static core_status login_exclusively(user_login *login, core_err *err)
{
    tok_token *token = login->token;

    login->exclusive = true;
    login->lock_acquired = false;
    core_status st =
        tok_run_exclusive(token->ctx, tok_login_wait_ms(token), acquire_and_login, login, err);
    if (st == ST_POOL_TIMEOUT && !login->lock_acquired) {
        st = core_fail(err, ST_AUTH_FAILED,
                       "token \"%s\": not the PIN that is logged in, and not sent: calls of "
                       "other sessions take too long to ask the token about it; check SECRET, "
                       "and if the token's PIN was changed, try again",
                       token->info.label);
    }
    tok_login_tidy(token);
    return st;
}

/* One attempt, without recovery. Called outside the gate. */
static core_status login_once(user_login *login, core_err *err)
{
    tok_token *token = login->token;
    tok_call_scope scope;

    login->exclusive = false;
    login->offer.doubtful = login->offer.again = false;
    core_status st = tok_module_enter(token->ctx, &scope, err);
    if (st != ST_OK)
        return st;
    st = acquire_and_login(login, err);
    tok_module_exit(token->ctx, &scope, token->info.label);
    return st == ST_OK && login->needs_exclusive ? login_exclusively(login, err) : st;
}

/* Recovers and repeats the login once after a lost device or session. The login is not repeated if
 * the failure may mean a wrong PIN and no further try is allowed. */
static core_status login_or_recover(user_login *login, core_err *err)
{
    const uint64_t module_generation = atomic_load(&login->token->module_generation);
    const core_status first = login_once(login, err);
    const bool final = login->offer.doubtful && !login->offer.again;
    core_status st = ST_OK;

    if (core_status_class(first) == CORE_CLASS_DEVICE)
        st = tok_recover(login->token, first, module_generation, final ? NULL : err);
    else if (core_status_class(first) != CORE_CLASS_SESSION)
        return first;
    if (final)
        return first;
    /* Recovery may fail to log in with the cached PIN (none is cached, or the token rejects it
     * now). The PIN of this user may still be right. */
    const core_class class = core_status_class(st);
    if (st == ST_OK || class == CORE_CLASS_LOGIN || class == CORE_CLASS_PIN)
        st = login_once(login, err);
    return st;
}

/* True if a user may log in without a PIN from SECRET or pin_file. */
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
    user_login login = {.token = token, .offer = {.pin = pin, .length = pin_len}};
    st = login_or_recover(&login, err);
    core_secret_close(&from_file);
    return st;
}

/* Decrement the user count before cleanup. If a recovery or login holds the login lock past our
 * timeout, it finishes the cleanup instead (tok_login_tidy). The login stays valid until the
 * cleanup, so that a user who logs in before it can use it. */
void tok_single_logout(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool last = token->users > 0 && --token->users == 0;
    core_mutex_unlock(&token->lock);
    if (last)
        tok_login_tidy(token);
}
