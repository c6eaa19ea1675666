/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks the permitted uses of a key, and computes the lengths of results. Lengths come from the
 * key's description alone, permissions from its state (recheck.c).
 */
#include "pkcs11/ops/ops_private.h"

enum { NEW_USES = TOK_CAN_ENCRYPT | TOK_CAN_WRAP | TOK_CAN_SIGN, NOTICE_DAYS = 30 };

static const uint64_t notice_pause_us[TOK_NOTICE_COUNT] = {
    [TOK_NOTICE_RETIRED] = UINT64_C(60) * 1000000,
    [TOK_NOTICE_DATES] = UINT64_C(86400) * 1000000,
};

/* True if the pause of this notice has elapsed, for one of several concurrent threads. */
static bool is_notice_due(tok_key *key, tok_notice notice)
{
    uint64_t said = atomic_load(&key->said_us[notice]);
    const uint64_t now = core_now_us();

    if (said != 0 && now - said < notice_pause_us[notice])
        return false;
    return atomic_compare_exchange_strong(&key->said_us[notice], &said, now);
}

static bool is_in_dates(const tok_key_state *state, uint32_t today)
{
    return (state->start_date == 0 || today >= state->start_date) &&
           (state->end_date == 0 || today <= state->end_date);
}

bool tok_key_valid_today(const tok_key *key)
{
    const tok_key_state state = tok_key_now(key);
    return is_in_dates(&state, core_utc_date());
}

/* Days since 1970-01-01 of a date yyyymmdd, after H. Hinnant's days_from_civil. */
static int64_t day_number(uint32_t date)
{
    const int64_t day = date % 100, month = date / 100 % 100;
    const int64_t year = (int64_t)(date / 10000) - (month <= 2 ? 1 : 0);
    const int64_t era = year / 400, in_era = year % 400;
    const int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year;
}

/* What the policy prevents outside the dates of a key, for a log text. */
static const char *expiry_effect(core_expiry policy)
{
    return policy == CORE_EXPIRY_DENY       ? "nothing can be encrypted or decrypted with it"
           : policy == CORE_EXPIRY_DENY_NEW ? "nothing new can be encrypted, wrapped or signed "
                                              "with it; it still decrypts"
                                            : "nothing stops: expiry = warn";
}

/* Logs a warning each day, from NOTICE_DAYS before the end date. */
static void warn_end_date(tok_key *key, const tok_key_state *state, uint32_t today)
{
    if (state->end_date == 0 || day_number(state->end_date) - day_number(today) > NOTICE_DAYS ||
        !is_notice_due(key, TOK_NOTICE_DATES))
        return;
    core_log(CORE_LOG_WARNING,
             "key \"%s\" on token \"%s\" is valid to %04u-%02u-%02u; after that day %s; make its "
             "successor and rotate to it",
             key->info.name, key->token->info.label, state->end_date / 10000,
             state->end_date / 100 % 100, state->end_date % 100,
             expiry_effect(key->token->config->expiry));
}

static core_status check_dates(tok_key *key, const tok_key_state *state, unsigned can,
                               core_err *err)
{
    const core_expiry policy = key->token->config->expiry;

    if (policy == CORE_EXPIRY_IGNORE || (state->start_date == 0 && state->end_date == 0))
        return ST_OK;
    const uint32_t today = core_utc_date();
    if (is_in_dates(state, today)) {
        warn_end_date(key, state, today);
        return ST_OK;
    }
    if (policy == CORE_EXPIRY_WARN || (policy == CORE_EXPIRY_DENY_NEW && (can & NEW_USES) == 0)) {
        if (is_notice_due(key, TOK_NOTICE_DATES)) {
            core_log(CORE_LOG_WARNING,
                     "key \"%s\" on token \"%s\" is in use outside its dates (%u to %u); rotate to "
                     "a valid key",
                     key->info.name, key->token->info.label, state->start_date, state->end_date);
        }
        return ST_OK;
    }
    return core_fail(err, ST_KEY_EXPIRED, "key \"%s\": valid from %u to %u, today is %u; %s",
                     key->info.name, state->start_date, state->end_date, today,
                     core_status_next(ST_KEY_EXPIRED));
}

static core_status check_retired(tok_key *key, unsigned can, core_err *err)
{
    if ((can & NEW_USES) != 0) {
        return core_fail(err, ST_KEY_USAGE,
                         "key \"%s\" on token \"%s\" is retired: it only decrypts; rotate to "
                         "another key, or p11ekm key restore",
                         key->info.name, key->token->info.label);
    }
    if (is_notice_due(key, TOK_NOTICE_RETIRED)) {
        core_log(CORE_LOG_WARNING,
                 "key \"%s\" on token \"%s\" is retired and still decrypts for what was open: it "
                 "is not found after the next start; rotate to another key, or p11ekm key restore",
                 key->info.name, key->token->info.label);
    }
    return ST_OK;
}

core_status tok_key_allows(tok_key *key, unsigned can, core_err *err)
{
    static const struct {
        unsigned can;
        const char *attribute;
    } names[] = {
        {TOK_CAN_ENCRYPT, "CKA_ENCRYPT"}, {TOK_CAN_DECRYPT, "CKA_DECRYPT"},
        {TOK_CAN_SIGN, "CKA_SIGN"},       {TOK_CAN_WRAP, "CKA_WRAP"},
        {TOK_CAN_UNWRAP, "CKA_UNWRAP"},
    };
    const tok_key_state state = tok_key_now(key);

    const unsigned missing = can & ~state.can;
    for (size_t i = 0; missing != 0 && i < sizeof names / sizeof names[0]; i++) {
        if ((missing & names[i].can) != 0) {
            return core_fail(err, ST_KEY_USAGE,
                             "key \"%s\" on token \"%s\" is not made for this, or was disabled "
                             "(%s is FALSE); p11ekm key show tells its uses",
                             key->info.name, key->token->info.label, names[i].attribute);
        }
    }
    const core_status st = state.retired ? check_retired(key, can, err) : ST_OK;
    return st == ST_OK ? check_dates(key, &state, can, err) : st;
}

/* The algorithm by which the policy checks the key. An RSA key of another size counts as the next
 * smaller size that is an algorithm. */
static core_algorithm policy_algorithm(const tok_key_info *info)
{
    core_algorithm found = info->algorithm;

    for (core_algorithm a = 0; info->algorithm == CORE_ALG_COUNT && a < CORE_ALG_COUNT; a++) {
        const unsigned bits = core_algorithm_bits(a);
        if (info->rsa && core_algorithm_is_rsa(a) && bits <= info->bits &&
            (found == CORE_ALG_COUNT || bits > core_algorithm_bits(found)))
            found = a;
    }
    return found;
}

core_status tok_key_allowed(const tok_key *key, core_err *err)
{
    const core_algorithm algorithm = policy_algorithm(&key->info);

    if (algorithm < CORE_ALG_COUNT && (key->token->config->algorithms & (1u << algorithm)) != 0)
        return ST_OK;
    return core_fail(err, ST_POLICY,
                     "key \"%s\": the policy of token \"%s\" does not allow %s keys of %u bits "
                     "(algorithms)",
                     key->info.name, key->token->info.label, key->info.rsa ? "RSA" : "symmetric",
                     key->info.bits);
}

core_status tok_key_check_usage(tok_key *key, unsigned can, core_err *err)
{
    core_status st = tok_key_allowed(key, err);
    if (st == ST_OK)
        st = tok_key_renew(key, err);
    return st == ST_OK ? tok_key_allows(key, can, err) : st;
}

size_t tok_block_size(const tok_key *key)
{
    return key->info.algorithm == CORE_ALG_3DES ? 8 : 16;
}

size_t tok_encrypt_size(const tok_key *key, size_t length)
{
    if (key->info.rsa)
        return key->info.modulus_len;
    size_t block = tok_block_size(key);
    return length / block * block + block;
}

size_t tok_encrypt_max(const tok_key *key)
{
    if (!key->info.rsa)
        return SIZE_MAX - 16;
    /* The limit of the policy's padding. A weaker padding, if it is used instead, allows more. */
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
