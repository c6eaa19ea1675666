/* SPDX-License-Identifier: Apache-2.0
 *
 * An experiment: does the time of OAEP over raw RSA reveal why a block is invalid (ttest.h)? First
 * it measures the unpadding alone: valid and invalid blocks, and messages of any length, must take
 * the same time. Then it measures decryption with the constant-time token (timing_module.c), whose
 * raw RSA returns its input: all kinds of failure must take the same time.
 *
 *   with-token --count libp11timing.so softhsm timing_raw [CALLS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/timing_key.h"
#include "bench/ttest.h"
#include "core/crypto.h"
#include "tests/unit/oaep_draft.h"

enum { POOL = 64, HASH = 32, MESSAGE = 32, LONGEST = OAEP_SIZE - 2 * HASH - 2 };

static tok_key *key;
static uint8_t pool[2][POOL][OAEP_SIZE];
static size_t lengths[2]; /* of the block as the token returns it */
static unsigned next;
static uint8_t block[OAEP_SIZE];
static double worst;
static unsigned good, unexpected;

typedef struct kind {
    size_t message;
    size_t missing;               /* leading zeros that the token omits */
    void (*spoil)(oaep_draft *d); /* NULL: a valid block */
} kind;

static void first_byte(oaep_draft *d)
{
    d->first = 1;
}

static void label(oaep_draft *d)
{
    d->db[5] ^= 1;
}

static void zeros(oaep_draft *d)
{
    d->db[HASH + 3] = 7;
}

static void no_separator(oaep_draft *d)
{
    memset(d->db + HASH, 0, d->db_len - HASH);
}

static void everything(oaep_draft *d)
{
    if (core_random(d->db, d->db_len) != ST_OK)
        exit(1);
    d->first = 0x31;
}

/* Fills the pool of a class with different blocks of one kind. */
static void fill(int class, const kind *k)
{
    uint8_t message[OAEP_SIZE];
    oaep_draft d;

    lengths[class] = OAEP_SIZE - k->missing;
    for (unsigned i = 0; i < POOL; i++) {
        uint8_t *out = pool[class][i];
        do {
            if (core_random(message, sizeof message) != ST_OK ||
                !oaep_start(&d, "SHA256", HASH, message, k->message))
                exit(1);
            if (k->spoil != NULL)
                k->spoil(&d);
            if (!oaep_seal(&d, out))
                exit(1);
        } while (k->missing > 1 && out[1] != 0);
        memmove(out, out + k->missing, lengths[class]);
    }
}

/* Copies the next block of the class to `block`, so that all calls read the same address. */
static void take(int class)
{
    memcpy(block, pool[class][next++ % POOL], sizeof block);
}

static void unpad(int class)
{
    uint8_t out[OAEP_SIZE];
    size_t out_len = sizeof out;
    core_status st = core_oaep_open("SHA256", block, OAEP_SIZE, lengths[class], out, &out_len);
    good += st == ST_OK;
    unexpected += st != ST_OK && st != ST_DECRYPT_FAILED;
}

static void decrypt(int class)
{
    uint8_t out[OAEP_SIZE];
    size_t out_len = sizeof out;
    (void)class;
    core_status st =
        tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA256, block, OAEP_SIZE, out, &out_len, NULL);
    good += st == ST_OK;
    unexpected += st != ST_OK && st != ST_DECRYPT_FAILED;
}

typedef struct pair {
    const char *name;
    kind kinds[2];
    bool alike;
} pair;

static void run(const char *what, void (*call)(int), const pair *pairs, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        for (int c = 0; c < 2; c++)
            fill(c, &pairs[p].kinds[c]);
        good = 0;
        double t = ttest(pairs[p].name, what, take, call);
        if (pairs[p].alike && t > worst)
            worst = t;
        /* A valid block must be accepted, else the measurement is void. */
        unexpected +=
            (pairs[p].kinds[0].spoil == NULL || pairs[p].kinds[1].spoil == NULL) != (good > 0);
    }
}

static const pair alone[] = {
    {"the same twice", {{MESSAGE, 0, NULL}, {MESSAGE, 0, NULL}}, true},
    {"good, first byte not 0", {{MESSAGE, 0, NULL}, {MESSAGE, 0, first_byte}}, true},
    {"good, label", {{MESSAGE, 0, NULL}, {MESSAGE, 0, label}}, true},
    {"good, zeros", {{MESSAGE, 0, NULL}, {MESSAGE, 0, zeros}}, true},
    {"good, no 1", {{MESSAGE, 0, NULL}, {MESSAGE, 0, no_separator}}, true},
    {"good, everything wrong", {{MESSAGE, 0, NULL}, {MESSAGE, 0, everything}}, true},
    {"first byte not 0, label", {{MESSAGE, 0, first_byte}, {MESSAGE, 0, label}}, true},
    {"empty, longest message", {{0, 0, NULL}, {LONGEST, 0, NULL}}, true},
    {"whole, without its leading zeros", {{MESSAGE, 0, NULL}, {MESSAGE, 2, NULL}}, true},
};

static const pair decrypted[] = {
    {"first byte not 0, the same again",
     {{MESSAGE, 0, first_byte}, {MESSAGE, 0, first_byte}},
     true},
    {"first byte not 0, label", {{MESSAGE, 0, first_byte}, {MESSAGE, 0, label}}, true},
    {"first byte not 0, zeros", {{MESSAGE, 0, first_byte}, {MESSAGE, 0, zeros}}, true},
    {"first byte not 0, no 1", {{MESSAGE, 0, first_byte}, {MESSAGE, 0, no_separator}}, true},
    {"first byte not 0, everything wrong",
     {{MESSAGE, 0, first_byte}, {MESSAGE, 0, everything}},
     true},
    {"good, first byte not 0 (for the record)",
     {{MESSAGE, 0, NULL}, {MESSAGE, 0, first_byte}},
     false},
};

int main(int argc, char **argv)
{
    unsigned calls = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;

    if (getenv("PIN") == NULL || getenv("P11COUNT_MODULE") == NULL || !ttest_open(calls)) {
        printf("SKIPPED: no such token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    key = timing_key_open("module_loader = direct\nrsa_raw = yes\n");
    if (key == NULL)
        return 1;
    run("unpadding", unpad, alone, sizeof alone / sizeof alone[0]);
    run("decryption", decrypt, decrypted, sizeof decrypted / sizeof decrypted[0]);
    printf("%u calls a row; largest |t| of what must be alike: %.2f\n", calls, worst);
    bool destroyed = timing_key_close(key);
    ttest_close();
    return destroyed && unexpected == 0 ? 0 : 1;
}
