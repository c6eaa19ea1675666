/* SPDX-License-Identifier: Apache-2.0
 *
 * OAEP decoding of raw blocks: RSA Laboratories' known answer, blocks made from the text of RFC
 * 8017 (not by OpenSSL) and changed in every way, and Project Wycheproof's ciphertexts.
 */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/crypto.h"
#include "core/text.h"
#include "test_core.h"
#include "tests/tokens/wycheproof.h"
#include "tests/unit/oaep_draft.h"

static int open_crypto(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int close_crypto(void)
{
    core_crypto_close();
    return 0;
}

/* oaep-int.txt of RSA Laboratories' PKCS #1 v2.1 test vectors. */
static void known_answer(void)
{
    static const char em[] = "00eb7a19ace9e3006350e329504b45e2ca82310b26dcd87d5c68f1eea8f55267"
                             "c31b2e8bb4251f84d7e0b2c04626f5aff93edcfb25c9c2b3ff8ae10e839a2ddb"
                             "4cdcfe4ff47728b4a1b7c1362baad29ab48d2869d5024121435811591be392f9"
                             "82fb3e87d095aeb40448db972f3ac14f7bc275195281ce32d2f1b76d4d353e2d";
    uint8_t block[128], out[128], message[16];
    size_t size = sizeof block, length = sizeof message, out_len = sizeof out;

    CU_ASSERT_EQUAL(core_unhex(em, block, &size), ST_OK);
    CU_ASSERT_EQUAL(core_unhex("d436e99569fd32a7c8a05bbc90d32c49", message, &length), ST_OK);
    CU_ASSERT_EQUAL(core_oaep_open("SHA1", block, size, size, out, &out_len), ST_OK);
    CU_ASSERT(out_len == length && memcmp(out, message, length) == 0);
}

enum { SIZE = OAEP_SIZE };

static core_status open_draft(const oaep_draft *d, uint8_t *out, size_t *out_len)
{
    uint8_t block[SIZE];

    *out_len = SIZE;
    CU_ASSERT_TRUE(oaep_seal(d, block));
    return core_oaep_open(d->hash, block, SIZE, SIZE, out, out_len);
}

static const struct {
    const char *name;
    size_t length;
} hashes[] = {{"SHA1", 20}, {"SHA256", 32}};

static void all_lengths(void)
{
    uint8_t message[SIZE], out[SIZE];
    oaep_draft d;

    CU_ASSERT_EQUAL(core_random(message, sizeof message), ST_OK);
    for (size_t h = 0; h < 2; h++) {
        const size_t most = SIZE - 2 * hashes[h].length - 2;
        unsigned wrong = 0;
        for (size_t length = 0; length <= most; length++) {
            size_t out_len;
            CU_ASSERT_TRUE(oaep_start(&d, hashes[h].name, hashes[h].length, message, length));
            wrong += open_draft(&d, out, &out_len) != ST_OK || out_len != length ||
                     memcmp(out, message, length) != 0;
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

static void spoil_first(oaep_draft *d)
{
    d->first = 1;
}

static void spoil_first_high(oaep_draft *d)
{
    d->first = 0x80;
}

static void spoil_label(oaep_draft *d)
{
    d->db[d->hash_len - 1] ^= 1;
}

static void spoil_label_first(oaep_draft *d)
{
    d->db[0] ^= 0x80;
}

static void spoil_padding(oaep_draft *d)
{
    d->db[d->hash_len] = 2;
}

static void spoil_padding_last(oaep_draft *d)
{
    d->db[d->db_len - 34] = 0xff;
}

static void no_one(oaep_draft *d)
{
    memset(d->db + d->hash_len, 0, d->db_len - d->hash_len);
}

static void another_one(oaep_draft *d)
{
    d->db[d->db_len - 33] = 2;
}

static void spoil_all(oaep_draft *d)
{
    d->first = 7;
    d->db[0] ^= 1;
    d->db[d->hash_len] = 9;
}

/* One status, no output, nothing in the host's error queue, whatever is wrong. */
static void spoiled_blocks(void)
{
    static void (*const spoils[])(oaep_draft * d) = {
        spoil_first,        spoil_first_high, spoil_label, spoil_label_first, spoil_padding,
        spoil_padding_last, no_one,           another_one, spoil_all,
    };
    uint8_t message[32], out[SIZE];
    oaep_draft d;

    CU_ASSERT_EQUAL(core_random(message, sizeof message), ST_OK);
    for (size_t h = 0; h < 2; h++) {
        for (size_t s = 0; s < sizeof spoils / sizeof spoils[0]; s++) {
            size_t out_len;
            uint8_t any = 0;
            memset(out, 0, sizeof out);
            CU_ASSERT_TRUE(
                oaep_start(&d, hashes[h].name, hashes[h].length, message, sizeof message));
            spoils[s](&d);
            CU_ASSERT_EQUAL(open_draft(&d, out, &out_len), ST_DECRYPT_FAILED);
            CU_ASSERT_EQUAL(out_len, 0);
            for (size_t i = 0; i < sizeof out; i++)
                any |= out[i];
            CU_ASSERT_EQUAL(any, 0);
            CU_ASSERT_EQUAL(ERR_peek_error(), 0);
        }
    }
}

/* Some tokens omit leading zeros; bytes after the block must not matter. */
static void missing_leading_zeros_restored(void)
{
    uint8_t message[32], block[SIZE], short_block[SIZE], out[SIZE];
    unsigned missing = 0;
    oaep_draft d;

    CU_ASSERT_EQUAL(core_random(message, sizeof message), ST_OK);
    for (unsigned i = 0; i < 2000; i++) {
        size_t front = 0, out_len = sizeof out;
        CU_ASSERT_TRUE(oaep_start(&d, "SHA256", 32, message, sizeof message));
        CU_ASSERT_TRUE(oaep_seal(&d, block));
        while (block[front] == 0)
            front++;
        memset(short_block, 0xa5, sizeof short_block);
        memcpy(short_block, block + front, SIZE - front);
        CU_ASSERT_EQUAL(core_oaep_open("SHA256", short_block, SIZE, SIZE - front, out, &out_len),
                        ST_OK);
        CU_ASSERT(out_len == sizeof message && memcmp(out, message, out_len) == 0);
        missing += front > 1;
        /* With one byte fewer it is another block. */
        memcpy(short_block, block + front + 1, SIZE - front - 1);
        out_len = sizeof out;
        CU_ASSERT_EQUAL(
            core_oaep_open("SHA256", short_block, SIZE, SIZE - front - 1, out, &out_len),
            ST_DECRYPT_FAILED);
    }
    CU_ASSERT(missing > 0); /* 1 in 256 has two zeros */
}

/* Every number of missing bytes is restored: the rest is zeros and therefore invalid. */
static void any_length_is_aligned(void)
{
    uint8_t block[SIZE], out[SIZE];
    unsigned wrong = 0;

    for (size_t length = 0; length <= SIZE; length++) {
        size_t out_len = sizeof out;
        for (size_t i = 0; i < SIZE; i++)
            block[i] = (uint8_t)(i < length ? i + 1 : 0xee);
        wrong += core_oaep_open("SHA1", block, SIZE, length, out, &out_len) != ST_DECRYPT_FAILED;
        for (size_t i = 0; i < SIZE; i++) {
            const size_t front = SIZE - length;
            wrong += block[i] != (uint8_t)(i < front ? 0 : i - front + 1);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void wrong_use(void)
{
    uint8_t block[SIZE] = {0}, out[SIZE];
    size_t out_len = sizeof out;

    CU_ASSERT_EQUAL(core_oaep_open("SHA1", block, SIZE, SIZE + 1, out, &out_len),
                    ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(out_len, 0);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(core_oaep_open("NO-SUCH", block, SIZE, SIZE, out, &out_len), ST_FAILURE);
    out_len = sizeof out; /* blocks of this hash are longer */
    CU_ASSERT_EQUAL(core_oaep_open("SHA256", block, 65, 65, out, &out_len), ST_DECRYPT_FAILED);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(core_oaep_open("SHA256", block, 0, 0, out, &out_len), ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(out_len, 0);
}

static void the_hosts_errors_stay(void)
{
    uint8_t message[1] = {5}, out[SIZE];
    size_t out_len;
    oaep_draft d;

    for (int bad = 0; bad < 2; bad++) {
        ERR_clear_error();
        ERR_raise(ERR_LIB_USER, 7);
        CU_ASSERT_TRUE(oaep_start(&d, "SHA1", 20, message, sizeof message));
        d.first = (uint8_t)bad;
        CU_ASSERT_EQUAL(open_draft(&d, out, &out_len), bad ? ST_DECRYPT_FAILED : ST_OK);
        CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_get_error()), 7);
        CU_ASSERT_EQUAL(ERR_get_error(), 0);
    }
}

/* Wycheproof: BN does the private key's arithmetic, our code the padding. */
static struct {
    BN_CTX *ctx;
    BIGNUM *n, *d;
    size_t size;
    unsigned valid, invalid, labelled, skipped, failed;
} wy;

static bool wy_group_begin(void *context, const wy_group *group)
{
    (void)context;
    if (strcmp(group->sha, group->mgf_sha) != 0) {
        wy.skipped++;
        return false;
    }
    wy.n = BN_bin2bn(group->parts[0].bytes, (int)group->parts[0].length, NULL);
    wy.d = BN_bin2bn(group->parts[2].bytes, (int)group->parts[2].length, NULL);
    wy.size = group->parts[0].length;
    return wy.n != NULL && wy.d != NULL;
}

static void wy_group_end(void *context)
{
    (void)context;
    BN_free(wy.n);
    BN_free(wy.d);
}

static core_status wy_open(const wy_group *group, const wy_test *test, uint8_t *out,
                           size_t *out_len)
{
    uint8_t block[WY_BYTES_MAX];
    core_status st = ST_DECRYPT_FAILED;
    BIGNUM *c = BN_bin2bn(test->ciphertext.bytes, (int)test->ciphertext.length, NULL);

    *out_len = WY_BYTES_MAX;
    /* No token decrypts a value that has another length than the modulus or is not below it. */
    if (test->ciphertext.length == wy.size && BN_cmp(c, wy.n) < 0) {
        CU_ASSERT_EQUAL_FATAL(BN_mod_exp(c, c, wy.d, wy.n, wy.ctx), 1);
        const int length = BN_bn2bin(c, block); /* without leading zeros */
        st = core_oaep_open(group->sha, block, wy.size, (size_t)length, out, out_len);
    }
    BN_free(c);
    return st;
}

static void wy_check(void *context, const wy_group *group, const wy_test *test)
{
    uint8_t out[WY_BYTES_MAX];
    size_t out_len;
    const bool valid = strcmp(test->result, "valid") == 0;
    const bool labelled = test->label.length != 0;
    const core_status st = wy_open(group, test, out, &out_len);
    bool good = st == ST_DECRYPT_FAILED;

    (void)context;
    if (labelled && !valid)
        return; /* valid without its label */
    if (valid && !labelled)
        good = st == ST_OK && out_len == test->message.length &&
               memcmp(out, test->message.bytes, out_len) == 0;
    wy.valid += valid && !labelled;
    wy.invalid += !valid;
    wy.labelled += labelled;
    wy.failed += !good;
    if (!good)
        printf("\n%s, test %d (%s, %s): %s\n", group->file, test->id, test->result, test->comment,
               core_status_name(st));
}

static void wycheproof(void)
{
    static const char *const files[] = {
        "rsa_oaep_2048_sha1_mgf1sha1_test.json",     "rsa_oaep_2048_sha224_mgf1sha224_test.json",
        "rsa_oaep_2048_sha256_mgf1sha256_test.json", "rsa_oaep_2048_sha384_mgf1sha384_test.json",
        "rsa_oaep_2048_sha512_mgf1sha512_test.json", "rsa_oaep_3072_sha256_mgf1sha256_test.json",
        "rsa_oaep_4096_sha256_mgf1sha256_test.json", "rsa_oaep_misc_test.json"};
    const char *vectors = getenv("P11EKM_VECTORS"), *source = getenv("P11EKM_SOURCE_DIR");
    const wy_reader reader = {wy_group_begin, wy_check, wy_group_end, NULL};
    char directory[1024];

    if (vectors != NULL)
        (void)snprintf(directory, sizeof directory, "%s/wycheproof", vectors);
    else
        (void)snprintf(directory, sizeof directory, "%s/../shared/vectors/wycheproof",
                       source != NULL ? source : ".");
    if (access(directory, R_OK) != 0)
        TEST_SKIP("no Wycheproof vectors; set P11EKM_VECTORS");
    wy.ctx = BN_CTX_new();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        CU_ASSERT_TRUE(wy_read(directory, files[i], &reader));
    BN_CTX_free(wy.ctx);
    printf(" (%u valid, %u invalid, %u with a label; %u groups of another MGF left out) ", wy.valid,
           wy.invalid, wy.labelled, wy.skipped);
    CU_ASSERT_EQUAL(wy.failed, 0);
    CU_ASSERT(wy.valid >= 140 && wy.invalid >= 130 && wy.labelled >= 60);
}

static const test_case cases[] = {
    {"known_answer", known_answer},
    {"all_lengths", all_lengths},
    {"spoiled_blocks", spoiled_blocks},
    {"missing_leading_zeros_restored", missing_leading_zeros_restored},
    {"any_length_is_aligned", any_length_is_aligned},
    {"wrong_use", wrong_use},
    {"the_hosts_errors_stay", the_hosts_errors_stay},
    {"wycheproof", wycheproof},
    {NULL, NULL},
};
const test_suite core_oaep_suite = {
    .name = "oaep", .cases = cases, .start = open_crypto, .stop = close_crypto};
