/* SPDX-License-Identifier: Apache-2.0
 *
 * An experiment: whether the time of a failed RSA decryption tells how it failed. Two classes of
 * ciphertexts in random order, the time of each call, Welch's t-test without the slowest tenth (as
 * dudect does). |t| above 4.5 is a difference. In front of the token that does not leak
 * (timing_module.c) the time is our code's; on a real token it is the token's.
 *
 *   with-token [--count libp11timing.so] KIND timing [CALLS]
 *
 * Success against failure is shown for the record only: the caller is told which it was.
 */
#include <math.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/crypto.h"
#include "pkcs11/key.h"
#include "tests/tokens/token_conf.h"

enum { BYTES = 256, CALLS_MOST = 1000000 };

static tok_key *key;
static double *samples[2];
static size_t counts[2];
static double worst;
static unsigned strange; /* neither success nor the one failure */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Below `limit`: mean, variance, number. */
static void moments(int class, double limit, double *mean, double *variance, double *number)
{
    double sum = 0;
    double squares = 0;

    *number = 0;
    for (size_t i = 0; i < counts[class]; i++) {
        if (samples[class][i] > limit)
            continue;
        sum += samples[class][i];
        squares += samples[class][i] * samples[class][i];
        *number += 1;
    }
    *mean = sum / *number;
    *variance = squares / *number - *mean * *mean;
}

static double welch(double *difference)
{
    double mean[2];
    double variance[2];
    double number[2];
    size_t total = counts[0] + counts[1];
    double *all = malloc(total * sizeof *all);

    if (all == NULL)
        exit(1);
    memcpy(all, samples[0], counts[0] * sizeof *all);
    memcpy(all + counts[0], samples[1], counts[1] * sizeof *all);
    qsort(all, total, sizeof *all, compare);
    double limit = all[total * 9 / 10];
    free(all);
    for (int c = 0; c < 2; c++)
        moments(c, limit, &mean[c], &variance[c], &number[c]);
    *difference = mean[1] - mean[0];
    return *difference / sqrt(variance[0] / number[0] + variance[1] / number[1]);
}

static void experiment(const char *name, core_padding padding, const uint8_t *const in[2],
                       unsigned calls, bool counts_for_worst)
{
    uint8_t out[BYTES];
    double difference;

    counts[0] = counts[1] = 0;
    for (unsigned i = 0; i < calls; i++) {
        uint8_t choice;
        size_t out_len = sizeof out;
        if (core_random(&choice, 1) != ST_OK)
            exit(1);
        choice &= 1;
        double from = now_ns();
        core_status st = tok_rsa_decrypt(key, padding, in[choice], BYTES, out, &out_len, NULL);
        samples[choice][counts[choice]++] = now_ns() - from;
        strange += st != ST_OK && st != ST_DECRYPT_FAILED;
    }
    double t = welch(&difference);
    printf("%-44s %-11s |t| %6.2f, %+.0f ns\n", name, core_padding_name(padding), fabs(t),
           difference);
    if (counts_for_worst && fabs(t) > worst)
        worst = fabs(t);
}

/* The answers of the token that does not leak. */
static void on_stub(unsigned calls)
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
        experiment(pairs[p].name, CORE_PAD_OAEP_SHA1, both, calls, pairs[p].failures);
        experiment(pairs[p].name, CORE_PAD_PKCS1, both, calls, pairs[p].failures);
    }
}

/* The block as it stands, under the public key. */
static bool raw_encrypt(const uint8_t block[BYTES], uint8_t out[BYTES])
{
    const tok_key_info *info = tok_key_about(key);
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

/* What an attacker would like to tell apart: whether a block begins with 0 (Manger), and whether it
 * begins with 0, 2 (Bleichenbacher). */
static void on_token(unsigned calls)
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
        experiment(pairs[p].name, pairs[p].padding, both, calls, true);
    }
}

int main(int argc, char **argv)
{
    bool stub = getenv("P11COUNT_MODULE") != NULL;
    unsigned calls = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : stub ? 100000 : 4000;
    tok_key_spec spec = {"timing", CORE_ALG_RSA_2048, 0, true, false};
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err = {0};
    const char *pin = getenv("PIN");

    if (pin == NULL || calls < 100 || calls > CALLS_MOST) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    for (int c = 0; c < 2; c++)
        samples[c] = calloc(calls, sizeof *samples[c]);
    if (samples[0] == NULL || samples[1] == NULL || !token_conf_make("module_loader = direct\n") ||
        tok_context_open(token_conf_path(), &ctx, &err) != ST_OK ||
        tok_token_find(ctx, "test", &token, &err) != ST_OK ||
        tok_token_login(token, pin, strlen(pin), &err) != ST_OK ||
        tok_key_create(token, &spec, &key, &err) != ST_OK) {
        printf("FAILED: %s\n", err.text);
        return 1;
    }
    (stub ? on_stub : on_token)(calls);
    printf("%u calls a row; largest |t| between failures: %.2f\n", calls, worst);
    bool destroyed = tok_key_destroy(key, NULL) == ST_OK;
    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    token_conf_remove();
    free(samples[0]);
    free(samples[1]);
    return destroyed && strange == 0 ? 0 : 1;
}
