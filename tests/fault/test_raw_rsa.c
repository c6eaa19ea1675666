/* SPDX-License-Identifier: Apache-2.0
 *
 * OAEP over raw RSA (rsa_raw) on a token that lacks OAEP or some parameters of it: which strategy
 * is used with which calls, that nothing is done this way without the policy, and how failures of
 * the token are handled.
 */
#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/crypto.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

#define NO_OAEP "call=* mechanism=0x9 times=0 rv=0x70"
#define NO_RAW  "call=* mechanism=0x3 times=0 rv=0x70"
#define RAW     "rsa_raw = yes\n"

enum { SIZE = 256 };

static fault_proxy proxy;
static tok_context *ctx;
static tok_token *token;
static tok_key *key;
static EVP_PKEY *public;
static core_err err;
static const uint8_t plain[] = "a database encryption key, or so";

/* Each context determines the token's capabilities again. */
static void begin(const char *policy, const char *plan)
{
    tok_key_spec spec = {"raw", CORE_ALG_RSA_2048,
                         TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT | TOK_CAN_WRAP | TOK_CAN_UNWRAP, true,
                         false};
    const char *pin = getenv("PIN");

    err = (core_err){0};
    CU_ASSERT_EQUAL_FATAL(proxy.plan(plan), 0);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(fault_proxy_config("raw.conf", policy), &ctx, &err),
                          ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, &err), ST_OK);
    const tok_key_info *info = tok_key_info_of(key);
    public = core_rsa_public(info->modulus, info->modulus_len, info->exponent, info->exponent_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(public);
    proxy.reset();
}

static void end(void)
{
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    core_rsa_free(public);
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

static void seal(const char *hash, uint8_t out[SIZE])
{
    size_t length = SIZE;
    CU_ASSERT_EQUAL(
        core_rsa_encrypt(public, RSA_PKCS1_OAEP_PADDING, hash, plain, sizeof plain, out, &length),
        ST_OK);
}

/* ST_FAILURE for a wrong plaintext, and for a failure that leaves output. */
static core_status open_with(core_padding padding, const uint8_t *in)
{
    uint8_t out[SIZE] = {0}, any = 0;
    size_t length = sizeof out;

    err = (core_err){0};
    core_status st = tok_rsa_decrypt(key, padding, in, SIZE, out, &length, &err);
    if (st == ST_OK)
        return length == sizeof plain && memcmp(out, plain, length) == 0 ? st : ST_FAILURE;
    for (size_t i = 0; i < sizeof out; i++)
        any |= out[i];
    return any == 0 && length == 0 ? st : ST_FAILURE;
}

static core_status round_trip(core_padding *padding)
{
    uint8_t sealed[SIZE], out[SIZE];
    size_t sealed_len = sizeof sealed, length = sizeof out;

    err = (core_err){0};
    core_status st = tok_encrypt(key, NULL, 0, plain, sizeof plain, sealed, &sealed_len, &err);
    if (st == ST_OK)
        st = tok_decrypt(key, NULL, 0, sealed, sealed_len, out, &length, &err);
    if (st == ST_OK && (length != sizeof plain || memcmp(out, plain, length) != 0))
        st = ST_FAILURE;
    if (st == ST_OK)
        *padding = open_with(CORE_PAD_OAEP_SHA256, sealed) == ST_OK ? CORE_PAD_OAEP_SHA256
                                                                    : CORE_PAD_OAEP_SHA1;
    return st;
}

static void no_policy_nothing_raw(void)
{
    uint8_t sealed[SIZE], out[SIZE];
    core_padding padding;

    begin("", NO_OAEP);
    for (core_padding p = CORE_PAD_OAEP_SHA256; p <= CORE_PAD_OAEP_SHA1; p++) {
        seal(p == CORE_PAD_OAEP_SHA256 ? "SHA256" : "SHA1", sealed);
        CU_ASSERT_EQUAL(open_with(p, sealed), ST_MECHANISM);
        CU_ASSERT_PTR_NOT_NULL(
            strstr(err.text, p == CORE_PAD_OAEP_SHA256 ? "oaep-sha256" : "oaep-sha1"));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKR_MECHANISM_INVALID"));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "rsa_raw = yes"));
        size_t length = sizeof out;
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, sealed, SIZE, out, &length, &err), ST_MECHANISM);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "rsa_raw = yes"));
    }
    CU_ASSERT_EQUAL(round_trip(&padding), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_RSA_PKCS_OAEP"));
    CU_ASSERT_PTR_NULL(strstr(proxy.log(), "mechanism=0x3 "));
    end();
}

/* Nothing is encrypted that the token could not decrypt, though software could encrypt it. */
static void undecryptable_padding_not_encrypted(void)
{
    uint8_t sealed[SIZE];
    size_t length = sizeof sealed;

    begin("public_ops = software\n", NO_OAEP);
    CU_ASSERT_EQUAL(tok_encrypt(key, NULL, 0, plain, sizeof plain, sealed, &length, &err),
                    ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "oaep-sha256"));
    length = sizeof sealed;
    CU_ASSERT_EQUAL(
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, plain, sizeof plain, sealed, &length, &err),
        ST_MECHANISM);
    end();
}

static void missing_oaep_done_over_raw_rsa(void)
{
    uint8_t sealed[SIZE];
    core_padding padding = CORE_PAD_PKCS1;

    begin(RAW, NO_OAEP);
    CU_ASSERT_EQUAL(round_trip(&padding), ST_OK);
    CU_ASSERT_EQUAL(padding, CORE_PAD_OAEP_SHA256);
    for (core_padding p = CORE_PAD_OAEP_SHA256; p <= CORE_PAD_OAEP_SHA1; p++) {
        seal(p == CORE_PAD_OAEP_SHA256 ? "SHA256" : "SHA1", sealed);
        CU_ASSERT_EQUAL(open_with(p, sealed), ST_OK);
        /* From then on, two calls; the missing mechanism is not tried again. */
        proxy.reset();
        CU_ASSERT_EQUAL(open_with(p, sealed), ST_OK);
        CU_ASSERT_EQUAL(proxy.get(NULL), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(proxy.log(), "C_DecryptInit"));
        CU_ASSERT_PTR_NOT_NULL(strstr(proxy.log(), "mechanism=0x3 "));
    }
    end();
}

/* The first operation of a process may be a decryption. */
static void first_decryption_falls_back(void)
{
    uint8_t sealed[SIZE];

    begin(RAW, NO_OAEP);
    seal("SHA1", sealed);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_OK);
    /* Refused once, then raw: in one session, without a known-answer test. */
    CU_ASSERT_EQUAL(proxy.get("C_DecryptInit"), 2);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_CloseSession"), 0);
    end();
}

/* SoftHSM itself has OAEP with SHA-1 only, and what it supports it does itself. */
static void supported_oaep_done_by_token(void)
{
    uint8_t sealed[SIZE];
    core_padding padding = CORE_PAD_PKCS1;

    begin(RAW, "");
    CU_ASSERT_EQUAL(round_trip(&padding), ST_OK);
    CU_ASSERT_EQUAL(padding, CORE_PAD_OAEP_SHA256);
    seal("SHA1", sealed);
    proxy.reset();
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(proxy.log(), "mechanism=0x9 "));
    CU_ASSERT_PTR_NULL(strstr(proxy.log(), "mechanism=0x3 "));
    end();

    begin("", ""); /* and without the policy, SHA-1 */
    CU_ASSERT_EQUAL(round_trip(&padding), ST_OK);
    CU_ASSERT_EQUAL(padding, CORE_PAD_OAEP_SHA1);
    end();
}

static void missing_raw_rsa_refused(void)
{
    uint8_t sealed[SIZE];
    core_padding padding = CORE_PAD_PKCS1;

    begin(RAW, NO_OAEP ";" NO_RAW);
    seal("SHA256", sealed);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA256, sealed), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_RSA_X_509"));
    CU_ASSERT_EQUAL(round_trip(&padding), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_RSA_X_509"));
    end();

    begin(RAW, NO_RAW); /* the weaker OAEP is left */
    CU_ASSERT_EQUAL(round_trip(&padding), ST_OK);
    CU_ASSERT_EQUAL(padding, CORE_PAD_OAEP_SHA1);
    end();
}

/* The key may be forbidden what the token can do: that is the key's refusal. */
static void forbidden_key_use_refused(void)
{
    uint8_t sealed[SIZE];

    begin(RAW, NO_OAEP ";call=C_DecryptInit mechanism=0x3 times=0 rv=0x68");
    seal("SHA1", sealed);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_KEY_USAGE);
    CU_ASSERT_EQUAL(proxy.plan(NO_OAEP), 0);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_OK);
    end();
}

/* Encrypts the block as it is with the public key. */
static void raw_seal(const uint8_t block[SIZE], uint8_t out[SIZE])
{
    const tok_key_info *info = tok_key_info_of(key);
    BN_CTX *bn = BN_CTX_new();
    BIGNUM *m = BN_bin2bn(block, SIZE, NULL);
    BIGNUM *n = BN_bin2bn(info->modulus, (int)info->modulus_len, NULL);
    BIGNUM *e = BN_bin2bn(info->exponent, (int)info->exponent_len, NULL);

    CU_ASSERT_EQUAL_FATAL(BN_mod_exp(m, m, e, n, bn), 1);
    CU_ASSERT_EQUAL_FATAL(BN_bn2binpad(m, out, SIZE), SIZE);
    BN_free(m);
    BN_free(n);
    BN_free(e);
    BN_CTX_free(bn);
}

/* A first byte of 0 or not (Manger's attack), zeros only, any ciphertext: one status, one text, and
 * the same calls. */
static void bad_blocks_indistinguishable(void)
{
    static const uint8_t first[] = {0, 1, 0x7f};
    char text[sizeof err.text], calls[4][4096] = {""};
    uint8_t block[SIZE], sealed[SIZE];

    begin(RAW, NO_OAEP);
    seal("SHA256", sealed);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA256, sealed), ST_OK);
    for (size_t i = 0; i < 4; i++) {
        memset(block, i < 3 ? 0x42 : 0, sizeof block);
        block[0] = i < 3 ? first[i] : 0;
        block[SIZE - 1] = 2;
        raw_seal(block, sealed);
        proxy.reset();
        CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA256, sealed), ST_DECRYPT_FAILED);
        if (i == 0)
            memcpy(text, err.text, sizeof text);
        CU_ASSERT_STRING_EQUAL(err.text, text);
        (void)snprintf(calls[i], sizeof calls[i], "%lu %lu %lu", proxy.get("C_DecryptInit"),
                       proxy.get("C_Decrypt"), proxy.get("C_CloseSession"));
        CU_ASSERT_STRING_EQUAL(calls[i], calls[0]);
    }
    end();
}

/* The failures of C_Decrypt and their status; the key stays usable. */
static void decrypt_failure_has_status(void)
{
    static const struct {
        const char *plan;
        core_status status;
    } faults[] = {
        {"call=C_Decrypt rv=0x40 times=9", ST_DECRYPT_FAILED}, /* ENCRYPTED_DATA_INVALID */
        {"call=C_Decrypt rv=0x5 times=9", ST_DECRYPT_FAILED},  /* GENERAL_ERROR */
        {"call=C_Decrypt rv=0x50 times=9", ST_DECRYPT_FAILED}, /* FUNCTION_CANCELED */
        {"call=C_Decrypt rv=0x40", ST_OK},                     /* a single failure is retried */
        {"call=C_Decrypt rv=0x5", ST_OK},
        {"call=C_Decrypt rv=0x150 times=9", ST_DEVICE}, /* the buffer was large enough */
        {"call=C_Decrypt length=257 times=9", ST_DEVICE},
        {"call=C_Decrypt length=100000 times=9", ST_DEVICE},
        {"call=C_Decrypt length=1 times=9", ST_DECRYPT_FAILED},
        {"call=C_Decrypt length=255 times=9", ST_DECRYPT_FAILED},
        {"call=C_Decrypt rv=0xb3", ST_OK}, /* SESSION_HANDLE_INVALID: another session is used */
    };
    char plan[256];
    uint8_t sealed[SIZE];

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        begin(RAW, NO_OAEP);
        seal("SHA256", sealed);
        CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA256, sealed), ST_OK);
        (void)snprintf(plan, sizeof plan, NO_OAEP ";%s", faults[i].plan);
        CU_ASSERT_EQUAL(proxy.plan(plan), 0);
        core_status st = open_with(CORE_PAD_OAEP_SHA256, sealed);
        CU_ASSERT_EQUAL(st, faults[i].status);
        if (st != faults[i].status)
            printf("\n%s: %s: %s\n", faults[i].plan, core_status_name(st), err.text);
        CU_ASSERT_PTR_NULL(strstr(st == ST_DECRYPT_FAILED ? err.text : "", "CKR"));
        CU_ASSERT_EQUAL(proxy.plan(NO_OAEP), 0);
        CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA256, sealed), ST_OK);
        end();
    }
}

/* The token accepts the mechanism but fails on every input: a known-answer test shows that once. */
static void accepted_mechanism_that_fails_detected(void)
{
    uint8_t sealed[SIZE];

    begin(RAW, "call=C_Decrypt times=2 rv=0x40");
    seal("SHA1", sealed);
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_OK);
    /* The data and a known answer fail; then a known answer and the data are decrypted raw. */
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 4);
    proxy.reset();
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 1);
    end();

    /* Invalid data on a good token: a known-answer test the first time, and a second try
     * each time. */
    begin(RAW, "");
    seal("SHA1", sealed);
    sealed[9] ^= 1;
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 3);
    proxy.reset();
    CU_ASSERT_EQUAL(open_with(CORE_PAD_OAEP_SHA1, sealed), ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 2);
    end();
}

static void wrapping_stays_in_token(void)
{
    uint8_t wrapped[SIZE], again[SIZE];
    size_t length = sizeof wrapped, again_len = sizeof again;

    begin(RAW, NO_OAEP);
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, wrapped, &length, &err), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_RSA_PKCS_OAEP"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "C_WrapKey"));
    seal("SHA1", wrapped);
    CU_ASSERT_EQUAL(tok_rewrap(key, key, wrapped, SIZE, 32, again, &again_len, &err), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "C_UnwrapKey"));
    CU_ASSERT_EQUAL(proxy.get("C_WrapKey"), 0);
    CU_ASSERT_EQUAL(proxy.get("C_UnwrapKey"), 0);
    end();
}

/* A group of two tokens that hold the key "shared"; the second lacks OAEP. Before software encrypts
 * anything, both are asked whether they can decrypt it. */
static core_status group_encrypts(const char *policy, const char *plan)
{
    char lines[512];
    uint8_t sealed[SIZE], out[SIZE];
    size_t length = sizeof sealed, out_len = sizeof out;
    const char *pin = getenv("PIN");

    err = (core_err){0};
    (void)snprintf(lines, sizeof lines,
                   "public_ops = software\n%s[token zero]\ntoken = %s\n[token one]\ntoken = %s\n"
                   "[token ha]\nmembers = zero, one\n",
                   policy, getenv("TOKEN"), getenv("TOKEN_1"));
    /* The alias "main" that follows is not used. */
    CU_ASSERT_EQUAL_FATAL(tok_context_open(fault_proxy_config("raw-group.conf", lines), &ctx, &err),
                          ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "ha", &token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(token, "shared", &key, &err), ST_OK);
    proxy.reset();
    CU_ASSERT_EQUAL_FATAL(proxy.plan(plan), 0);
    core_status st =
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, plain, sizeof plain, sealed, &length, &err);
    if (st == ST_OK) {
        st = tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, sealed, length, out, &out_len, &err);
        CU_ASSERT(out_len == sizeof plain && memcmp(out, plain, out_len) == 0);
    }
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    return st;
}

static void group_encrypts_what_all_members_decrypt(void)
{
    static const char second_refuses[] = "call=C_DecryptInit mechanism=0x9 nth=2 rv=0x70";

    CU_ASSERT_EQUAL(group_encrypts("", ""), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_DecryptInit"), 3); /* two known-answer tests, one decryption */
    CU_ASSERT_EQUAL(group_encrypts("", second_refuses), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "oaep-sha1"));
    CU_ASSERT_EQUAL(group_encrypts(RAW, second_refuses), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(proxy.log(), "mechanism=0x3 "));
}

static const test_case group_cases[] = {
    {"group_encrypts_what_all_members_decrypt", group_encrypts_what_all_members_decrypt},
    {NULL, NULL},
};

static const test_case cases[] = {
    {"no_policy_nothing_raw", no_policy_nothing_raw},
    {"undecryptable_padding_not_encrypted", undecryptable_padding_not_encrypted},
    {"missing_oaep_done_over_raw_rsa", missing_oaep_done_over_raw_rsa},
    {"first_decryption_falls_back", first_decryption_falls_back},
    {"supported_oaep_done_by_token", supported_oaep_done_by_token},
    {"missing_raw_rsa_refused", missing_raw_rsa_refused},
    {"forbidden_key_use_refused", forbidden_key_use_refused},
    {"bad_blocks_indistinguishable", bad_blocks_indistinguishable},
    {"decrypt_failure_has_status", decrypt_failure_has_status},
    {"accepted_mechanism_that_fails_detected", accepted_mechanism_that_fails_detected},
    {"wrapping_stays_in_token", wrapping_stays_in_token},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {.name = "raw_rsa", .cases = cases};
    static const test_suite group = {.name = "raw_rsa_group", .cases = group_cases};
    const test_suite *const suites[] = {getenv("TOKEN_1") != NULL ? &group : &suite};

    if (getenv("TOKEN") == NULL || getenv("PIN") == NULL || !fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
