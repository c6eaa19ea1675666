/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of PINs: keyed, salted hashes of the one that logged in and of those the token
 * refused, and, while users are logged in and the configuration allows it, the PIN itself, sealed.
 * All of it is guarded by the token's login turn.
 *
 * A wrong PIN must never lock a token: one that was refused is not sent again; of different ones a
 * few are sent, then one in a time that doubles; at the token's last try none is.
 */
#include <string.h>
#include "pkcs11/tok_private.h"

core_status tok_pin_hash(const tok_pin_state *pin, const char *text, size_t length, uint8_t out[32])
{
    return core_hmac_sha256(pin->salt, sizeof pin->salt, text, length, out);
}

core_status tok_pin_not_refused(const tok_token *token, const uint8_t hash[32], core_err *err)
{
    const tok_pin_state *pin = &token->pin;
    unsigned known = 0;

    for (unsigned i = 0; i < pin->wrong_count; i++)
        known |= (unsigned)core_equal_ct(pin->wrong[i], hash, 32);
    return known == 0 ? ST_OK
                      : core_fail(err, ST_AUTH_FAILED,
                                  "token \"%s\" refused this PIN before, so it was not sent again; "
                                  "correct SECRET (or, if the token's PIN has become this one, "
                                  "disable and enable the provider)",
                                  token->info.label);
}

core_status tok_pin_allowed(tok_token *token, const uint8_t hash[32], core_err *err)
{
    const tok_pin_state *pin = &token->pin;

    if (pin->was_another && core_equal_ct(pin->former, hash, 32)) {
        return core_fail(
            err, ST_AUTH_FAILED,
            "token \"%s\": this PIN was replaced by another, so it was not sent; correct "
            "SECRET (or, if it was set back on the token, close all sessions to it)",
            token->info.label);
    }
    core_status st = tok_pin_not_refused(token, hash, err);
    if (st != ST_OK)
        return st;
    if (pin->wrong_count == TOK_LATCHES ||
        (pin->tries >= token->config->pin_tries && core_now_us() < pin->next_try_us)) {
        return core_fail(
            err, ST_PIN_RATIONED,
            "token \"%s\": %u wrong PINs in a row, this one was not sent; correct SECRET and "
            "wait (pin_retry_seconds)",
            token->info.label, pin->tries);
    }
    return ST_OK;
}

void tok_pin_wrong(tok_token *token, const uint8_t hash[32])
{
    tok_pin_state *pin = &token->pin;
    unsigned over;

    if (pin->wrong_count < TOK_LATCHES)
        memcpy(pin->wrong[pin->wrong_count++], hash, 32);
    pin->tries++;
    pin->verified = false;
    over = pin->tries > token->config->pin_tries ? pin->tries - token->config->pin_tries : 0;
    pin->next_try_us = core_now_us() + ((uint64_t)token->config->pin_retry_seconds * 1000000
                                        << (over < 10 ? over : 10));
}

static void sealed_free(tok_pin_state *pin)
{
    if (pin->sealed != NULL) {
        core_wipe(pin->sealed, pin->sealed_len);
        core_free(pin->sealed);
        pin->sealed = NULL;
        pin->sealed_len = 0;
    }
}

void tok_pin_good(tok_token *token, const uint8_t hash[32], const char *text, size_t length)
{
    tok_pin_state *pin = &token->pin;

    memcpy(pin->verifier, hash, 32);
    pin->known = true;
    pin->wrong_count = 0;
    pin->tries = 0;
    sealed_free(pin);
    if (!token->config->relogin)
        return;
    pin->sealed = core_calloc(1, length + CORE_SEAL_OVERHEAD);
    if (pin->sealed != NULL) {
        pin->sealed_len = length + CORE_SEAL_OVERHEAD;
        if (core_seal(text, length, pin->sealed) != ST_OK)
            sealed_free(pin); /* recovery will need a new session then, no more */
    }
}

/* Credentials that still have the old PIN are sure to come. It was refused by no one, and may be
 * set back: so it is held apart from the wrong ones, and no longer than the login that took its
 * place.
 */
void tok_pin_replaced(tok_token *token)
{
    tok_pin_state *pin = &token->pin;
    uint8_t former[sizeof pin->former];

    memcpy(former, pin->verifier, sizeof former);
    tok_pin_forget(token);
    memcpy(pin->former, former, sizeof former);
    pin->was_another = true;
    core_wipe(former, sizeof former);
}

void tok_pin_forget(tok_token *token)
{
    tok_pin_state *pin = &token->pin;

    if (pin->verified) /* the right one came after them */
        pin->tries = 0;
    sealed_free(pin);
    core_wipe(pin->verifier, sizeof pin->verifier);
    core_wipe(pin->former, sizeof pin->former);
    pin->known = pin->verified = pin->was_another = false;
}
