/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in. The login state of PKCS#11 belongs to the process and the token: once one of our
 * users is in, the token takes everybody for him and C_Login no longer looks at the PIN. So each
 * later user's PIN is compared here, in constant time, with the keyed hash of the one that the
 * token accepted; one that differs may be the token's new one, see pin_change.c.
 */
#include <string.h>
#include "pkcs11/tok_private.h"

static core_status refuse_by_flags(const tok_token *token, const tok_token_info *now, core_err *err)
{
    static const struct {
        size_t flag;
        bool bad;
        core_status st;
    } checks[] = {
        {offsetof(tok_token_info, pin_locked), true, ST_PIN_LOCKED},
        {offsetof(tok_token_info, pin_last_try), true, ST_PIN_LAST_TRY},
        {offsetof(tok_token_info, pin_to_change), true, ST_PIN_EXPIRED},
        {offsetof(tok_token_info, pin_set), false, ST_PIN_EXPIRED},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (*(const bool *)((const char *)now + checks[i].flag) == checks[i].bad) {
            return core_fail(err, checks[i].st, "token \"%s\": %s; %s", token->info.label,
                             core_status_text(checks[i].st), core_status_next(checks[i].st));
        }
    }
    return ST_OK;
}

core_status tok_login_turn_take(tok_token *token, core_err *err)
{
    if (tok_turn_take(&token->login_turn, token->config->session_wait_ms))
        return ST_OK;
    return core_fail(err, ST_POOL_TIMEOUT, "%s \"%s\": another login has not come back",
                     token->group != NULL ? "group" : "token", token->info.label);
}

/* A login that is granted ends what others had: handles of private objects, and such objects of
 * sessions (PKCS #11 on C_Logout). */
static CK_RV call_login(tok_token *token, const char *pin, size_t length)
{
    CK_RV rv = token->ctx->library.f->C_Login(token->keeper, CKU_USER,
                                              (CK_UTF8CHAR_PTR)(uintptr_t)pin, (CK_ULONG)length);

    if (rv == CKR_OK)
        atomic_fetch_add(&token->granted, 1);
    return rv;
}

/* Somebody else in this process is logged in, so the token cannot be asked about this PIN. */
static CK_RV login_beside(tok_token *token, const char *pin, size_t length)
{
    switch (token->config->foreign_login) {
    case CORE_FOREIGN_TRUST:
        return CKR_OK;
    case CORE_FOREIGN_LOGOUT:
        (void)token->ctx->library.f->C_Logout(token->keeper);
        return call_login(token, pin, length);
    case CORE_FOREIGN_REFUSE:
    default:
        return CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
    }
}

static void keeper_close(tok_token *token)
{
    if (token->keeper != 0) {
        tok_session_end(token, token->keeper);
        token->keeper = 0;
    }
}

/* `again`: for those who are in, if there is still one. */
static void set_logged_in(tok_token *token, bool in, bool again)
{
    core_mutex_lock(&token->lock);
    token->logged_in = in && (!again || token->users > 0);
    core_mutex_unlock(&token->lock);
}

static CK_RV login_found(tok_token *token, const char *pin, size_t length, tok_login_kind kind)
{
    if (kind == TOK_LOGIN_AGAIN)
        return CKR_OK;
    return kind == TOK_LOGIN_FIRST ? login_beside(token, pin, length)
                                   : CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
}

core_status tok_login_ask(tok_token *token, const char *pin, size_t length, tok_login_kind kind,
                          core_err *err)
{
    core_status st = ST_OK;
    CK_RV rv;

    if (token->keeper == 0) {
        CK_SESSION_HANDLE keeper = 0;
        st = tok_session_open(token, &keeper, err);
        if (st != ST_OK)
            return st;
        token->keeper = keeper;
    }
    atomic_fetch_add(&token->logins, 1);
    rv = call_login(token, pin, length);
    if (rv == CKR_OK)
        token->pin.verified = true;
    else if (rv == CKR_USER_ALREADY_LOGGED_IN)
        rv = login_found(token, pin, length, kind);
    if (rv != CKR_OK) {
        if (tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
            token->keeper = 0;
        keeper_close(token);
        st = tok_rv_fail(err, token, "C_Login", rv, TOK_CALL_OTHER);
        set_logged_in(token, false, kind == TOK_LOGIN_AGAIN);
        return st;
    }
    set_logged_in(token, true, kind == TOK_LOGIN_AGAIN);
    tok_mark_back(token);
    return ST_OK;
}

core_status tok_login_allowed(tok_token *token, size_t length, const uint8_t hash[32],
                              tok_token_info *now, core_err *err)
{
    core_status st = tok_pin_allowed(token, hash, err);

    if (st != ST_OK)
        return st;
    if (length < token->info.min_pin || (token->info.max_pin > 0 && length > token->info.max_pin)) {
        return core_fail(err, ST_AUTH_FAILED,
                         "token \"%s\" takes PINs of %u to %u characters; check SECRET",
                         token->info.label, token->info.min_pin, token->info.max_pin);
    }
    st = tok_slot_info(token->ctx, token->slot, now, NULL);
    if (st != ST_OK) {
        return core_fail(err, st, "token \"%s\": %s; %s", token->info.label, core_status_text(st),
                         core_status_next(st));
    }
    return refuse_by_flags(token, now, err);
}

/* The first user: by the token. */
static core_status login_first(tok_token *token, const char *pin, size_t length,
                               const uint8_t hash[32], core_err *err)
{
    tok_token_info now;
    core_status st = tok_login_allowed(token, length, hash, &now, err);

    if (st == ST_OK) {
        st = tok_login_ask(token, pin, length, TOK_LOGIN_FIRST, err);
        if (st == ST_AUTH_FAILED)
            tok_pin_wrong(token, hash);
        else if (st == ST_OK)
            tok_pin_good(token, hash, pin, length);
    }
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
    bool left = token->users == 0 && (token->keeper != 0 || token->pin.known || token->open > 0);
    core_mutex_unlock(&token->lock);
    if (!left)
        return;
    tok_pool_drain(token, false);
    tok_volatile_end(token);
    keeper_close(token);
    tok_pin_forget(token);
    tok_keys_forget(token);
    atomic_fetch_add(&token->epoch, 1);
}

/* One login under way. */
typedef struct login {
    tok_token *token;
    const char *pin;
    size_t length;
    bool alone; /* in the module, with the gate closed */
    bool asks;  /* has to be */
} login;

/* A PIN that is not the one logged in: wrong, or the token's new one. The token can be asked only
 * when nobody else is at work. */
static core_status login_other(login *l, const uint8_t hash[32], core_err *err)
{
    core_status st = tok_pin_change_allowed(l->token, l->length, hash, err);

    if (st == ST_OK && l->alone)
        return tok_pin_change(l->token, l->pin, l->length, hash, err);
    l->asks = st == ST_OK;
    return st;
}

static core_status login_in_turn(login *l, core_err *err)
{
    tok_token *token = l->token;
    uint8_t hash[32];
    core_status st = tok_pin_hash(&token->pin, l->pin, l->length, hash);

    if (st != ST_OK)
        return core_fail(err, st, "OpenSSL failed");
    l->asks = false;
    if (tok_login_users(token) == 0 || !token->pin.known) {
        end_if_unused(token);
        tok_stale_close(token); /* they would hold a login that is not this user's */
        st = login_first(token, l->pin, l->length, hash, err);
    } else if (!core_equal_ct(token->pin.verifier, hash, sizeof hash)) {
        st = login_other(l, hash, err);
    }
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
    st = login_in_turn(l, err);
    tok_turn_give(&l->token->login_turn);
    return st;
}

static core_status login_with(tok_token *token, const char *pin, size_t length, core_err *err)
{
    login l = {token, pin, length, false, false};
    tok_stay stay;
    core_status st = tok_enter(token->ctx, &stay, err);

    if (st != ST_OK)
        return st;
    st = login_turn(&l, err);
    tok_leave(token->ctx, &stay, token->info.label);
    if (st == ST_OK && l.asks) {
        l.alone = true;
        st = tok_alone(token->ctx, login_turn, &l, err);
        tok_login_tidy(token);
    }
    return st;
}

core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len, core_err *err)
{
    core_secret from_file = {0};
    core_status st = ST_OK;

    if (token->group != NULL)
        return tok_group_login(token, pin, pin_len, err);
    if (pin == NULL || pin_len == 0) {
        st = tok_pin_from_file(token, &from_file, err);
        if (st != ST_OK)
            return st;
        pin = (const char *)from_file.data;
        pin_len = from_file.length;
    }
    uint64_t epoch = atomic_load(&token->epoch);
    st = login_with(token, pin, pin_len, err);
    core_class class = core_status_class(st);
    if (class == CORE_CLASS_DEVICE || class == CORE_CLASS_SESSION) {
        st = class == CORE_CLASS_DEVICE ? tok_heal(token, st, epoch, err) : ST_OK;
        class = core_status_class(st);
        /* That the old PIN is not to be had, or refused by now, says nothing of this one. */
        if (st == ST_OK || class == CORE_CLASS_LOGIN || class == CORE_CLASS_PIN)
            st = login_with(token, pin, pin_len, err);
    }
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
 * waits, they end when they are through. */
void tok_token_logout(tok_token *token)
{
    tok_fork_check(token->ctx);
    if (token->group != NULL) {
        tok_group_logout(token);
        return;
    }
    core_mutex_lock(&token->lock);
    bool last = token->users > 0 && --token->users == 0;
    if (last)
        token->logged_in = false;
    core_mutex_unlock(&token->lock);
    if (last)
        tok_login_tidy(token);
}

/* With a PIN that was right before: a token that many processes log in to at one moment may answer
 * CKR_GENERAL_ERROR to some of them. */
static core_status login_patiently(tok_token *token, const core_secret *pin, core_err *err)
{
    enum { TRIES = 4, PAUSE_MS = 50 };
    core_status st = ST_DEVICE;

    for (unsigned i = 0; i < TRIES && core_status_class(st) == CORE_CLASS_DEVICE; i++) {
        if (i > 0)
            core_sleep_ms((unsigned)PAUSE_MS << i);
        st = tok_login_ask(token, (const char *)pin->data, pin->length, TOK_LOGIN_AGAIN, err);
    }
    return st;
}

static bool is_logged_in(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool in = token->logged_in;
    core_mutex_unlock(&token->lock);
    return in;
}

core_status tok_login_again_in_turn(tok_token *token, core_err *err)
{
    core_secret pin = {0};
    CK_SESSION_INFO info;
    CK_RV info_rv = CKR_OK;

    /* Another thread may have been faster. */
    if (token->keeper != 0)
        info_rv = token->ctx->library.f->C_GetSessionInfo(token->keeper, &info);
    if (is_logged_in(token) && token->keeper != 0 && info_rv == CKR_OK &&
        (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS))
        return ST_OK;
    /* A session that is gone is not closed: its number may be another's by now. */
    if (info_rv != CKR_OK && tok_rv_status(info_rv, TOK_CALL_OTHER) == ST_SESSION_LOST)
        token->keeper = 0;
    if (token->pin.sealed == NULL)
        token->pin.known = false; /* so that the next session's PIN goes to the token */
    if (tok_login_users(token) == 0 || token->pin.sealed == NULL) {
        return core_fail(err, ST_LOGIN_LOST, "token \"%s\": %s; %s", token->info.label,
                         core_status_text(ST_LOGIN_LOST), core_status_next(ST_LOGIN_LOST));
    }
    core_status st = core_unseal(token->pin.sealed, token->pin.sealed_len, &pin);
    if (st == ST_OK) {
        keeper_close(token);
        st = login_patiently(token, &pin, err);
        if (core_status_class(st) == CORE_CLASS_PIN) {
            /* The PIN was changed on the token: what we have is worth nothing, and must not be
             * tried until it locks the token. The next session brings the new one. */
            tok_pin_wrong(token, token->pin.verifier);
            tok_pin_replaced(token);
        }
    }
    core_secret_close(&pin);
    return st;
}

core_status tok_login_again(tok_token *token, core_err *err)
{
    core_status st = tok_login_turn_take(token, err);

    if (st != ST_OK)
        return st;
    st = tok_login_again_in_turn(token, err);
    tok_turn_give(&token->login_turn);
    return st;
}

/* In the login turn, in which the PIN may be replaced. One that was refused is not sent again. */
static core_status login_operation(tok_session *session, core_err *err)
{
    tok_token *token = session->token;
    core_secret pin = {0};
    CK_RV rv;

    if (token->pin.sealed == NULL) {
        return core_fail(
            err, ST_POLICY,
            "token \"%s\": this key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE); set "
            "relogin = yes",
            token->info.label);
    }
    core_status st = tok_pin_not_refused(token, token->pin.verifier, err);
    if (st == ST_OK)
        st = core_unseal(token->pin.sealed, token->pin.sealed_len, &pin);
    if (st == ST_OK) {
        rv = session->f->C_Login(session->handle, CKU_CONTEXT_SPECIFIC, pin.data,
                                 (CK_ULONG)pin.length);
        if (rv != CKR_OK)
            st = tok_rv_fail(err, token, "C_Login", rv, TOK_CALL_OTHER);
        if (st == ST_AUTH_FAILED) {
            const bool verified = token->pin.verified; /* when it logged in, and that holds */
            tok_pin_wrong(token, token->pin.verifier);
            token->pin.verified = verified;
        }
    }
    core_secret_close(&pin);
    return st;
}

core_status tok_login_operation(tok_session *session, core_err *err)
{
    core_status st = tok_login_turn_take(session->token, err);

    if (st != ST_OK)
        return st;
    st = login_operation(session, err);
    tok_turn_give(&session->token->login_turn);
    return st;
}
