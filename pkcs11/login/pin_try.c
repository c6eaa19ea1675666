/* SPDX-License-Identifier: Apache-2.0
 *
 * One PIN try. This file has the only call of C_Login, so that every login (of a user, by recovery,
 * or for one operation with CKU_CONTEXT_SPECIFIC) follows the same rules. The token's PIN flags are
 * read first: no PIN is sent to a locked token, nor to a token with a single try left unless an
 * administrator asked for it. Every CK_RV that does not prove that the token did not compare the
 * PIN counts as a wrong PIN, because tokens report wrong PINs by vendor codes, CKR_GENERAL_ERROR,
 * CKR_FUNCTION_FAILED and many others.
 *
 * One exception: SoftHSM returns CKR_GENERAL_ERROR for some of many simultaneous logins, without
 * comparing the PIN. If the token is known to set CKF_USER_PIN_COUNT_LOW after a wrong PIN and did
 * not set it, C_Login is repeated, at most twice until a login succeeds.
 */
#include <string.h>
#include "pkcs11/login/login_private.h"

typedef enum pin_verdict {
    UNSEEN,  /* the token did not compare the PIN, or the PIN was right */
    REFUSED, /* the PIN is wrong */
    DOUBTFUL /* the PIN may be wrong */
} pin_verdict;

/* The codes with a definite meaning for the PIN; all others are DOUBTFUL. */
static const struct {
    CK_RV rv;
    pin_verdict verdict;
} answers[] = {
    {CKR_PIN_INCORRECT, REFUSED},
    {CKR_PIN_INVALID, REFUSED},
    {CKR_PIN_LEN_RANGE, REFUSED},
    /* PKCS #11 2.40, 5.1.4 to 5.1.6 and C_Login: returned before the PIN is compared. */
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

/* For CKU_CONTEXT_SPECIFIC, CKR_USER_NOT_LOGGED_IN means that the login is lost and the PIN was not
 * compared. That is certain only if the session's state shows the lost login. */
static pin_verdict classify_not_logged_in(const tok_token *token, const tok_pin_offer *offer)
{
    CK_SESSION_INFO info;

    if (offer->user != CKU_CONTEXT_SPECIFIC ||
        token->ctx->library.f->C_GetSessionInfo(offer->session, &info) != CKR_OK)
        return DOUBTFUL;
    return info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION ? UNSEEN
                                                                                      : DOUBTFUL;
}

static pin_verdict classify_answer(const tok_token *token, const tok_pin_offer *offer)
{
    if (offer->rv == CKR_USER_NOT_LOGGED_IN)
        return classify_not_logged_in(token, offer);
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

    token->pin->reports_low |= st == ST_OK && now->pin_low;
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
    /* Never send the PIN to another token in the slot, even if our session is still open. */
    if (!tok_info_is(token, now)) {
        return core_fail(err, ST_TOKEN_NOT_FOUND,
                         "token \"%s\" (serial %s): its slot has another token now, which gets no "
                         "PIN; put the right one back",
                         token->info.label, token->info.serial);
    }
    return refuse_by_flags(token, now, err);
}

/* True if the token is known to set CKF_USER_PIN_COUNT_LOW after a wrong PIN. */
static bool reports_wrong_pins(const tok_token *token)
{
    return token->pin->reports_low || strcmp(token->info.manufacturer, "SoftHSM project") == 0;
}

/* True if the token was busy and did not compare the PIN; see the top of the file. */
static bool is_busy(tok_token *token, const tok_pin_offer *offer, const tok_token_info *before,
                    const tok_token_info *after)
{
    enum { BUSY_MAX = 2 };

    if (offer->rv != CKR_GENERAL_ERROR || token->pin->busy >= BUSY_MAX ||
        !reports_wrong_pins(token) || before->pin_low || after->pin_low)
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

/* Records a PIN that the token rejected. A PIN typed at the token is not known here, so that it can
 * be counted but not remembered. */
static void record_refused(tok_token *token, const tok_pin_offer *offer)
{
    if (offer->pin != NULL)
        tok_pin_record_rejected(token, offer->hash);
    else
        tok_pin_record_doubtful(token);
    token->pin->cached_failed |= offer->cached;
}

/* Records a failed C_Login that may mean a wrong PIN. `low`: the token reports a low count of
 * tries. */
static void record_doubtful(tok_token *token, tok_pin_offer *offer, bool low)
{
    tok_pin_record_doubtful(token);
    token->pin->cached_failed |= offer->cached;
    offer->doubtful = true;
    offer->again = token->pin->streak < token->config->pin_tries && !low;
}

/* Records a C_Login that did not return CKR_OK. *busy: the caller repeats C_Login. */
static core_status record_failure(tok_token *token, tok_pin_offer *offer,
                                  const tok_token_info *before, bool *busy, core_err *err)
{
    tok_token_info after;
    const pin_verdict verdict = classify_answer(token, offer);

    *busy = false;
    if (verdict == UNSEEN)
        return tok_rv_fail(err, token, "C_Login", offer->rv, TOK_CALL_OTHER);
    const bool flags_known = read_flags(token, &after, NULL) == ST_OK;
    if (verdict == REFUSED) {
        record_refused(token, offer);
        return tok_rv_fail(err, token, "C_Login", offer->rv, TOK_CALL_OTHER);
    }
    *busy = flags_known && is_busy(token, offer, before, &after);
    if (!*busy)
        record_doubtful(token, offer, flags_known && after.pin_low);
    return fail_doubtful(token, offer, err);
}

/* Records a successful C_Login. A login of CKU_USER invalidates cached handles of private objects
 * and of private session objects. */
static void record_success(tok_token *token, const tok_pin_offer *offer)
{
    token->pin->streak = token->pin->busy = 0;
    token->pin->cached_failed = false;
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
            record_success(token, offer);
            return ST_OK;
        }
        st = record_failure(token, offer, &now, &busy, err);
    } while (busy);
    return st;
}
