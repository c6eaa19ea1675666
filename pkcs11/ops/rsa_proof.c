/* SPDX-License-Identifier: Apache-2.0
 *
 * Proves a public key before it encrypts. Its numbers come from the token, where anyone can create
 * a public object without the PIN. Data encrypted with wrong numbers is lost, or can be read by the
 * owner of another key. So software encrypts a random value with the key's modulus and exponent,
 * and the private key must decrypt it, with the same padding that the encryption will use.
 */
#include "pkcs11/ops/ops_private.h"

enum { ANSWER_LEN = 32 };

static bool may_decrypt(const tok_key *key)
{
    return (key->info.can & TOK_CAN_DECRYPT) != 0;
}

/* True if the facts prove the key for the padding. */
static bool is_proven(const tok_key *key, core_padding padding, unsigned facts)
{
    if (!may_decrypt(key))
        return key->exponent_told;
    return (facts & TOK_FACT_PROVEN) != 0 &&
           ((facts & (TOK_FACT_ACCEPTED << padding)) != 0 ||
            (tok_goes_raw(key, padding, facts) && (facts & TOK_FACT_RAW) != 0));
}

bool tok_rsa_is_ready_to_wrap(const tok_session *session, const tok_key *key)
{
    const unsigned need = TOK_FACT_PROVEN | TOK_FACT_ACCEPTED << CORE_PAD_OAEP_SHA1;
    return may_decrypt(key) ? (tok_facts(session, key) & need) == need : key->exponent_told;
}

bool tok_rsa_is_ready(const tok_session *session, const tok_key *key, core_padding padding)
{
    return is_proven(key, padding, tok_facts(session, key));
}

core_status tok_rsa_unproven(const tok_key *key, core_err *err)
{
    return core_fail(err, ST_DEVICE,
                     "key \"%s\": token \"%s\" was initialised or logged in again at each of %d "
                     "tries, so nothing was encrypted; %s",
                     key->info.name, key->token->info.label, (int)TOK_PROOF_TRIES,
                     core_status_next(ST_DEVICE));
}

/* Makes one known-answer test on one token. ST_DECRYPT_FAILED: the value did not come back. */
static core_status test_answer(tok_key *key, core_padding padding, tok_rsa_strategy strategy,
                               int member_index, tok_rsa_outcome *how, core_err *err)
{
    const size_t length = tok_answer_length(key, padding);
    uint8_t plain[ANSWER_LEN];
    uint8_t back[ANSWER_LEN];
    uint8_t cipher[TOK_BLOCK_MOST * 2];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;

    *how = (tok_rsa_outcome){0};
    if (length == 0) {
        return core_fail(err, ST_MECHANISM, "key \"%s\" is too short for %s", key->info.name,
                         core_padding_name(padding));
    }
    core_status st = core_random(plain, length);
    if (st != ST_OK)
        return core_fail(err, st, "no random bytes to try key \"%s\" with", key->info.name);
    st = tok_rsa_encrypt_software(key, padding, plain, length, cipher, &cipher_len, err);
    if (st != ST_OK)
        return st;
    st = tok_rsa_decrypt_by(key, padding, strategy, member_index, cipher, cipher_len, back,
                            &back_len, how, err);
    if (st == ST_OK && back_len == length && core_equal_ct(back, plain, length)) {
        tok_facts_add(key, how->member_index, how->handle_generation, TOK_FACT_PROVEN);
    } else if (st == ST_OK || st == ST_BUFFER_TOO_SMALL) {
        st = ST_DECRYPT_FAILED;
    }
    core_wipe(plain, sizeof plain);
    core_wipe(back, sizeof back);
    return st;
}

static core_status fail_unproven(const tok_key *key, core_padding padding, core_err *err)
{
    return core_fail(
        err, ST_KEY_UNPROVEN,
        "key \"%s\" on token \"%s\": what its modulus and exponent encrypt with %s does "
        "not come back from its private key, so nothing is encrypted with it; %s",
        key->info.name, key->token->info.label, core_padding_name(padding),
        core_status_next(ST_KEY_UNPROVEN));
}

/* The padding whose acceptance confirms that `padding` is refused; CORE_PAD_COUNT: none. */
static core_padding confirming_padding(const tok_key *key, core_padding padding)
{
    const bool sha1 = (key->token->config->rsa_unwrap & (1u << CORE_PAD_OAEP_SHA1)) != 0;
    return padding == CORE_PAD_OAEP_SHA256 && sha1 ? CORE_PAD_OAEP_SHA1 : CORE_PAD_COUNT;
}

/* The key refuses the padding. If the policy allows raw RSA, tries that. Otherwise confirms the
 * refusal with another padding that the key accepts in the same handle generation. ST_OK: raw RSA
 * is used. *moved: another generation began between the tests, so both must be repeated. */
static core_status handle_refusal(tok_key *key, core_padding padding, int member_index,
                                  const tok_rsa_outcome *refusal, core_status st, bool *moved,
                                  core_err *err)
{
    const core_padding other = confirming_padding(key, padding);
    tok_rsa_outcome how, again;
    core_err ignored = {0};
    bool certain = false;

    if (key->token->config->rsa_raw && tok_is_oaep(padding) &&
        test_answer(key, padding, TOK_RSA_OVER_RAW, member_index, &how, &ignored) == ST_OK) {
        tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
        return ST_OK;
    }
    if (other == CORE_PAD_COUNT)
        return st;
    const core_status confirmed =
        test_answer(key, other, TOK_RSA_BY_TOKEN, member_index, &how, &ignored);
    if (confirmed != ST_OK) {
        return confirmed == ST_DECRYPT_FAILED || how.refused != CKR_OK
                   ? st
                   : core_fail(err, confirmed, "%s", core_err_text(&ignored, confirmed));
    }
    (void)tok_init_refuses(refusal->refused, &certain);
    if (!certain) {
        (void)test_answer(key, padding, TOK_RSA_BY_TOKEN, member_index, &again, &ignored);
        certain = again.refused == refusal->refused;
    }
    *moved = how.served != refusal->served || how.handle_generation != refusal->handle_generation;
    if (!certain || *moved)
        return st;
    tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
    return tok_oaep_refuse(key, padding, "C_DecryptInit", refusal->refused, err);
}

/* The known answer did not come back: a temporary failure, or a token that accepts the mechanism
 * and computes something else. Tests again, over raw RSA if the policy allows it. */
static core_status handle_failure(tok_key *key, core_padding padding, int member_index,
                                  core_err *err)
{
    const bool raw = key->token->config->rsa_raw && tok_is_oaep(padding);
    tok_rsa_outcome how;
    core_status st = test_answer(key, padding, raw ? TOK_RSA_OVER_RAW : TOK_RSA_BY_TOKEN,
                                 member_index, &how, err);

    if (st == ST_OK && raw)
        tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
    return st == ST_DECRYPT_FAILED || st == ST_MECHANISM ? fail_unproven(key, padding, err) : st;
}

/* One try of prove_on; *moved as in handle_refusal. */
static core_status prove_once(tok_key *key, const tok_token *token, int member_index,
                              core_padding padding, bool *moved, core_err *err)
{
    const unsigned facts =
        tok_facts_at(key, token, member_index == TOK_ANY ? 0 : (unsigned)member_index);
    const bool raw = tok_goes_raw(key, padding, facts);
    tok_rsa_outcome how;

    if (is_proven(key, padding, facts))
        return ST_OK;
    if (!raw && (facts & (TOK_FACT_REFUSED << padding)) != 0)
        return tok_oaep_refuse(key, padding, NULL, CKR_OK, err);
    core_status st = test_answer(key, padding, raw ? TOK_RSA_OVER_RAW : TOK_RSA_BY_TOKEN,
                                 member_index, &how, err);
    if (how.refused != CKR_OK)
        return handle_refusal(key, padding, member_index, &how, st, moved, err);
    return st == ST_DECRYPT_FAILED ? handle_failure(key, padding, member_index, err) : st;
}

/* Proves the key on one token; member_index: its index in the group, or TOK_ANY. */
static core_status prove_on(tok_key *key, const tok_token *token, int member_index,
                            core_padding padding, core_err *err)
{
    core_status st = ST_OK;
    bool moved = true;

    for (unsigned i = 0; moved && i < TOK_PROOF_TRIES; i++) {
        moved = false;
        st = prove_once(key, token, member_index, padding, &moved, err);
    }
    return moved ? tok_rsa_unproven(key, err) : st;
}

/* Proves the key on every available member. Members that are unavailable, or do not have the key,
 * prove it when they serve. */
static core_status prove_on_members(tok_key *key, core_padding padding, core_err *err)
{
    core_status unavailable = ST_OK;
    unsigned proven = 0;

    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const tok_token *member = tok_group_member(key->token, i);
        core_status st = ST_OK;
        if (member == NULL)
            continue;
        st = prove_on(key, member, (int)i, padding, err);
        proven += st == ST_OK;
        if (st != ST_OK && !tok_status_is_unavailable(st) &&
            core_status_class(st) != CORE_CLASS_HANDLE)
            return st;
        unavailable = st != ST_OK ? st : unavailable;
    }
    if (proven > 0)
        return ST_OK;
    /* No member is available: the next operation searches for one, and this test runs on it. */
    tok_rsa_outcome how;
    core_status st = test_answer(key, padding, TOK_RSA_BY_TOKEN, TOK_ANY, &how, err);
    return st == ST_OK || unavailable == ST_OK ? st : unavailable;
}

core_status tok_rsa_ready(tok_key *key, core_padding padding, core_err *err)
{
    if (!may_decrypt(key)) {
        return key->exponent_told
                   ? ST_OK
                   : core_fail(err, ST_KEY_UNPROVEN,
                               "key \"%s\" on token \"%s\": its private object may not decrypt and "
                               "does not tell its exponent, so its public key cannot be proven; %s",
                               key->info.name, key->token->info.label,
                               core_status_next(ST_KEY_UNPROVEN));
    }
    return key->token->group == NULL ? prove_on(key, key->token, TOK_ANY, padding, err)
                                     : prove_on_members(key, padding, err);
}

core_status tok_rsa_ready_to_wrap(tok_key *key, core_err *err)
{
    const core_padding padding = CORE_PAD_OAEP_SHA1;
    core_status st = tok_rsa_ready(key, padding, err);

    if (st == ST_MECHANISM || (st == ST_OK && tok_oaep_raw(key, padding))) {
        return core_fail(
            err, ST_MECHANISM,
            "key \"%s\" on token \"%s\" takes no %s (CKM_RSA_PKCS_OAEP) itself, as "
            "C_WrapKey and C_UnwrapKey need: raw RSA would take the wrapped key out of "
            "the token; use a token or key that does",
            key->info.name, key->token->info.label, core_padding_name(padding));
    }
    return st;
}
