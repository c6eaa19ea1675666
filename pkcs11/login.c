/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in. The login state of PKCS#11 belongs to the process and the token: once one of our
 * users is in, the token takes everybody for him and C_Login no longer looks at the PIN. So each
 * later user's PIN is compared here, in constant time, with the keyed hash of the one that the
 * token accepted; one that differs may be the token's new one, see pin_change.c.
 */
#include <string.h>
#include "pkcs11/login_private.h"

/* The wait for another login: it does not wait for a session, so session_wait_ms = 0 is no limit to
 * it. */
static unsigned turn_wait_ms(const tok_token *token)
{
    enum { OTHERWISE_MS = 10000 };
    return token->config->session_wait_ms != 0 ? token->config->session_wait_ms : OTHERWISE_MS;
}

core_status tok_login_turn_take(tok_token *token, core_err *err)
{
    if (tok_turn_take(&token->login_turn, turn_wait_ms(token)))
        return ST_OK;
    return core_fail(err, ST_POOL_TIMEOUT, "%s \"%s\": another login has not come back",
                     token->group != NULL ? "group" : "token", token->info.label);
}

core_status tok_keeper_open(tok_token *token, core_err *err)
{
    CK_SESSION_HANDLE keeper = 0;

    if (token->keeper != 0)
        return ST_OK;
    core_status st = tok_session_open_keeper(token, &keeper, err);
    if (st == ST_OK)
        token->keeper = keeper;
    return st;
}

void tok_keeper_close(tok_token *token)
{
    if (token->keeper != 0) {
        tok_session_end(token, token->keeper);
        token->keeper = 0;
    }
}

static void set_login(tok_token *token, tok_login_state login)
{
    core_mutex_lock(&token->lock);
    token->login = login;
    core_mutex_unlock(&token->lock);
}

void tok_login_found(tok_token *token)
{
    set_login(token, TOK_LOGGED_IN);
}

void tok_login_lost(tok_token *token)
{
    core_mutex_lock(&token->lock);
    if (token->login == TOK_LOGGED_IN)
        token->login = TOK_LOGIN_LOST;
    core_mutex_unlock(&token->lock);
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
    (void)token->ctx->library.f->C_Logout(token->keeper);
    core_status st = tok_pin_try(token, offer, err);
    return st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN ? fail_foreign(err, token) : st;
}

/* Whether the token has no user to log in: CKF_LOGIN_REQUIRED is not set, and C_Login says so. */
static bool has_no_user(const tok_token *token, CK_RV rv)
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
    return st != ST_OK && has_no_user(token, offer->rv) ? ST_OK : st;
}

core_status tok_login_ask(tok_token *token, tok_pin_offer *offer, tok_login_kind kind,
                          core_err *err)
{
    core_status st = tok_keeper_open(token, err);

    if (st != ST_OK)
        return st;
    offer->session = token->keeper;
    offer->user = CKU_USER;
    st = try_pin(token, offer, err);
    if (st != ST_OK && offer->rv == CKR_USER_ALREADY_LOGGED_IN)
        st = login_found(token, offer, kind, err);
    if (st == ST_OK) {
        set_login(token, TOK_LOGGED_IN);
        tok_mark_back(token);
        return ST_OK;
    }
    /* A lost session is not closed: its handle may be another's by now. */
    if (tok_rv_status(offer->rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
        token->keeper = 0;
    tok_keeper_close(token);
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

/* The first user, or one with another PIN while the login is lost: by the token. */
static core_status login_first(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    const bool another = token->pin->known;
    core_status st = tok_login_allowed(token, offer->length, offer->hash, err);

    if (st == ST_OK)
        st = tok_login_ask(token, offer, TOK_LOGIN_FIRST, err);
    if (st == ST_OK && has_no_user(token, offer->rv)) {
        core_log(CORE_LOG_INFO, "token \"%s\" has no user login: SECRET is not checked",
                 token->info.label);
    } else if (st == ST_OK) {
        if (another)
            tok_pin_replaced(token);
        tok_pin_good(token, offer->hash, offer->pin, offer->length);
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
        tok_pin_replaced(token);
    return st;
}

unsigned tok_login_users(tok_token *token)
{
    core_mutex_lock(&token->lock);
    unsigned users = token->users;
    core_mutex_unlock(&token->lock);
    return users;
}

/* Ends what there is for users when there are none; inside the gate, in the login turn. No
 * C_Logout: it would log out whoever else in this process uses the token. The token does that
 * itself when the last session of the process is closed. */
static void end_if_unused(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool left = token->users == 0 && (token->keeper != 0 || token->pin->known || token->open > 0);
    core_mutex_unlock(&token->lock);
    if (!left)
        return;
    tok_pool_drain(token, false);
    tok_volatile_end(token);
    tok_keeper_close(token);
    set_login(token, TOK_LOGGED_OUT);
    tok_pin_forget(token);
    tok_keys_forget(token);
    atomic_fetch_add(&token->epoch, 1);
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
static core_status login_other(login *l, core_err *err)
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

static core_status login_hashed(login *l, core_err *err)
{
    tok_token *token = l->token;
    const tok_pin_state *pin = token->pin;

    if (tok_login_users(token) == 0 || !pin->known) {
        end_if_unused(token);
        tok_stale_close(token); /* they would hold a login that is not this user's */
        return login_first(token, &l->offer, err);
    }
    const bool same = core_equal_ct(pin->verifier, l->offer.hash, TOK_HASH);
    if (same) /* with the kept PIN, recovery logs in */
        return is_lost(token) && pin->sealed.length == 0 ? login_lost(token, &l->offer, err)
                                                         : ST_OK;
    return is_lost(token) ? login_first(token, &l->offer, err) : login_other(l, err);
}

static core_status login_in_turn(login *l, core_err *err)
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

static core_status login_turn(void *arg, core_err *err)
{
    login *l = arg;
    core_status st = tok_login_turn_take(l->token, err);

    if (st != ST_OK)
        return st;
    l->reached = true;
    st = login_in_turn(l, err);
    tok_turn_give(&l->token->login_turn);
    return st;
}

static core_status login_with(login *l, core_err *err)
{
    tok_token *token = l->token;
    tok_stay stay;

    l->alone = false;
    l->offer.doubtful = l->offer.again = false;
    core_status st = tok_enter(token->ctx, &stay, err);
    if (st != ST_OK)
        return st;
    st = login_turn(l, err);
    tok_leave(token->ctx, &stay, token->info.label);
    if (st == ST_OK && l->asks) {
        l->alone = true;
        l->reached = false;
        st = tok_alone(token->ctx, turn_wait_ms(token), login_turn, l, err);
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
static core_status login_or_heal(login *l, core_err *err)
{
    const uint64_t epoch = atomic_load(&l->token->epoch);
    const core_status first = login_with(l, err);
    const bool final = l->offer.doubtful && !l->offer.again;
    core_status st = ST_OK;

    if (core_status_class(first) == CORE_CLASS_DEVICE)
        st = tok_heal(l->token, first, epoch, final ? NULL : err);
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

void tok_token_allow_last_try(tok_token *token)
{
    tok_member_info members[CORE_GROUP_MOST];

    if (token->group != NULL) {
        for (unsigned i = 0; i < tok_token_members(token, members); i++) {
            tok_token *member = tok_group_token(token, i);
            if (member != NULL)
                tok_token_allow_last_try(member);
        }
    } else if (tok_login_turn_take(token, NULL) == ST_OK) {
        token->pin->last_allowed = true;
        tok_turn_give(&token->login_turn);
    }
}

core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len, core_err *err)
{
    core_secret from_file = {0};
    core_status st = ST_OK;

    if (pin != NULL && pin_len == 0) {
        return core_fail(err, ST_PIN_SOURCE, "token \"%s\": the PIN given is empty",
                         token->info.label);
    }
    if (token->group != NULL)
        return tok_group_login(token, pin, pin_len, err);
    if (pin == NULL && !needs_no_pin(token)) {
        st = tok_pin_from_file(token, &from_file, err);
        if (st != ST_OK)
            return st;
        pin = (const char *)from_file.data;
        pin_len = from_file.length;
    }
    login l = {.token = token, .offer = {.pin = pin, .length = pin_len}};
    st = login_or_heal(&l, err);
    core_secret_close(&from_file);
    return st;
}

void tok_login_tidy(tok_token *token)
{
    tok_stay stay;

    if (tok_login_users(token) > 0)
        return;
    bool entered = tok_enter(token->ctx, &stay, NULL) == ST_OK;
    if (tok_turn_take(&token->login_turn, token->config->session_wait_ms)) {
        if (entered) {
            end_if_unused(token);
        } else if (tok_login_users(token) == 0) { /* the module is away: but the PIN is here */
            tok_pin_forget(token);
            tok_keys_forget(token);
        }
        tok_turn_give(&token->login_turn);
    }
    if (entered)
        tok_leave(token->ctx, &stay, token->info.label);
}

/* The user is counted out first: what a recovery or another login holds up for longer than he
 * waits, they end when they are through. The login itself stays until then, so that a user who
 * comes in between finds it as it is. */
void tok_token_logout(tok_token *token)
{
    tok_fork_check(token->ctx);
    if (token->group != NULL) {
        tok_group_logout(token);
        return;
    }
    core_mutex_lock(&token->lock);
    bool last = token->users > 0 && --token->users == 0;
    core_mutex_unlock(&token->lock);
    if (last)
        tok_login_tidy(token);
}
