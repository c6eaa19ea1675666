/* SPDX-License-Identifier: Apache-2.0
 *
 * Ciphers, signatures and wrapping by the token, checked with OpenSSL.
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
    return suite_open(suite_config("cipher.conf", ""), &ctx, &token) ? 0 : 1;
}

static int stop(void)
{
    suite_close(ctx, token);
    return 0;
}

static void rsa_round_trip(void)
{
    static const core_algorithm sizes[] = {CORE_ALG_RSA_2048, CORE_ALG_RSA_3072};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tok_key *key = suite_make(token, sizes[i], 0, suite_name("rsa"));
        uint8_t plain[48];
        uint8_t cipher[1024];
        uint8_t back[1024];
        size_t cipher_len = sizeof cipher;
        size_t back_len = sizeof back;
        core_err err = {0};

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

        /* A buffer smaller than the upper bound but large enough for the result; then one too small
         * for the result. */
        back_len = sizeof plain;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
        back_len = sizeof plain - 1;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err),
                        ST_BUFFER_TOO_SMALL);
        CU_ASSERT_EQUAL(back_len, sizeof plain);

        /* A changed ciphertext: one status, no detail, and the key stays usable. */
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
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, 0, suite_name("proxy"));
    static const char *const hashes[] = {"SHA256", "SHA1"};
    uint8_t plain[32];
    uint8_t cipher[512];
    uint8_t back[512];
    unsigned works = 0;

    NEED(key);
    const tok_key_info *info = tok_key_info_of(key);
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
            /* The policy's order of paddings finds it, too. */
            back_len = sizeof back;
            CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, NULL),
                            ST_OK);
        }
    }
    CU_ASSERT(works > 0);
    core_rsa_free(public);
    suite_destroy(key);
}

/* false: the token has no CBC with padding. */
static bool cbc_round_trip(tok_key *key, size_t block)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 8192};
    static uint8_t plain[8192], cipher[8192 + 16], back[8192 + 16];
    uint8_t iv[16];

    CU_ASSERT_EQUAL(core_random(plain, sizeof plain), ST_OK);
    CU_ASSERT_EQUAL(core_random(iv, sizeof iv), ST_OK);
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        size_t cipher_len = sizeof cipher;
        size_t back_len = sizeof back;
        core_err err = {0};
        core_status st = tok_encrypt(key, iv, block, plain, lengths[l], cipher, &cipher_len, &err);
        if (st == ST_MECHANISM)
            return false;
        CU_ASSERT_EQUAL(st, ST_OK);
        CU_ASSERT_EQUAL(cipher_len, tok_encrypt_size(key, lengths[l]));
        CU_ASSERT_EQUAL(tok_decrypt(key, iv, block, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
        CU_ASSERT(back_len == lengths[l] && memcmp(back, plain, back_len) == 0);
        /* A buffer of exactly the needed size. */
        back_len = lengths[l];
        CU_ASSERT_EQUAL(tok_decrypt(key, iv, block, cipher, cipher_len, back, &back_len, &err),
                        ST_OK);
    }
    CU_ASSERT_EQUAL(tok_decrypt(key, iv, block, cipher, 15, back, &(size_t){sizeof back}, NULL),
                    ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 4, plain, 16, cipher, &(size_t){sizeof cipher}, NULL),
                    ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, block, plain, 16, cipher, &(size_t){16}, NULL),
                    ST_BUFFER_TOO_SMALL);
    return true;
}

static void symmetric_round_trip(void)
{
    static const struct {
        core_algorithm algorithm;
        size_t block;
    } cases[] = {
        {CORE_ALG_AES_128, 16}, {CORE_ALG_AES_192, 16}, {CORE_ALG_AES_256, 16}, {CORE_ALG_3DES, 8}};
    tok_key *key = NULL;

    for (size_t a = 0; a < sizeof cases / sizeof cases[0]; a++) {
        key = suite_make(token, cases[a].algorithm, 0, suite_name("sym"));
        /* If the token cannot make a key, its own tool may have made one (setup-tpm2.sh). */
        if (key == NULL && tok_key_by_name(token, "aes", &key, NULL) == ST_OK) {
            CU_ASSERT(cbc_round_trip(key, 16));
            tok_key_release(key);
            return;
        }
        NEED(key);
        CU_ASSERT_EQUAL(tok_key_info_of(key)->algorithm, cases[a].algorithm);
        bool done = cbc_round_trip(key, cases[a].block);
        suite_destroy(key);
        if (!done)
            TEST_SKIP("the token has no CBC with padding");
    }
}

static void signs(void)
{
    tok_key *key =
        suite_make(token, CORE_ALG_RSA_2048, TOK_CAN_SIGN | TOK_CAN_DECRYPT, suite_name("sign"));
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
}

static void signing_needs_the_right(void)
{
    static const uint8_t data[] = "not to be signed";
    uint8_t sig[512];
    size_t sig_len = sizeof sig;

    if (suite_limit("dual-use"))
        TEST_SKIP("all RSA keys of this token sign and decrypt");
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, 0, suite_name("nosign"));
    NEED(key);
    CU_ASSERT_EQUAL(tok_rsa_sign(key, data, sizeof data, sig, &sig_len, NULL), ST_KEY_USAGE);
    suite_destroy(key);
}

static void wraps_and_rewraps(void)
{
    tok_key *a = suite_make(token, CORE_ALG_RSA_2048, SUITE_CMK, suite_name("wrap-a"));
    tok_key *b = suite_make(token, CORE_ALG_RSA_3072, SUITE_CMK, suite_name("wrap-b"));
    uint8_t wrapped[512];
    uint8_t again[512];
    uint8_t plain_a[512];
    uint8_t plain_b[512];
    size_t wrapped_len = sizeof wrapped;
    size_t again_len = sizeof again;
    size_t a_len = sizeof plain_a;
    size_t b_len = sizeof plain_b;
    core_err err = {0};

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

    /* The wrapped key does not have 32 bytes, or is none at all. */
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
    uint8_t out[512];
    size_t out_len = sizeof out;

    if (suite_limit("dual-use"))
        TEST_SKIP("a key of this token's that may not wrap cannot be asked for");
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT,
                              suite_name("nowrap"));
    NEED(key);
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, out, &out_len, NULL), ST_KEY_USAGE);
    suite_destroy(key);
}

static const test_case cipher_cases[] = {
    {"RSA round trip", rsa_round_trip},
    {"RSA agrees with OpenSSL", rsa_agrees_with_openssl},
    {"AES and 3DES round trip", symmetric_round_trip},
    {"signs", signs},
    {"signing needs the right", signing_needs_the_right},
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
