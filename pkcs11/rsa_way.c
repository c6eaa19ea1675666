/* SPDX-License-Identifier: Apache-2.0
 *
 * Which padding a policy gets of a token, and which way: OAEP by the token itself, or, where that
 * cannot and the policy says rsa_raw, over raw RSA (CKM_RSA_X_509) with the padding taken off here.
 * PKCS#1 v1.5 is never done so: it cannot be taken off without telling whether it was there.
 *
 * Lists of mechanisms do not tell (SoftHSM lists OAEP, and refuses SHA-256): it is learned, by what
 * the token refuses and by known answers, once for each token, padding and process. Of a group of
 * tokens is known what its members cannot.
 */
#include <stdio.h>
#include <string.h>
#include "pkcs11/rsa_private.h"

static tok_can learned(const tok_token *token, unsigned what)
{
    return (tok_can)atomic_load(&token->learned[what]);
}

void tok_learned(tok_token *asker, tok_token *token, unsigned what, tok_can can)
{
    if (learned(token, what) != can)
        atomic_store(&token->learned[what], can);
    /* That one of its members cannot is not overwritten by what another can. */
    int unknown = TOK_UNKNOWN;
    if (asker != token && can == TOK_UNABLE)
        atomic_store(&asker->learned[what], can);
    else if (asker != token)
        (void)atomic_compare_exchange_strong(&asker->learned[what], &unknown, can);
}

bool tok_oaep_raw(const tok_key *key, const tok_token *token, core_padding padding)
{
    return key->token->config->rsa_raw && tok_is_oaep(padding) &&
           key->info.modulus_len <= TOK_BLOCK_MOST && learned(token, padding) == TOK_UNABLE;
}

bool tok_oaep_doubt(const tok_key *key, const tok_token *token, core_padding padding)
{
    return key->token->config->rsa_raw && tok_is_oaep(padding) && token != NULL &&
           learned(token, padding) == TOK_UNKNOWN;
}

/* What the key encrypts here the token has to decrypt. */
static core_status known_answer(tok_key *key, core_padding padding, tok_way way, int place,
                                core_err *err)
{
    uint8_t plain[32];
    uint8_t back[32];
    uint8_t cipher[1024];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;
    tok_token *served = NULL;
    const unsigned what = way == TOK_WAY_RAW ? TOK_LEARN_RAW : (unsigned)padding;

    core_status st = core_random(plain, sizeof plain);
    if (st == ST_OK)
        st = tok_rsa_encrypt_software(key, padding, plain, sizeof plain, cipher, &cipher_len, err);
    if (st == ST_OK) {
        st = tok_rsa_decrypt_way(key, padding, way, place, cipher, cipher_len, back, &back_len,
                                 &served, err);
    }
    if (served == NULL)
        return st;
    if (st == ST_OK && back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0) {
        tok_learned(key->token, served, what, TOK_ABLE);
    } else if (st == ST_OK || st == ST_MECHANISM || st == ST_DECRYPT_FAILED ||
               st == ST_BUFFER_TOO_SMALL) {
        tok_learned(key->token, served, what, TOK_UNABLE);
        st = ST_OK;
    }
    return st;
}

/* Neither way. */
static bool oaep_lacks(const tok_token *token, core_padding padding)
{
    return tok_is_oaep(padding) && learned(token, padding) == TOK_UNABLE &&
           !(token->config->rsa_raw && learned(token, TOK_LEARN_RAW) == TOK_ABLE);
}

/* Of one token; of a group, its member at `place`. */
static core_status learn_of(tok_key *key, tok_token *token, int place, core_padding padding,
                            core_err *err)
{
    core_status st = ST_OK;

    if (learned(token, padding) == TOK_UNKNOWN) {
        st = known_answer(key, padding, TOK_WAY_TOKEN, place, err);
        if (st == ST_OK && learned(token, padding) == TOK_UNABLE)
            core_log(CORE_LOG_INFO, "token \"%s\" has no %s%s", token->info.label,
                     core_padding_name(padding),
                     key->token->config->rsa_raw ? "; raw RSA is tried (rsa_raw = yes)" : "");
    }
    if (st == ST_OK && tok_oaep_raw(key, token, padding) &&
        learned(token, TOK_LEARN_RAW) == TOK_UNKNOWN)
        st = known_answer(key, padding, TOK_WAY_RAW, place, err);
    return st;
}

/* What all members can is what a group can; those that are away are asked when they are back. */
core_status tok_oaep_learn(tok_key *key, core_padding padding, core_err *err)
{
    tok_token *group = key->token;
    core_status st = ST_OK;

    /* A key that may not decrypt tells nothing. */
    if (!tok_is_oaep(padding) || (key->info.can & TOK_CAN_DECRYPT) == 0)
        return ST_OK;
    if (group->group == NULL)
        return learn_of(key, group, TOK_ANY, padding, err);
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        tok_token *member = tok_group_member(group, i);
        core_status now = ST_OK;
        if (member != NULL)
            now = learn_of(key, member, (int)i, padding, err);
        st = now == ST_OK ? st : now;
    }
    return learned(group, padding) == TOK_UNKNOWN ? st : ST_OK;
}

core_status tok_oaep_check(tok_key *key, core_padding padding, core_err *err)
{
    core_status st = tok_oaep_learn(key, padding, err);
    if (st == ST_OK && oaep_lacks(key->token, padding))
        st = tok_oaep_refuse(key, padding, NULL, CKR_OK, err);
    return st;
}

core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err)
{
    char code[80] = "";

    if (function != NULL) {
        (void)snprintf(code, sizeof code, " (%s: %s 0x%lx)", function, tok_rv_name(rv),
                       (unsigned long)rv);
    }
    return core_fail(
        err, ST_MECHANISM, "token \"%s\" has no %s (CKM_RSA_PKCS_OAEP)%s%s; %s",
        key->token->info.label, core_padding_name(padding),
        key->token->config->rsa_raw ? ", nor raw RSA (CKM_RSA_X_509) for it" : "", code,
        key->token->config->rsa_raw
            ? core_status_next(ST_MECHANISM)
            : "rsa_raw = yes allows it over raw RSA, see p11ekm.conf(5) on what that means");
}

core_padding tok_wrap_padding(const tok_token *token)
{
    const core_token_config *config = token->config;
    bool sha1 = (config->rsa_unwrap & (1u << CORE_PAD_OAEP_SHA1)) != 0;
    return config->rsa_padding == CORE_PAD_OAEP_SHA256 && sha1 &&
                   oaep_lacks(token, CORE_PAD_OAEP_SHA256)
               ? CORE_PAD_OAEP_SHA1
               : config->rsa_padding;
}

core_padding tok_rsa_padding(const tok_token *token, bool *raw)
{
    core_padding padding = tok_wrap_padding(token);
    *raw = tok_is_oaep(padding) && learned(token, padding) == TOK_UNABLE;
    return padding;
}

/* Before the first wrap with OAEP SHA-256: what the token cannot unwrap must not be wrapped so. */
core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                   size_t *out_len, core_err *err)
{
    core_status st = ST_OK;
    if (key->token->config->rsa_padding == CORE_PAD_OAEP_SHA256)
        st = tok_oaep_learn(key, CORE_PAD_OAEP_SHA256, err);
    return st == ST_OK
               ? tok_rsa_encrypt(key, tok_wrap_padding(key->token), in, in_len, out, out_len, err)
               : st;
}

core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                size_t *out_len, core_err *err)
{
    core_status st = ST_MECHANISM;
    size_t room = *out_len;

    *out_len = 0;
    for (core_padding p = 0; p < CORE_PAD_COUNT; p++) {
        if ((key->token->config->rsa_unwrap & (1u << p)) == 0)
            continue;
        if (p == CORE_PAD_OAEP_SHA256 && learned(key->token, p) == TOK_UNABLE &&
            !key->token->config->rsa_raw) {
            (void)tok_oaep_refuse(key, p, NULL, CKR_OK, err);
            continue;
        }
        *out_len = room;
        core_status now = tok_rsa_decrypt(key, p, in, in_len, out, out_len, err);
        /* A padding that the token does not know says nothing of the data. */
        if (now != ST_MECHANISM)
            st = now;
        if (now != ST_MECHANISM && now != ST_DECRYPT_FAILED)
            return st;
    }
    return st == ST_MECHANISM ? st : tok_decrypt_failed(err);
}
