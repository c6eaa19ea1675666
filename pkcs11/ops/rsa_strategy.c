/* SPDX-License-Identifier: Apache-2.0
 *
 * Decrypts with the paddings that the policy allows, and selects how the padding is removed: OAEP
 * by the token itself (PKCS #11 v3.1, 6.1.8), or, if the key refuses that and the policy has
 * rsa_raw, by software after raw RSA (CKM_RSA_X_509, 6.1.12). PKCS #1 v1.5 is never removed in
 * software, because that would reveal whether the padding is valid.
 *
 * Mechanism lists are not sufficient: SoftHSM lists OAEP and refuses SHA-256. A padding counts as
 * refused if C_DecryptInit refuses it for this key and accepts another one (facts.c). A failed data
 * operation proves nothing about the token.
 */
#include "pkcs11/ops/ops_private.h"

/* True if the token may be the cause of a failed decryption: it accepts the mechanism and may
 * compute something else. Asked only if raw RSA could replace it. */
static bool is_token_in_doubt(const tok_key *key, core_padding padding, const tok_rsa_outcome *how)
{
    return key->token->config->rsa_raw && tok_is_oaep(padding) && how->served != NULL &&
           how->accepted && (key->info.can & TOK_CAN_DECRYPT) != 0 &&
           (tok_facts_at(key, how->served, how->member_index) & (TOK_FACT_ACCEPTED << padding)) ==
               0;
}

static core_status decrypt_one(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                               uint8_t *out, size_t *out_len, tok_rsa_outcome *how, core_err *err)
{
    const size_t room = *out_len;
    core_status st =
        tok_rsa_decrypt_by(key, padding, TOK_RSA_AUTO, TOK_ANY, in, in_len, out, out_len, how, err);

    if (st != ST_DECRYPT_FAILED || !is_token_in_doubt(key, padding, how))
        return st;
    /* A known-answer test distinguishes bad data from an incorrect token. */
    if (tok_rsa_ready(key, padding, NULL) != ST_OK ||
        !tok_goes_raw(key, padding, tok_facts_at(key, how->served, how->member_index)))
        return st;
    *out_len = room;
    return tok_rsa_decrypt_by(key, padding, TOK_RSA_AUTO, TOK_ANY, in, in_len, out, out_len, how,
                              err);
}

core_status tok_rsa_decrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    const size_t room = *out_len;
    tok_rsa_outcome how = {0};

    *out_len = 0;
    if (!key->info.rsa || in_len != key->info.modulus_len)
        return tok_decrypt_failed(err);
    *out_len = room;
    core_status st = decrypt_one(key, padding, in, in_len, out, out_len, &how, err);
    if (padding == CORE_PAD_PKCS1 || !tok_decrypt_needs_retry(st))
        return st;
    *out_len = room;
    return decrypt_one(key, padding, in, in_len, out, out_len, &how, err);
}

/* Notes each padding that the key refused while it accepted another one, which confirms the
 * refusal. */
static void note_refusals(tok_key *key, const tok_rsa_outcome hows[CORE_PAD_COUNT])
{
    bool certain = false;

    for (core_padding p = 0; p < CORE_PAD_COUNT; p++) {
        for (core_padding other = 0; hows[p].refused != CKR_OK && other < CORE_PAD_COUNT; other++) {
            if (hows[other].accepted && tok_init_refuses(hows[p].refused, &certain) && certain &&
                hows[other].served == hows[p].served &&
                hows[other].handle_generation == hows[p].handle_generation)
                tok_facts_add(key, hows[p].member_index, hows[p].handle_generation,
                              TOK_FACT_REFUSED << p);
        }
    }
}

/* A decryption that tries several paddings. */
typedef struct trial {
    tok_key *key;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len, room;
    tok_rsa_outcome *hows; /* CORE_PAD_COUNT of them */
    bool failed;           /* an accepted padding did not fit the data */
    core_err *err;
} trial;

/* Tries one padding. True: *st is the final status. False: the next padding must be tried; *st is
 * unchanged, or the status of the refusal. */
static bool try_padding(trial *t, core_padding padding, core_status *st)
{
    *t->out_len = t->room;
    core_status now = decrypt_one(t->key, padding, t->in, t->in_len, t->out, t->out_len,
                                  &t->hows[padding], t->err);
    if (now == ST_DECRYPT_FAILED) {
        t->failed = true;
        return false;
    }
    *st = now;
    /* A padding that the key refuses proves nothing about the data. */
    return t->hows[padding].refused == CKR_OK || now == ST_OK || now == ST_BUFFER_TOO_SMALL;
}

/* Tries the paddings of a set (1 << padding, or'ed). */
static core_status decrypt_among(trial *t, unsigned paddings)
{
    const unsigned known = tok_facts_of_all(t->key);
    core_status st = ST_MECHANISM;
    bool is_final = false;

    t->failed = false;
    /* No allowed padding is skipped; those known to be refused come last. */
    for (unsigned pass = 0; !is_final && pass < 2; pass++) {
        for (core_padding p = 0; !is_final && p < CORE_PAD_COUNT; p++) {
            const bool raw = tok_goes_raw(t->key, p, known) && (known & TOK_FACT_RAW) != 0;
            const bool is_refused = (known & (TOK_FACT_REFUSED << p)) != 0 && !raw;
            if ((paddings & (1u << p)) != 0 && is_refused == (pass == 1))
                is_final = try_padding(t, p, &st);
        }
    }
    if (is_final)
        return st;
    *t->out_len = 0;
    return t->failed ? tok_decrypt_failed(t->err) : st;
}

/* Tries OAEP once or twice, then PKCS #1 v1.5 exactly once. */
core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                size_t *out_len, core_err *err)
{
    tok_rsa_outcome hows[CORE_PAD_COUNT] = {{0}};
    trial t = {key, in, in_len, out, out_len, *out_len, hows, false, err};
    const unsigned pkcs1 = key->token->config->rsa_unwrap & (1u << CORE_PAD_PKCS1);
    const unsigned oaep = key->token->config->rsa_unwrap & ~pkcs1;
    core_status st = ST_MECHANISM;

    *out_len = 0;
    if (in_len != key->info.modulus_len)
        return tok_decrypt_failed(err);
    if (oaep != 0)
        st = decrypt_among(&t, oaep);
    if (oaep != 0 && tok_decrypt_needs_retry(st))
        st = decrypt_among(&t, oaep);
    if (pkcs1 != 0 && (st == ST_DECRYPT_FAILED || st == ST_MECHANISM)) {
        const core_status last = decrypt_among(&t, pkcs1);
        st = last == ST_MECHANISM && st == ST_DECRYPT_FAILED ? tok_decrypt_failed(err) : last;
    }
    note_refusals(key, hows);
    return st;
}
