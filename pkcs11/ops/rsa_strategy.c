/* SPDX-License-Identifier: Apache-2.0
 *
 * Which padding a key's data gets, and how it is taken off: OAEP by the token itself, or, where the
 * key refuses that and the policy says rsa_raw, over raw RSA (CKM_RSA_X_509) with the padding taken
 * off here. PKCS#1 v1.5 is never done so: it cannot be taken off without telling whether it was
 * there.
 *
 * Lists of mechanisms do not tell (SoftHSM lists OAEP, and refuses SHA-256). What counts is what
 * C_DecryptInit answers for the very key, and that it accepts another padding then (facts.c). A
 * data operation that fails teaches nothing.
 */
#include "pkcs11/ops/ops_private.h"

/* Whether a decryption by the token that failed may have failed for the token's sake: it takes the
 * mechanism, and does something else. Only where raw RSA could do it instead. */
static bool in_doubt(const tok_key *key, core_padding padding, const tok_rsa_outcome *how)
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

    if (st != ST_DECRYPT_FAILED || !in_doubt(key, padding, how))
        return st;
    /* A known answer tells bad data from a token that cannot; its failure is not the data's. */
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
    if (padding == CORE_PAD_PKCS1 || !tok_second_try(st))
        return st;
    *out_len = room;
    return decrypt_one(key, padding, in, in_len, out, out_len, &how, err);
}

/* Notes each padding that the key refused while it accepted another one: the refusal is confirmed.
 */
static void note_refusals(tok_key *key, const tok_rsa_outcome hows[CORE_PAD_COUNT])
{
    bool certain = false;

    for (core_padding p = 0; p < CORE_PAD_COUNT; p++) {
        for (core_padding other = 0; other < CORE_PAD_COUNT; other++) {
            if (hows[p].refused != CKR_OK && hows[other].accepted &&
                tok_init_refuses(hows[p].refused, &certain) && certain &&
                hows[other].served == hows[p].served &&
                hows[other].handle_generation == hows[p].handle_generation)
                tok_facts_add(key, hows[p].member_index, hows[p].handle_generation,
                              TOK_FACT_REFUSED << p);
        }
    }
}

/* One decryption with each of the paddings, in their order. */
typedef struct trial {
    tok_key *key;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len, room;
    tok_rsa_outcome *hows; /* CORE_PAD_COUNT of them */
    bool failed;           /* a padding that is accepted did not fit the data */
    core_err *err;
} trial;

/* True: *st is the end of it. False: the next padding is to be tried; *st as it is, or the refusal.
 */
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
    /* A padding that the key does not take says nothing of the data. */
    return t->hows[padding].refused == CKR_OK || now == ST_OK || now == ST_BUFFER_TOO_SMALL;
}

/* With each of the paddings, or'ed 1 << p. */
static core_status decrypt_among(trial *t, unsigned paddings)
{
    const unsigned known = tok_facts_of_all(t->key);
    core_status st = ST_MECHANISM;
    bool end = false;

    t->failed = false;
    /* No padding that is allowed is skipped; those known to be refused come last. */
    for (unsigned pass = 0; !end && pass < 2; pass++) {
        for (core_padding p = 0; !end && p < CORE_PAD_COUNT; p++) {
            const bool raw = tok_goes_raw(t->key, p, known) && (known & TOK_FACT_RAW) != 0;
            const bool late = (known & (TOK_FACT_REFUSED << p)) != 0 && !raw;
            if ((paddings & (1u << p)) != 0 && late == (pass == 1))
                end = try_padding(t, p, &st);
        }
    }
    if (end)
        return st;
    *t->out_len = 0;
    return t->failed ? tok_decrypt_failed(t->err) : st;
}

/* PKCS#1 v1.5 is tried once and last, whether the others were tried once or twice. */
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
    if (oaep != 0 && tok_second_try(st))
        st = decrypt_among(&t, oaep);
    if (pkcs1 != 0 && (st == ST_DECRYPT_FAILED || st == ST_MECHANISM)) {
        const core_status last = decrypt_among(&t, pkcs1);
        st = last == ST_MECHANISM && st == ST_DECRYPT_FAILED ? tok_decrypt_failed(err) : last;
    }
    note_refusals(key, hows);
    return st;
}
