/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that need the PIN for each use (CKA_ALWAYS_AUTHENTICATE), on a token that enforces it: a
 * context-specific login with the cached PIN precedes each operation; without a cached PIN the
 * operation is refused with an error that names the cause.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/tokens/raw.h"

static fault_proxy proxy;
static tok_context *ctx;
static tok_token *token;
static tok_key *key;
static const uint8_t plain[] = "a database encryption key, or so";

/* A key pair as an administrator may make it; our own keys never have this attribute. */
static bool make_pair(void)
{
    raw_token raw;
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 2048;
    CK_BYTE exponent[] = {1, 0, 1};
    char label[] = "always";
    CK_BYTE id[] = {0xa1};
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof yes},
                             {CKA_LABEL, label, sizeof label - 1},
                             {CKA_ID, id, sizeof id},
                             {CKA_MODULUS_BITS, &bits, sizeof bits},
                             {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
                             {CKA_ENCRYPT, &yes, sizeof yes},
                             {CKA_VERIFY, &yes, sizeof yes}};
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, sizeof yes},     {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_LABEL, label, sizeof label - 1},
        {CKA_ID, id, sizeof id},           {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_SIGN, &yes, sizeof yes},      {CKA_ALWAYS_AUTHENTICATE, &yes, sizeof yes}};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE made[2];

    if (!raw_open(&raw))
        return false;
    CK_RV rv = raw.f->C_GenerateKeyPair(raw.session, &mechanism, public, 7, private, 8, &made[0],
                                        &made[1]);
    raw_close(&raw, true);
    return rv == CKR_OK;
}

static core_status begin(const char *more)
{
    const char *pin = getenv("PIN");
    core_err err = {0};
    core_status st = tok_context_open(fault_proxy_config("always.conf", more), &ctx, &err);

    if (st == ST_OK)
        st = tok_token_find(ctx, "main", &token, &err);
    if (st == ST_OK)
        st = tok_token_login(token, pin, strlen(pin), &err);
    if (st == ST_OK)
        st = tok_key_by_name(token, "always", &key, &err);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    return st;
}

static void end(void)
{
    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
}

static void each_use_logs_in(void)
{
    uint8_t cipher[256], back[256], signature[256];
    size_t cipher_len = sizeof cipher;

    CU_ASSERT_EQUAL_FATAL(begin(""), ST_OK);
    CU_ASSERT_EQUAL(
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, plain, sizeof plain, cipher, &cipher_len, NULL),
        ST_OK);
    proxy.reset();
    for (unsigned i = 1; i <= 3; i++) {
        size_t back_len = sizeof back, signature_len = sizeof signature;
        CU_ASSERT_EQUAL(
            tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, cipher, cipher_len, back, &back_len, NULL),
            ST_OK);
        CU_ASSERT(back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0);
        CU_ASSERT_EQUAL(proxy.get("C_Login"), 2 * i - 1);
        CU_ASSERT_EQUAL(tok_rsa_sign(key, plain, sizeof plain, signature, &signature_len, NULL),
                        ST_OK);
        CU_ASSERT_EQUAL(proxy.get("C_Login"), 2 * i);
    }
    CU_ASSERT_EQUAL(proxy.violations(), 0);
    end();
}

static void no_cached_pin_refused(void)
{
    uint8_t cipher[256], back[256];
    size_t cipher_len = sizeof cipher, back_len = sizeof back;
    core_err err = {0};

    CU_ASSERT_EQUAL_FATAL(begin("relogin = no\n"), ST_OK);
    /* Nothing is encrypted for a key whose decryption cannot be tested. */
    CU_ASSERT_EQUAL(
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, plain, sizeof plain, cipher, &cipher_len, NULL),
        ST_POLICY);
    cipher_len = sizeof cipher;
    memset(cipher, 1, sizeof cipher);
    CU_ASSERT_EQUAL(
        tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, cipher, cipher_len, back, &back_len, &err),
        ST_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKA_ALWAYS_AUTHENTICATE"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "relogin = yes"));
    CU_ASSERT_EQUAL(back_len, 0);
    end();
}

/* The PIN was changed on the token, and the token reports that with its own code. */
static void stale_pin_limited(void)
{
    uint8_t cipher[256], back[256];
    size_t cipher_len = sizeof cipher;
    core_err err = {0};
    core_status st = ST_OK;

    CU_ASSERT_EQUAL_FATAL(begin("pin_tries = 3\n"), ST_OK);
    CU_ASSERT_EQUAL(
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, plain, sizeof plain, cipher, &cipher_len, NULL),
        ST_OK);
    proxy.reset();
    CU_ASSERT_EQUAL(proxy.plan("call=C_Login rv=0x80000005 times=0"), 0);
    for (unsigned i = 0; i < 10; i++) {
        size_t back_len = sizeof back;
        st = tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, cipher, cipher_len, back, &back_len, &err);
        CU_ASSERT_NOT_EQUAL(st, ST_OK);
    }
    CU_ASSERT_EQUAL(st, ST_PIN_RATIONED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 3);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    end();
}

static int start(void)
{
    return make_pair() ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {{"each_use_logs_in", each_use_logs_in},
                                      {"no_cached_pin_refused", no_cached_pin_refused},
                                      {"stale_pin_limited", stale_pin_limited},
                                      {NULL, NULL}};
    static const test_suite suite = {.name = "always authenticate", .cases = cases, .start = start};
    static const test_suite *const suites[] = {&suite};

    if (getenv("MODULE") == NULL || !fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
