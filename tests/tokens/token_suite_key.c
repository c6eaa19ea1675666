/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys on the token: creation, search, retirement; ciphers, signatures and wrapping, judged by
 * OpenSSL.
 */
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include "core/crypto.h"
#include "tests/tokens/token_suite.h"

static tok_context *ctx;
static tok_token *token;

static int start(void)
{
    return suite_open(suite_config("keys.conf", ""), &ctx, &token) ? 0 : 1;
}

static int stop(void)
{
    suite_close(ctx, token);
    return 0;
}

static tok_key *make(core_algorithm algorithm, unsigned can, const char *name)
{
    tok_key_spec spec = {name, algorithm, can, true, false};
    tok_key *key = NULL;
    core_err err = {ST_OK, ""};
    core_status st = tok_key_create(token, &spec, &key, &err);

    if (st != ST_OK && st != ST_MECHANISM) {
        fprintf(stderr, "create %s: %s: %s\n", core_algorithm_tag(algorithm), core_status_name(st),
                err.text);
        CU_FAIL("create");
    }
    return key;
}

#define NEED(key)                                      \
    if ((key) == NULL) {                               \
        TEST_SKIP("the token cannot make such a key"); \
    }

static void creates_with_the_right_attributes(void)
{
    const char *name = suite_name("attr");
    tok_key *key = make(CORE_ALG_RSA_2048, 0, name);
    tok_key *found = NULL;

    NEED(key);
    const tok_key_info *info = tok_key_about(key);
    CU_ASSERT_STRING_EQUAL(info->name, name);
    CU_ASSERT(info->rsa && info->persistent && info->sensitive && !info->extractable &&
              !info->retired);
    CU_ASSERT_EQUAL(info->bits, 2048);
    CU_ASSERT_EQUAL(info->algorithm, CORE_ALG_RSA_2048);
    CU_ASSERT_EQUAL(info->id_len, TOK_THUMB_LEN);
    CU_ASSERT_EQUAL(memcmp(info->id, info->thumb, TOK_THUMB_LEN), 0);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, info->thumb, &found, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(found, key);
    tok_key_release(found);
    CU_ASSERT_EQUAL(tok_key_by_name(token, name, &found, NULL), ST_OK);
    CU_ASSERT_EQUAL(memcmp(tok_key_about(found)->thumb, info->thumb, TOK_THUMB_LEN), 0);
    tok_key_release(found);
    suite_destroy(key);
}

static void names_clash(void)
{
    const char *name = suite_name("clash");
    tok_key *key = make(CORE_ALG_RSA_2048, 0, name);
    tok_key_spec again = {name, CORE_ALG_AES_256, 0, true, false};
    tok_key *other = NULL;

    NEED(key);
    CU_ASSERT_EQUAL(tok_key_create(token, &again, &other, NULL), ST_KEY_EXISTS);
    CU_ASSERT_PTR_NULL(other);
    suite_destroy(key);
}

static void refuses_bad_specs(void)
{
    char longer[TOK_NAME_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const tok_key_spec bad[] = {
        {"", CORE_ALG_AES_256, 0, true, false},
        {longer, CORE_ALG_AES_256, 0, true, false},
        {"p11ekm-retired:x", CORE_ALG_AES_256, 0, true, false},
        {"\xff", CORE_ALG_AES_256, 0, true, false},
        {"weak", CORE_ALG_RSA_1024, 0, true, false},
        {"none", CORE_ALG_COUNT, 0, true, false},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tok_key *key = NULL;
        core_status st = tok_key_create(token, &bad[i], &key, NULL);
        CU_ASSERT_EQUAL(st, i < 4 ? ST_INVALID_ARGUMENT : ST_POLICY);
        CU_ASSERT_PTR_NULL(key);
    }
}

static void finds_nothing(void)
{
    static const uint8_t thumb[TOK_THUMB_LEN] = {0xde, 0xad};
    tok_key *key = NULL;
    tok_token_stats before;
    tok_token_stats after;

    CU_ASSERT_EQUAL(tok_key_by_name(token, "there is no such key", &key, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &key, NULL), ST_NOT_FOUND);
    CU_ASSERT_PTR_NULL(key);
    tok_token_stats_get(token, &before);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &key, NULL), ST_NOT_FOUND);
    tok_token_stats_get(token, &after);
    CU_ASSERT_EQUAL(before.searches, after.searches); /* remembered for a while */
}

static void retires_and_restores(void)
{
    const char *name = suite_name("retire");
    tok_key *key = make(CORE_ALG_RSA_2048, 0, name);
    tok_key *found = NULL;
    tok_key **all = NULL;
    size_t count = 0;
    tok_key *retired = NULL;
    uint8_t thumb[TOK_THUMB_LEN];

    NEED(key);
    memcpy(thumb, tok_key_about(key)->thumb, sizeof thumb);
    CU_ASSERT_EQUAL(tok_key_retire(key, NULL), ST_OK);
    tok_key_release(key);
    CU_ASSERT_EQUAL(tok_key_by_name(token, name, &found, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &found, NULL), ST_NOT_FOUND);

    CU_ASSERT_EQUAL_FATAL(tok_key_list(token, &all, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(tok_key_about(all[i])->thumb, thumb, sizeof thumb) == 0) {
            retired = tok_key_ref(all[i]);
        }
    }
    tok_key_list_free(all, count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(retired);
    CU_ASSERT(tok_key_about(retired)->retired);
    CU_ASSERT_EQUAL(tok_key_restore(retired, NULL), ST_OK);
    tok_key_release(retired);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &found, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL(tok_key_about(found)->name, name);
    suite_destroy(found);
}

static void volatile_keys_end(void)
{
    tok_key_spec spec = {suite_name("volatile"), CORE_ALG_AES_256, 0, false, false};
    tok_key *key = NULL;
    tok_key *found = NULL;
    core_status st = tok_key_create(token, &spec, &key, NULL);

    if (st == ST_MECHANISM) {
        TEST_SKIP("the token cannot make such a key");
    }
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
    CU_ASSERT(!tok_key_about(key)->persistent);
    CU_ASSERT_EQUAL(tok_key_by_name(token, spec.name, &found, NULL), ST_NOT_FOUND);
    uint8_t iv[16] = {1};
    uint8_t out[64];
    size_t out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, iv, 16, out, &out_len, NULL), ST_OK);
    tok_key_release(key);
}

static void rsa_round_trip(void)
{
    static const core_algorithm sizes[] = {CORE_ALG_RSA_2048, CORE_ALG_RSA_3072};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tok_key *key = make(sizes[i], 0, suite_name("rsa"));
        uint8_t plain[48];
        uint8_t cipher[1024];
        uint8_t back[1024];
        size_t cipher_len = sizeof cipher;
        size_t back_len = sizeof back;
        core_err err = {ST_OK, ""};

        NEED(key);
        CU_ASSERT_EQUAL(core_random(plain, sizeof plain), ST_OK);
        CU_ASSERT_EQUAL(tok_encrypt(key, NULL, 0, plain, sizeof plain, cipher, &cipher_len, &err),
                        ST_OK);
        CU_ASSERT_EQUAL(cipher_len, tok_encrypt_size(key, sizeof plain));
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
        CU_ASSERT_EQUAL(back_len, sizeof plain);
        CU_ASSERT_EQUAL(memcmp(back, plain, sizeof plain), 0);
        CU_ASSERT(back_len <= tok_decrypt_size(key, cipher_len));

        /* Too small a buffer for the bound, large enough for the result; then too small for that.
         */
        back_len = sizeof plain;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
        back_len = sizeof plain - 1;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_BUFFER_TOO_SMALL);
        CU_ASSERT_EQUAL(back_len, sizeof plain);

        /* A changed ciphertext: one answer, no detail, and the key works on. */
        cipher[cipher_len / 2] ^= 1;
        back_len = sizeof back;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_DECRYPT_FAILED);
        CU_ASSERT_PTR_NULL(strstr(err.text, "CKR"));
        cipher[cipher_len / 2] ^= 1;
        back_len = sizeof back;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len - 1, back, &back_len, &err),
                        ST_DECRYPT_FAILED);
        suite_destroy(key);
    }
}

static void rsa_agrees_with_openssl(void)
{
    tok_key *key = make(CORE_ALG_RSA_2048, 0, suite_name("judge"));
    static const char *const hashes[] = {"SHA256", "SHA1"};
    uint8_t plain[32];
    uint8_t cipher[512];
    uint8_t back[512];
    unsigned works = 0;

    NEED(key);
    const tok_key_info *info = tok_key_about(key);
    EVP_PKEY *public =
        core_rsa_public(info->modulus, info->modulus_len, info->exponent, info->exponent_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(public);
    CU_ASSERT_EQUAL(core_random(plain, sizeof plain), ST_OK);
    for (core_padding p = CORE_PAD_OAEP_SHA256; p <= CORE_PAD_OAEP_SHA1; p++) {
        size_t cipher_len = sizeof cipher;
        size_t back_len = sizeof back;
        CU_ASSERT_EQUAL(core_rsa_encrypt(public, RSA_PKCS1_OAEP_PADDING, hashes[p], plain,
                                         sizeof plain, cipher, &cipher_len),
                        ST_OK);
        core_status st = tok_rsa_decrypt(key, p, cipher, cipher_len, back, &back_len, NULL);
        CU_ASSERT(st == ST_OK || st == ST_MECHANISM);
        if (st == ST_OK) {
            works++;
            CU_ASSERT(back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0);
            /* The policy's trial order finds it, too. */
            back_len = sizeof back;
            CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, NULL),
                            ST_OK);
        }
    }
    CU_ASSERT(works > 0);
    core_rsa_free(public);
    suite_destroy(key);
}

static void symmetric_round_trip(void)
{
    static const struct {
        core_algorithm algorithm;
        size_t block;
    } cases[] = {
        {CORE_ALG_AES_128, 16}, {CORE_ALG_AES_192, 16}, {CORE_ALG_AES_256, 16}, {CORE_ALG_3DES, 8}};
    static const size_t lengths[] = {0, 1, 15, 16, 17, 8192};
    static uint8_t plain[8192];
    static uint8_t cipher[8192 + 16];
    static uint8_t back[8192 + 16];
    uint8_t iv[16];

    CU_ASSERT_EQUAL(core_random(plain, sizeof plain), ST_OK);
    CU_ASSERT_EQUAL(core_random(iv, sizeof iv), ST_OK);
    for (size_t a = 0; a < sizeof cases / sizeof cases[0]; a++) {
        tok_key *key = make(cases[a].algorithm, 0, suite_name("sym"));
        NEED(key);
        CU_ASSERT_EQUAL(tok_key_about(key)->algorithm, cases[a].algorithm);
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            size_t cipher_len = sizeof cipher;
            size_t back_len = sizeof back;
            core_err err = {ST_OK, ""};
            core_status st =
                tok_encrypt(key, iv, cases[a].block, plain, lengths[l], cipher, &cipher_len, &err);
            if (st == ST_MECHANISM) {
                suite_destroy(key);
                TEST_SKIP("the token has no CBC with padding");
            }
            CU_ASSERT_EQUAL(st, ST_OK);
            CU_ASSERT_EQUAL(cipher_len, tok_encrypt_size(key, lengths[l]));
            CU_ASSERT_EQUAL(
                tok_decrypt(key, iv, cases[a].block, cipher, cipher_len, back, &back_len, &err),
                ST_OK);
            CU_ASSERT(back_len == lengths[l] && memcmp(back, plain, back_len) == 0);
            /* Into just enough room. */
            back_len = lengths[l];
            CU_ASSERT_EQUAL(
                tok_decrypt(key, iv, cases[a].block, cipher, cipher_len, back, &back_len, &err),
                ST_OK);
        }
        CU_ASSERT_EQUAL(
            tok_decrypt(key, iv, cases[a].block, cipher, 15, back, &(size_t){sizeof back}, NULL),
            ST_DECRYPT_FAILED);
        CU_ASSERT_EQUAL(tok_encrypt(key, iv, 4, plain, 16, cipher, &(size_t){sizeof cipher}, NULL),
                        ST_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(
            tok_encrypt(key, iv, cases[a].block, plain, 16, cipher, &(size_t){16}, NULL),
            ST_BUFFER_TOO_SMALL);
        suite_destroy(key);
    }
}

static void signs(void)
{
    tok_key *key = make(CORE_ALG_RSA_2048, TOK_CAN_SIGN | TOK_CAN_DECRYPT, suite_name("sign"));
    static const uint8_t data[] = "to be signed";
    uint8_t digest[32];
    uint8_t sig[512];
    size_t sig_len = sizeof sig;

    NEED(key);
    CU_ASSERT_EQUAL(core_sha256(data, sizeof data, NULL, 0, NULL, 0, digest), ST_OK);
    CU_ASSERT_EQUAL(tok_rsa_sign(key, data, sizeof data, sig, &sig_len, NULL), ST_OK);
    CU_ASSERT_EQUAL(sig_len, 256);
    CU_ASSERT_EQUAL(tok_rsa_verify(key, digest, sig, sig_len), ST_OK);
    sig[0] ^= 1;
    CU_ASSERT_EQUAL(tok_rsa_verify(key, digest, sig, sig_len), ST_SIGNATURE_INVALID);
    suite_destroy(key);

    key = make(CORE_ALG_RSA_2048, 0, suite_name("nosign"));
    sig_len = sizeof sig;
    CU_ASSERT_EQUAL(tok_rsa_sign(key, data, sizeof data, sig, &sig_len, NULL), ST_KEY_USAGE);
    suite_destroy(key);
}

enum { CMK = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP };

static void wraps_and_rewraps(void)
{
    tok_key *a = make(CORE_ALG_RSA_2048, CMK, suite_name("wrap-a"));
    tok_key *b = make(CORE_ALG_RSA_3072, CMK, suite_name("wrap-b"));
    uint8_t wrapped[512];
    uint8_t again[512];
    uint8_t plain_a[512];
    uint8_t plain_b[512];
    size_t wrapped_len = sizeof wrapped;
    size_t again_len = sizeof again;
    size_t a_len = sizeof plain_a;
    size_t b_len = sizeof plain_b;
    core_err err = {ST_OK, ""};

    NEED(a);
    NEED(b);
    core_status st = tok_wrap_new(a, 32, wrapped, &wrapped_len, &err);
    if (st == ST_MECHANISM) {
        suite_destroy(a);
        suite_destroy(b);
        TEST_SKIP("the token cannot wrap");
    }
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(wrapped_len, 256);
    st = tok_rewrap(a, b, wrapped, wrapped_len, 32, again, &again_len, &err);
    if (st == ST_MECHANISM) {
        suite_destroy(a);
        suite_destroy(b);
        TEST_SKIP("the token cannot unwrap, or tell the length of what it unwrapped");
    }
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(again_len, 384);
    CU_ASSERT_EQUAL(
        tok_rsa_decrypt(a, CORE_PAD_OAEP_SHA1, wrapped, wrapped_len, plain_a, &a_len, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_rsa_decrypt(b, CORE_PAD_OAEP_SHA1, again, again_len, plain_b, &b_len, NULL),
                    ST_OK);
    CU_ASSERT(a_len == 32 && b_len == 32 && memcmp(plain_a, plain_b, 32) == 0);

    /* Not 32 bytes inside, or not a wrapped key at all. */
    again_len = sizeof again;
    CU_ASSERT_EQUAL(tok_rewrap(a, b, wrapped, wrapped_len, 16, again, &again_len, &err),
                    ST_DECRYPT_FAILED);
    wrapped[9] ^= 1;
    again_len = sizeof again;
    CU_ASSERT_EQUAL(tok_rewrap(a, b, wrapped, wrapped_len, 32, again, &again_len, &err),
                    ST_DECRYPT_FAILED);
    suite_destroy(a);
    suite_destroy(b);
}

static void wrapping_needs_the_right(void)
{
    tok_key *key = make(CORE_ALG_RSA_2048, TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT, suite_name("nowrap"));
    uint8_t out[512];
    size_t out_len = sizeof out;

    NEED(key);
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, out, &out_len, NULL), ST_KEY_USAGE);
    suite_destroy(key);
}

static const test_case key_cases[] = {
    {"creates with the right attributes", creates_with_the_right_attributes},
    {"names clash", names_clash},
    {"refuses bad specs", refuses_bad_specs},
    {"finds nothing", finds_nothing},
    {"retires and restores", retires_and_restores},
    {"volatile keys end", volatile_keys_end},
    {NULL, NULL},
};
const test_suite suite_key = {.name = "key", .cases = key_cases, .start = start, .stop = stop};

static const test_case cipher_cases[] = {
    {"RSA round trip", rsa_round_trip},
    {"RSA agrees with OpenSSL", rsa_agrees_with_openssl},
    {"AES and 3DES round trip", symmetric_round_trip},
    {"signs", signs},
    {NULL, NULL},
};
const test_suite suite_cipher = {
    .name = "cipher", .cases = cipher_cases, .start = start, .stop = stop};

static const test_case wrap_cases[] = {
    {"wraps and rewraps", wraps_and_rewraps},
    {"wrapping needs the right", wrapping_needs_the_right},
    {NULL, NULL},
};
const test_suite suite_wrap = {.name = "wrap", .cases = wrap_cases, .start = start, .stop = stop};
