/* SPDX-License-Identifier: Apache-2.0
 *
 * What a key may be used for, and how long the results are: all from its description, none from the
 * token.
 */
#include "pkcs11/key_private.h"
#include "pkcs11/rsa_private.h"

core_status tok_key_valid_today(const tok_key *key, core_err *err)
{
    const tok_key_info *info = &key->info;
    core_expiry policy = key->token->config->expiry;

    if (policy == CORE_EXPIRY_IGNORE || (info->start_date == 0 && info->end_date == 0))
        return ST_OK;
    uint32_t today = core_utc_date();
    if ((info->start_date == 0 || today >= info->start_date) &&
        (info->end_date == 0 || today <= info->end_date))
        return ST_OK;
    if (policy == CORE_EXPIRY_WARN) {
        core_log(CORE_LOG_WARNING,
                 "key \"%s\" on token \"%s\" is outside its validity dates (%u to %u)", info->name,
                 key->token->info.label, info->start_date, info->end_date);
        return ST_OK;
    }
    return core_fail(err, ST_KEY_EXPIRED, "key \"%s\": valid from %u to %u, today is %u; %s",
                     info->name, info->start_date, info->end_date, today,
                     core_status_next(ST_KEY_EXPIRED));
}

core_status tok_key_may(const tok_key *key, unsigned can, core_err *err)
{
    static const struct {
        unsigned can;
        const char *attribute;
    } names[] = {
        {TOK_CAN_ENCRYPT, "CKA_ENCRYPT"}, {TOK_CAN_DECRYPT, "CKA_DECRYPT"},
        {TOK_CAN_SIGN, "CKA_SIGN"},       {TOK_CAN_WRAP, "CKA_WRAP"},
        {TOK_CAN_UNWRAP, "CKA_UNWRAP"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((can & names[i].can) != 0 && (key->info.can & names[i].can) == 0) {
            return core_fail(err, ST_KEY_USAGE,
                             "key \"%s\" on token \"%s\" is not made for this (%s)", key->info.name,
                             key->token->info.label, names[i].attribute);
        }
    }
    return tok_key_valid_today(key, err);
}

static size_t block_of(const tok_key *key)
{
    return key->info.algorithm == CORE_ALG_3DES ? 8 : 16;
}

size_t tok_encrypt_size(const tok_key *key, size_t length)
{
    if (key->info.rsa)
        return key->info.modulus_len;
    size_t block = block_of(key);
    return length / block * block + block;
}

size_t tok_encrypt_max(const tok_key *key)
{
    if (!key->info.rsa)
        return SIZE_MAX - 16;
    /* One limit, whatever padding a token turns out to lack: the others leave more room. */
    size_t overhead = tok_padding_row(key->token->config->rsa_padding)->overhead;
    return key->info.modulus_len > overhead ? key->info.modulus_len - overhead : 0;
}

size_t tok_decrypt_size(const tok_key *key, size_t length)
{
    size_t most = 0;

    if (!key->info.rsa)
        return length;
    for (core_padding p = 0; p < CORE_PAD_COUNT; p++) {
        size_t overhead = tok_padding_row(p)->overhead;
        if ((key->token->config->rsa_unwrap & (1u << p)) != 0 && key->info.modulus_len > overhead &&
            key->info.modulus_len - overhead > most)
            most = key->info.modulus_len - overhead;
    }
    return most;
}
