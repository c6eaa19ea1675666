/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of PINs: salted, keyed hashes of the PIN that is logged in and of the PINs that the
 * token rejected, and, while users are logged in and the configuration allows it (relogin), the PIN
 * itself, sealed. All of it is guarded by the token's login lock.
 *
 * Wrong PINs must never lock a token. A rejected PIN is not sent again. The first pin_tries
 * different PINs are sent, then one after each pause, which doubles; none is sent when the token
 * reports its last try.
 */
#include <string.h>
#include "pkcs11/login/login_private.h"

core_status tok_pin_open(tok_token *token)
{
    core_secret memory = {0};
    core_status st = core_secret_open(&memory, sizeof *token->pin);

    if (st != ST_OK)
        return st;
    tok_pin_state *pin = (tok_pin_state *)(void *)memory.data; /* aligned to 16 bytes */
    memset(pin, 0, sizeof *pin);
    memory.length = sizeof *pin;
    pin->memory = memory;
    st = core_random(pin->salt, sizeof pin->salt);
    if (st != ST_OK)
        core_secret_close(&memory);
    else
        token->pin = pin;
    return st;
}

void tok_pin_close(tok_token *token)
{
    if (token->pin == NULL)
        return;
    tok_pin_forget(token);
    core_secret memory = token->pin->memory;
    token->pin = NULL;
    core_secret_close(&memory);
}

core_status tok_pin_hash(const tok_pin_state *pin, const char *text, size_t length,
                         uint8_t out[TOK_HASH])
{
    return core_hmac_sha256(pin->salt, sizeof pin->salt, text, length, out);
}

core_status tok_pin_not_refused(const tok_token *token, const uint8_t hash[TOK_HASH], core_err *err)
{
    const tok_pin_state *pin = token->pin;
    const unsigned count =
        pin->rejected_count < TOK_REJECTED_PINS_MAX ? pin->rejected_count : TOK_REJECTED_PINS_MAX;
    unsigned matches = 0;

    for (unsigned i = 0; i < count; i++) /* compare with all, so that the time is constant */
        matches |= (unsigned)core_equal_ct(pin->rejected[i], hash, TOK_HASH);
    return matches == 0
               ? ST_OK
               : core_fail(err, ST_AUTH_FAILED,
                           "token \"%s\" refused this PIN before, so it was not sent again; "
                           "correct SECRET (or, if the token's PIN has become this one, "
                           "disable and enable the provider)",
                           token->info.label);
}

/* ST_OK if there are fewer than pin_tries failures in a row, or the pause has elapsed. */
static core_status check_ration(const tok_token *token, unsigned failures, core_err *err)
{
    const uint64_t now = core_now_us();
    const uint64_t next = token->pin->next_try_us;

    if (failures < token->config->pin_tries || now >= next)
        return ST_OK;
    return core_fail(err, ST_PIN_RATIONED,
                     "token \"%s\": %u PINs failed in a row, so this one was not sent; correct "
                     "SECRET and wait: the next is sent in %lu s (pin_retry_seconds)",
                     token->info.label, failures, (unsigned long)((next - now) / 1000000 + 1));
}

core_status tok_pin_cached_allowed(const tok_token *token, core_err *err)
{
    return check_ration(token, token->pin->cached_failed ? token->pin->streak : 0, err);
}

core_status tok_pin_allowed(tok_token *token, const uint8_t hash[TOK_HASH], core_err *err)
{
    const tok_pin_state *pin = token->pin;

    if (pin->has_former && core_equal_ct(pin->former, hash, TOK_HASH)) {
        return core_fail(
            err, ST_AUTH_FAILED,
            "token \"%s\": this PIN was replaced by another, so it was not sent; correct "
            "SECRET (or, if it was set back on the token, close all sessions to it)",
            token->info.label);
    }
    core_status st = tok_pin_not_refused(token, hash, err);
    if (st == ST_OK)
        st = check_ration(token, pin->tries > pin->streak ? pin->tries : pin->streak, err);
    return st;
}

/* Counts a failed C_Login. The pause before the next try starts at pin_retry_seconds and doubles
 * with each failure beyond pin_tries, at most `doublings` times. */
static void count_failure(tok_token *token, unsigned doublings)
{
    tok_pin_state *pin = token->pin;

    pin->tries++;
    pin->streak++;
    const unsigned failures = pin->tries > pin->streak ? pin->tries : pin->streak;
    unsigned over = failures > token->config->pin_tries ? failures - token->config->pin_tries : 0;
    if (over > doublings)
        over = doublings;
    pin->next_try_us =
        core_now_us() + ((uint64_t)token->config->pin_retry_seconds * 1000000 << over);
}

void tok_pin_record_rejected(tok_token *token, const uint8_t hash[TOK_HASH])
{
    enum { DOUBLINGS = 10 };
    tok_pin_state *pin = token->pin;

    memcpy(pin->rejected[pin->rejected_count++ % TOK_REJECTED_PINS_MAX], hash, TOK_HASH);
    count_failure(token, DOUBLINGS);
}

/* The pause stays shorter than after a rejected PIN, because the device may be the cause. */
void tok_pin_record_doubtful(tok_token *token)
{
    enum { DOUBLINGS = 3 };

    count_failure(token, DOUBLINGS);
}

void tok_pin_record_accepted(tok_token *token, const uint8_t hash[TOK_HASH], const char *text,
                             size_t length)
{
    tok_pin_state *pin = token->pin;

    memcpy(pin->verifier, hash, sizeof pin->verifier);
    pin->known = true;
    pin->typed = text == NULL;
    pin->rejected_count = 0;
    pin->tries = 0;
    core_secret_close(&pin->cached_pin);
    if (!token->config->relogin || text == NULL)
        return;
    const size_t sealed_len = length + CORE_SEAL_OVERHEAD;
    if (core_secret_open(&pin->cached_pin, sealed_len) == ST_OK &&
        core_seal(text, length, pin->cached_pin.data) == ST_OK)
        pin->cached_pin.length = sealed_len;
    else
        core_secret_close(&pin->cached_pin); /* then a lost login needs a new session to log in */
}

/* Sessions will still present the old PIN. Remember it separately from the rejected PINs (the token
 * never rejected it and an administrator may restore it), and forget it when the current login
 * ends.
 */
void tok_pin_record_superseded(tok_token *token)
{
    tok_pin_state *pin = token->pin;
    uint8_t former[sizeof pin->former];

    memcpy(former, pin->verifier, sizeof former);
    tok_pin_forget(token);
    memcpy(pin->former, former, sizeof former);
    pin->has_former = true;
    core_wipe(former, sizeof former);
}

void tok_pin_forget(tok_token *token)
{
    tok_pin_state *pin = token->pin;

    if (pin->verified) /* the token accepted the right PIN after the failed ones */
        pin->tries = 0;
    core_secret_close(&pin->cached_pin);
    core_wipe(pin->verifier, sizeof pin->verifier);
    core_wipe(pin->former, sizeof pin->former);
    pin->known = pin->verified = pin->has_former = pin->typed = false;
}
