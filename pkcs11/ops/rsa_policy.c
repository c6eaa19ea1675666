/* SPDX-License-Identifier: Apache-2.0
 *
 * Selects the padding of new RSA ciphertexts: the padding of the policy, or a weaker one after the
 * key has refused it. The refusal must be confirmed, and the log gets a warning.
 */
#include "pkcs11/ops/ops_private.h"

/* The padding to use if the key refuses that of the policy; CORE_PAD_COUNT: none. */
static core_padding weaker_padding(const core_token_config *config)
{
    const bool sha1 = (config->rsa_unwrap & (1u << CORE_PAD_OAEP_SHA1)) != 0;
    return config->rsa_padding == CORE_PAD_OAEP_SHA256 && sha1 ? CORE_PAD_OAEP_SHA1
                                                               : CORE_PAD_COUNT;
}

core_padding tok_rsa_padding(const tok_key *key, bool *raw)
{
    const core_token_config *config = key->token->config;
    const unsigned facts = tok_facts_of_all(key);
    const bool refused = (facts & (TOK_FACT_REFUSED << config->rsa_padding)) != 0;
    core_padding padding = config->rsa_padding;

    *raw = tok_goes_raw(key, padding, facts);
    if (refused && !*raw && weaker_padding(config) != CORE_PAD_COUNT)
        padding = weaker_padding(config);
    return padding;
}

/* Logs the weaker padding once for each key and handle generation. */
static void warn_once(tok_key *key, core_padding padding)
{
    const tok_token *token = key->token;

    if ((tok_facts_of_all(key) & TOK_FACT_WARNED) != 0)
        return;
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const tok_token *one = token->group != NULL ? tok_group_member(key->token, i)
                               : i == 0             ? token
                                                    : NULL;
        if (one != NULL)
            tok_facts_add(key, i, tok_token_handle_generation(one), TOK_FACT_WARNED);
    }
    core_log(CORE_LOG_WARNING,
             "key \"%s\" on token \"%s\" refuses %s: new data is encrypted with %s (rsa_padding)",
             key->info.name, token->info.label, core_padding_name(token->config->rsa_padding),
             core_padding_name(padding));
}

core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                   size_t *out_len, core_err *err)
{
    const core_token_config *config = key->token->config;
    core_padding padding = config->rsa_padding;

    if (in_len > tok_encrypt_max(key)) {
        return core_fail(err, ST_DATA_LENGTH, "key \"%s\" encrypts at most %zu bytes with %s",
                         key->info.name, tok_encrypt_max(key), core_padding_name(padding));
    }
    core_status st = tok_rsa_ready(key, padding, err);
    /* Another padding is used only after a confirmed refusal. */
    if (st == ST_MECHANISM && weaker_padding(config) != CORE_PAD_COUNT &&
        (tok_facts_of_all(key) & (TOK_FACT_REFUSED << padding)) != 0) {
        padding = weaker_padding(config);
        st = tok_rsa_ready(key, padding, err);
        if (st == ST_OK)
            warn_once(key, padding);
    }
    return st == ST_OK ? tok_rsa_encrypt(key, padding, in, in_len, out, out_len, err) : st;
}
