/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof that comes before an encryption. The numbers of a public key come from the token, where
 * anybody may have put them; what is encrypted with wrong ones is lost, or somebody else's to read.
 * So a random value is encrypted here with the key's modulus and exponent, and the private key has
 * to give it back, with the very padding that is to be used.
 */
#include "pkcs11/ops/ops_private.h"

enum { ANSWER_LEN = 32 };

static bool may_decrypt(const tok_key *key)
{
    return (key->info.can & TOK_CAN_DECRYPT) != 0;
}

static bool suffices(const tok_key *key, core_padding padding, unsigned facts)
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
    return suffices(key, padding, tok_facts(session, key));
}

core_status tok_rsa_unproven(const tok_key *key, core_err *err)
{
    return core_fail(err, ST_DEVICE,
                     "key \"%s\": token \"%s\" was initialised or logged in again at each of %d "
                     "tries, so nothing was encrypted; %s",
                     key->info.name, key->token->info.label, (int)TOK_PROOF_TRIES,
                     core_status_next(ST_DEVICE));
}

/* One known answer on one token. ST_DECRYPT_FAILED: it did not come back. */
static core_status known_answer(tok_key *key, core_padding padding, tok_rsa_strategy way,
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
    st = tok_rsa_decrypt_by(key, padding, way, member_index, cipher, cipher_len, back, &back_len,
                            how, err);
    if (st == ST_OK && back_len == length && core_equal_ct(back, plain, length)) {
        tok_facts_add(key, how->member_index, how->handle_generation, TOK_FACT_PROVEN);
    } else if (st == ST_OK || st == ST_BUFFER_TOO_SMALL) {
        st = ST_DECRYPT_FAILED;
    }
    core_wipe(plain, sizeof plain);
    core_wipe(back, sizeof back);
    return st;
}

static core_status does_not_come_back(const tok_key *key, core_padding padding, core_err *err)
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
 * refusal by another padding that the key accepts in the same generation of its handles. ST_OK: raw
 * RSA is used. `moved`: another generation began in between, so both must be tried again. */
static core_status when_refused(tok_key *key, core_padding padding, int member_index,
                                const tok_rsa_outcome *refusal, core_status st, bool *moved,
                                core_err *err)
{
    const core_padding other = confirming_padding(key, padding);
    tok_rsa_outcome how, again;
    core_err ignored = {0};
    bool certain = false;

    if (key->token->config->rsa_raw && tok_is_oaep(padding) &&
        known_answer(key, padding, TOK_RSA_OVER_RAW, member_index, &how, &ignored) == ST_OK) {
        tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
        return ST_OK;
    }
    if (other == CORE_PAD_COUNT)
        return st;
    const core_status confirmed =
        known_answer(key, other, TOK_RSA_BY_TOKEN, member_index, &how, &ignored);
    if (confirmed != ST_OK) {
        return confirmed == ST_DECRYPT_FAILED || how.refused != CKR_OK
                   ? st
                   : core_fail(err, confirmed, "%s", core_err_text(&ignored, confirmed));
    }
    (void)tok_init_refuses(refusal->refused, &certain);
    if (!certain) {
        (void)known_answer(key, padding, TOK_RSA_BY_TOKEN, member_index, &again, &ignored);
        certain = again.refused == refusal->refused;
    }
    *moved = how.served != refusal->served || how.handle_generation != refusal->handle_generation;
    if (!certain || *moved)
        return st;
    tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
    return tok_oaep_refuse(key, padding, "C_DecryptInit", refusal->refused, err);
}

/* The known answer did not come back. It may have been a passing failure, or a token that takes the
 * mechanism and does something else: raw RSA that gives it back tells. */
static core_status when_failed(tok_key *key, core_padding padding, int member_index, core_err *err)
{
    const bool raw = key->token->config->rsa_raw && tok_is_oaep(padding);
    tok_rsa_outcome how;
    core_status st = known_answer(key, padding, raw ? TOK_RSA_OVER_RAW : TOK_RSA_BY_TOKEN,
                                  member_index, &how, err);

    if (st == ST_OK && raw)
        tok_facts_add(key, how.member_index, how.handle_generation, TOK_FACT_REFUSED << padding);
    return st == ST_DECRYPT_FAILED || st == ST_MECHANISM ? does_not_come_back(key, padding, err)
                                                         : st;
}

/* One try of ready_on; `moved` as when_refused. */
static core_status ready_once(tok_key *key, const tok_token *token, int member_index,
                              core_padding padding, bool *moved, core_err *err)
{
    const unsigned facts =
        tok_facts_at(key, token, member_index == TOK_ANY ? 0 : (unsigned)member_index);
    const bool raw = tok_goes_raw(key, padding, facts);
    tok_rsa_outcome how;

    if (suffices(key, padding, facts))
        return ST_OK;
    if (!raw && (facts & (TOK_FACT_REFUSED << padding)) != 0)
        return tok_oaep_refuse(key, padding, NULL, CKR_OK, err);
    core_status st = known_answer(key, padding, raw ? TOK_RSA_OVER_RAW : TOK_RSA_BY_TOKEN,
                                  member_index, &how, err);
    if (how.refused != CKR_OK)
        return when_refused(key, padding, member_index, &how, st, moved, err);
    return st == ST_DECRYPT_FAILED ? when_failed(key, padding, member_index, err) : st;
}

/* On one token, or on the member of the group at `place`. */
static core_status ready_on(tok_key *key, const tok_token *token, int member_index,
                            core_padding padding, core_err *err)
{
    core_status st = ST_OK;
    bool moved = true;

    for (unsigned i = 0; moved && i < TOK_PROOF_TRIES; i++) {
        moved = false;
        st = ready_once(key, token, member_index, padding, &moved, err);
    }
    return moved ? tok_rsa_unproven(key, err) : st;
}

/* On every member that is there; those that are away, or do not have the key, are asked when they
 * serve. */
static core_status ready_on_members(tok_key *key, core_padding padding, core_err *err)
{
    core_status away = ST_OK;
    unsigned ready = 0;

    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const tok_token *member = tok_group_member(key->token, i);
        core_status st = ST_OK;
        if (member == NULL)
            continue;
        st = ready_on(key, member, (int)i, padding, err);
        ready += st == ST_OK;
        if (st != ST_OK && !tok_status_is_unavailable(st) &&
            core_status_class(st) != CORE_CLASS_HANDLE)
            return st;
        away = st != ST_OK ? st : away;
    }
    if (ready > 0)
        return ST_OK;
    /* None is there: the next operation looks for one, and the proof is made on it. */
    tok_rsa_outcome how;
    core_status st = known_answer(key, padding, TOK_RSA_BY_TOKEN, TOK_ANY, &how, err);
    return st == ST_OK || away == ST_OK ? st : away;
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
    return key->token->group == NULL ? ready_on(key, key->token, TOK_ANY, padding, err)
                                     : ready_on_members(key, padding, err);
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
