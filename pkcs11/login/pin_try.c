/* SPDX-License-Identifier: Apache-2.0
 *
 * One PIN try. This file holds the only call of C_Login, so that every login, of a user, by
 * recovery, or for one operation (CKU_CONTEXT_SPECIFIC), follows the same rules. The token's PIN
 * flags are read first: a locked token gets no PIN, and one that has a single try left gets none
 * unless an administrator asked for it. Every answer that does not prove that the token left the
 * PIN alone counts as a wrong PIN, because tokens report wrong PINs by vendor codes,
 * CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED and many others.
 *
 * One exception: SoftHSM answers CKR_GENERAL_ERROR to some of many simultaneous logins, without a
 * look at the PIN. A token that is known to set CKF_USER_PIN_COUNT_LOW for a wrong PIN, and did not
 * set it, is asked again, twice at most until a login succeeds.
 */
#include <string.h>
#include "pkcs11/login/login_private.h"

typedef enum pin_verdict {
    UNSEEN,  /* the token did not look at the PIN, or it was right */
    REFUSED, /* the PIN is wrong */
    DOUBTFUL /* it may be */
} pin_verdict;

/* The answers that settle what happened to the PIN; all others are doubtful. */
static const struct {
    CK_RV rv;
    pin_verdict verdict;
} answers[] = {
    {CKR_PIN_INCORRECT, REFUSED},
    {CKR_PIN_INVALID, REFUSED},
    {CKR_PIN_LEN_RANGE, REFUSED},
    /* PKCS #11 2.40, 5.1.4 to 5.1.6 and C_Login: given before the PIN is compared. */
    {CKR_CRYPTOKI_NOT_INITIALIZED, UNSEEN},
    {CKR_SESSION_HANDLE_INVALID, UNSEEN},
    {CKR_SLOT_ID_INVALID, UNSEEN},
    {CKR_TOKEN_NOT_PRESENT, UNSEEN},
    {CKR_FUNCTION_NOT_SUPPORTED, UNSEEN},
    {CKR_USER_TYPE_INVALID, UNSEEN},
    {CKR_USER_ALREADY_LOGGED_IN, UNSEEN},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, UNSEEN},
    {CKR_USER_TOO_MANY_TYPES, UNSEEN},
    {CKR_USER_PIN_NOT_INITIALIZED, UNSEEN},
    {CKR_SESSION_READ_ONLY_EXISTS, UNSEEN},
    {CKR_OPERATION_NOT_INITIALIZED, UNSEEN},
    {CKR_PIN_LOCKED, UNSEEN},
    /* The PIN was right. */
    {CKR_PIN_EXPIRED, UNSEEN},
};

/* CKR_USER_NOT_LOGGED_IN is the answer of CKU_CONTEXT_SPECIFIC to a lost login. It proves that only
 * if the login is lost. */
static pin_verdict judge_login_lost(const tok_token *token, const tok_pin_offer *offer)
{
    CK_SESSION_INFO info;

    if (offer->user != CKU_CONTEXT_SPECIFIC ||
        token->ctx->library.f->C_GetSessionInfo(offer->session, &info) != CKR_OK)
        return DOUBTFUL;
    return info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION ? UNSEEN
                                                                                      : DOUBTFUL;
}

static pin_verdict judge(const tok_token *token, const tok_pin_offer *offer)
{
    if (offer->rv == CKR_USER_NOT_LOGGED_IN)
        return judge_login_lost(token, offer);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (answers[i].rv == offer->rv)
            return answers[i].verdict;
    return DOUBTFUL;
}

static core_status refuse_by_flags(const tok_token *token, const tok_token_info *now, core_err *err)
{
    const struct {
        bool refused;
        core_status st;
    } checks[] = {
        {now->pin_locked, ST_PIN_LOCKED},
        {now->pin_last_try && !token->pin->last_allowed, ST_PIN_LAST_TRY},
        {now->pin_to_change, ST_PIN_EXPIRED},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i].refused) {
            return core_fail(err, checks[i].st, "token \"%s\": %s; %s", token->info.label,
                             core_status_text(checks[i].st), core_status_next(checks[i].st));
        }
    }
    return ST_OK;
}

static core_status read_flags(tok_token *token, tok_token_info *now, core_err *err)
{
    core_status st = tok_slot_info(token->ctx, atomic_load(&token->slot), now, NULL);

    token->pin->tells |= st == ST_OK && now->pin_low;
    if (st == ST_OK)
        return ST_OK;
    return core_fail(err, st, "token \"%s\": %s; %s", token->info.label, core_status_text(st),
                     core_status_next(st));
}

core_status tok_pin_flags(tok_token *token, tok_token_info *now, core_err *err)
{
    core_status st = read_flags(token, now, err);

    if (st != ST_OK)
        return st;
    /* A token that took the other's place gets no PIN, though the session is still open. */
    if (!tok_info_is(token, now)) {
        return core_fail(err, ST_TOKEN_NOT_FOUND,
                         "token \"%s\" (serial %s): its slot has another token now, which gets no "
                         "PIN; put the right one back",
                         token->info.label, token->info.serial);
    }
    return refuse_by_flags(token, now, err);
}

/* Whether the token sets CKF_USER_PIN_COUNT_LOW for a wrong PIN. */
static bool tells_wrong_pins(const tok_token *token)
{
    return token->pin->tells || strcmp(token->info.manufacturer, "SoftHSM project") == 0;
}

/* Whether the answer came from a busy token, which left the PIN alone; see the top of the file. */
static bool is_busy(tok_token *token, const tok_pin_offer *offer, const tok_token_info *before,
                    const tok_token_info *after)
{
    enum { BUSY_MOST = 2 };

    if (offer->rv != CKR_GENERAL_ERROR || token->pin->busy >= BUSY_MOST ||
        !tells_wrong_pins(token) || before->pin_low || after->pin_low)
        return false;
    token->pin->busy++;
    return true;
}

static core_status fail_doubtful(const tok_token *token, const tok_pin_offer *offer, core_err *err)
{
    core_status st = tok_rv_status(offer->rv, TOK_CALL_OTHER);

    if (core_status_class(st) != CORE_CLASS_CAPACITY)
        st = ST_DEVICE;
    if (token->info.protected_path && offer->pin != NULL) {
        return core_fail(err, st,
                         "token \"%s\": C_Login failed (%s 0x%lx); the token has a keypad of its "
                         "own: leave SECRET empty and pin_file unset, and type the PIN there",
                         token->info.label, tok_rv_name(offer->rv), (unsigned long)offer->rv);
    }
    return core_fail(err, st,
                     "token \"%s\": C_Login failed (%s 0x%lx), which may mean a wrong PIN and "
                     "counts as one; check the PIN, then the HSM and its client service",
                     token->info.label, tok_rv_name(offer->rv), (unsigned long)offer->rv);
}

/* Counts an answer that is not CKR_OK. *busy: the token is to be asked again. */
static core_status settle(tok_token *token, tok_pin_offer *offer, const tok_token_info *before,
                          bool *busy, core_err *err)
{
    tok_token_info after;
    const pin_verdict verdict = judge(token, offer);

    *busy = false;
    if (verdict == UNSEEN)
        return tok_rv_fail(err, token, "C_Login", offer->rv, TOK_CALL_OTHER);
    const bool told = read_flags(token, &after, NULL) == ST_OK;
    if (verdict == REFUSED) {
        if (offer->pin != NULL)
            tok_pin_record_rejected(token, offer->hash);
        else
            tok_pin_record_doubtful(token); /* what was typed at the token is not known here */
        token->pin->kept_failed |= offer->kept;
        return tok_rv_fail(err, token, "C_Login", offer->rv, TOK_CALL_OTHER);
    }
    *busy = told && is_busy(token, offer, before, &after);
    if (!*busy) {
        tok_pin_record_doubtful(token);
        token->pin->kept_failed |= offer->kept;
        offer->doubtful = true;
        offer->again = token->pin->streak < token->config->pin_tries && !(told && after.pin_low);
    }
    return fail_doubtful(token, offer, err);
}

/* A login ends what was known of handles of private objects, and session objects of that kind. */
static void accept(tok_token *token, const tok_pin_offer *offer)
{
    token->pin->streak = token->pin->busy = 0;
    token->pin->kept_failed = false;
    if (offer->user == CKU_USER) {
        token->pin->verified = true;
        atomic_fetch_add(&token->login_generation, 1);
    }
}

core_status tok_pin_try(tok_token *token, tok_pin_offer *offer, core_err *err)
{
    tok_check_inside();
    enum { PAUSE_MS = 100 };
    tok_token_info now;
    bool busy = false;

    offer->rv = CKR_FUNCTION_CANCELED;
    offer->doubtful = offer->again = false;
    core_status st = tok_pin_flags(token, &now, err);
    token->pin->last_allowed = false;
    if (st != ST_OK)
        return st;
    do {
        if (busy)
            core_sleep_ms(PAUSE_MS * token->pin->busy);
        atomic_fetch_add(&token->logins, 1);
        offer->rv = token->ctx->library.f->C_Login(offer->session, offer->user,
                                                   (CK_UTF8CHAR_PTR)(uintptr_t)offer->pin,
                                                   (CK_ULONG)offer->length);
        if (offer->rv == CKR_OK) {
            accept(token, offer);
            return ST_OK;
        }
        st = settle(token, offer, &now, &busy, err);
    } while (busy);
    return st;
}
