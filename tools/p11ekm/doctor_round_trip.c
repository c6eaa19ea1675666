/* SPDX-License-Identifier: Apache-2.0
 *
 * The round-trip check of p11ekm doctor: encrypts and decrypts on the token, with temporary keys
 * if the token can make them, otherwise with existing keys.
 */
#include "tools/p11ekm/doctor_private.h"

#include <string.h>

#include "core/crypto.h"
#include "core/platform.h"

/* The first algorithm of the kind that the policy allows, or CORE_ALG_COUNT. */
static core_algorithm first_allowed(unsigned set, bool rsa)
{
    for (core_algorithm a = 0; a < CORE_ALG_COUNT; a++) {
        if ((set & (1U << a)) != 0 && core_algorithm_is_rsa(a) == rsa) {
            return a;
        }
    }
    return CORE_ALG_COUNT;
}

/* Encrypts and decrypts 32 bytes. */
static core_status round_trip(tok_key *key, core_err *err)
{
    uint8_t plain[32], iv[16] = {0}, cipher[1024], back[1024];
    size_t iv_len = core_algorithm_iv_bits(tok_key_info_of(key)->algorithm) / 8;
    size_t cipher_len = sizeof cipher, back_len = sizeof back;
    core_status st = core_random(plain, sizeof plain);
    if (st == ST_OK) {
        st = tok_encrypt(key, iv_len == 0 ? NULL : iv, iv_len, plain, sizeof plain, cipher,
                         &cipher_len, err);
    }
    if (st == ST_OK) {
        st = tok_decrypt(key, iv_len == 0 ? NULL : iv, iv_len, cipher, cipher_len, back, &back_len,
                         err);
    }
    if (st == ST_OK && (back_len != sizeof plain || memcmp(back, plain, sizeof plain) != 0)) {
        st = core_fail(
            err, ST_DEVICE,
            "the token does not decrypt what it encrypted; do not use it, and see p11ekm probe");
    }
    return st;
}

/* How RSA was done: " with OAEP-SHA256 over raw RSA". */
typedef struct rsa_method {
    const char *with, *padding, *raw;
} rsa_method;

static rsa_method method_of(const tok_key *key, bool rsa)
{
    bool raw = false;
    const char *padding = core_padding_name(tok_rsa_padding(key, &raw));
    return (rsa_method){rsa ? " with " : "", rsa ? padding : "", rsa && raw ? " over raw RSA" : ""};
}

/* The first key of the kind that SQL Server could use. */
static tok_key *first_usable(const cli_keys *keys, bool rsa)
{
    for (size_t i = 0; i < keys->count; i++) {
        const tok_key_info *info = tok_key_info_of(keys->keys[i]);
        if (info->rsa == rsa && !info->retired && info->algorithm != CORE_ALG_COUNT &&
            (info->can & TOK_CAN_DECRYPT) != 0) {
            return keys->keys[i];
        }
    }
    return NULL;
}

/* With an existing key; `why` no temporary one can be made. */
static void try_existing(doctor *d, bool rsa, const char *why)
{
    core_err err = {0};
    cli_keys keys = {0};
    uint64_t started = 0;
    core_status st = cli_keys_list(&d->session, &keys, &err);
    tok_key *key = st == ST_OK ? first_usable(&keys, rsa) : NULL;
    if (key != NULL) {
        started = core_now_us();
        st = round_trip(key, &err);
    }
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
    } else if (key == NULL) {
        doctor_report(d, DOCTOR_SKIP, "", "%s, and there is no %s key to try", why,
                      rsa ? "RSA" : "AES");
    } else {
        const rsa_method method = method_of(key, rsa);
        doctor_report(d, DOCTOR_OK, "", "key \"%s\": encrypted%s%s%s, decrypted, in %u ms (%s)",
                      cli_show(tok_key_info_of(key)->name).text, method.with, method.padding,
                      method.raw, (unsigned)((core_now_us() - started) / 1000), why);
    }
    cli_keys_free(&keys);
}

/* With a new session key. */
static void try_new(doctor *d, core_algorithm algorithm)
{
    const bool rsa = core_algorithm_is_rsa(algorithm);
    const tok_key_spec spec = {.name = "p11ekm-doctor", .algorithm = algorithm};
    uint64_t started = core_now_us();
    core_err err = {0};
    tok_key *key = NULL;
    core_status st = tok_key_create(d->session.token, &spec, &key, &err);
    if (core_status_class(st) == CORE_CLASS_QUIRK) { /* a TPM does not support session keys */
        try_existing(d, rsa, "the token makes no temporary keys");
        return;
    }
    if (st == ST_OK) {
        st = round_trip(key, &err);
    }
    if (st != ST_OK) {
        tok_key_release(key);
        doctor_failed(d, st, &err);
        return;
    }
    const rsa_method method = method_of(key, rsa);
    tok_key_release(key);
    doctor_report(d, DOCTOR_OK, "", "%s: made, encrypted%s%s%s, decrypted, gone, in %u ms",
                  core_algorithm_tag(algorithm), method.with, method.padding, method.raw,
                  (unsigned)((core_now_us() - started) / 1000));
}

bool doctor_check_round_trip(doctor *d)
{
    const core_token_config *config = tok_token_config(d->session.token);
    if (doctor_is_group(d)) {
        doctor_report(d, DOCTOR_SKIP, "", "a group: check its tokens one by one (--token)");
        return true;
    }
    for (int rsa = 1; rsa >= 0; rsa--) {
        core_algorithm algorithm = first_allowed(config->algorithms, rsa == 1);
        if (algorithm == CORE_ALG_COUNT) {
            continue;
        }
        if (config->create) {
            try_new(d, algorithm);
        } else {
            try_existing(d, rsa == 1, "'create = no': no temporary key may be made");
        }
    }
    return true;
}
