/* SPDX-License-Identifier: Apache-2.0
 *
 * An experiment: does the time of a failed RSA decryption reveal how it failed (ttest.h)? Run with
 * the constant-time token (timing_module.c), it measures the code of p11ekm; run with a real token,
 * it measures that token.
 *
 *   with-token [--count libp11timing.so] KIND timing [CALLS]
 *
 * The difference between success and failure is shown for the record only, because the caller gets
 * that result anyway.
 */
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/timing_key.h"
#include "bench/ttest.h"
#include "core/crypto.h"

enum { BYTES = 256 };

static tok_key *key;
static core_padding used;
static const uint8_t *inputs[2];
static double worst;
static unsigned unexpected; /* results that are neither success nor ST_DECRYPT_FAILED */

static void decrypt(int class)
{
    uint8_t out[BYTES];
    size_t out_len = sizeof out;
    core_status st = tok_rsa_decrypt(key, used, inputs[class], BYTES, out, &out_len, NULL);
    unexpected += st != ST_OK && st != ST_DECRYPT_FAILED;
}

static void experiment(const char *name, core_padding padding, const uint8_t *const in[2],
                       bool counts_for_worst)
{
    used = padding;
    inputs[0] = in[0];
    inputs[1] = in[1];
    double t = ttest(name, core_padding_name(padding), NULL, decrypt);
    if (counts_for_worst && t > worst)
        worst = t;
}

/* Measures with the answers of the constant-time token. */
static void on_stub(void)
{
    static const struct {
        const char *name;
        uint8_t answers[2];
        bool failures;
    } pairs[] = {
        {"ENCRYPTED_DATA_INVALID, the same again", {0x40, 0x40}, true},
        {"ENCRYPTED_DATA_INVALID, _LEN_RANGE", {0x40, 0x41}, true},
        {"ENCRYPTED_DATA_INVALID, GENERAL_ERROR", {0x40, 0x05}, true},
        {"ENCRYPTED_DATA_INVALID, FUNCTION_FAILED", {0x40, 0x06}, true},
        {"ENCRYPTED_DATA_INVALID, DATA_LEN_RANGE", {0x40, 0x21}, true},
        {"success, ENCRYPTED_DATA_INVALID (for the record)", {0x00, 0x40}, false},
    };
    uint8_t in[2][BYTES] = {{0}};
    const uint8_t *const both[2] = {in[0], in[1]};

    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
        for (int c = 0; c < 2; c++)
            in[c][BYTES - 1] = pairs[p].answers[c];
        experiment(pairs[p].name, CORE_PAD_OAEP_SHA1, both, pairs[p].failures);
        experiment(pairs[p].name, CORE_PAD_PKCS1, both, pairs[p].failures);
    }
}

/* Encrypts the block with the public key, without padding. */
static bool raw_encrypt(const uint8_t block[BYTES], uint8_t out[BYTES])
{
    const tok_key_info *info = tok_key_info_of(key);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *m = BN_bin2bn(block, BYTES, NULL);
    BIGNUM *n = BN_bin2bn(info->modulus, (int)info->modulus_len, NULL);
    BIGNUM *e = BN_bin2bn(info->exponent, (int)info->exponent_len, NULL);
    BIGNUM *c = BN_new();
    bool good = BN_mod_exp(c, m, e, n, ctx) == 1 && BN_bn2binpad(c, out, BYTES) == BYTES;

    BN_free(m);
    BN_free(n);
    BN_free(e);
    BN_free(c);
    BN_CTX_free(ctx);
    return good;
}

/* Measures what an attacker wants to distinguish: whether a block begins with 0 (Manger), and
 * whether it begins with 0, 2 (Bleichenbacher). */
static void on_token(void)
{
    static const struct {
        const char *name;
        core_padding padding;
        uint8_t begin[2][2];
    } pairs[] = {
        {"the same class twice", CORE_PAD_OAEP_SHA1, {{0, 9}, {0, 9}}},
        {"begins with 0, or not", CORE_PAD_OAEP_SHA1, {{0, 9}, {1, 9}}},
        {"begins with 0 2 without an end, or 0 9", CORE_PAD_PKCS1, {{0, 2}, {0, 9}}},
    };
    uint8_t block[BYTES];
    uint8_t in[2][BYTES];
    const uint8_t *const both[2] = {in[0], in[1]};

    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
        for (int c = 0; c < 2; c++) {
            memset(block, 0x77, sizeof block);
            memcpy(block, pairs[p].begin[c], 2);
            if (!raw_encrypt(block, in[c]))
                exit(1);
        }
        experiment(pairs[p].name, pairs[p].padding, both, true);
    }
}

int main(int argc, char **argv)
{
    bool stub = getenv("P11COUNT_MODULE") != NULL;
    unsigned calls = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : stub ? 100000 : 4000;

    if (getenv("PIN") == NULL || !ttest_open(calls)) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    key = timing_key_open("module_loader = direct\n");
    if (key == NULL)
        return 1;
    (stub ? on_stub : on_token)();
    printf("%u calls a row; largest |t| between failures: %.2f\n", calls, worst);
    bool destroyed = timing_key_close(key);
    ttest_close();
    return destroyed && unexpected == 0 ? 0 : 1;
}
