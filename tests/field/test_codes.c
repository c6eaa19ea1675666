/* SPDX-License-Identifier: Apache-2.0
 *
 * A sender of bad ciphertexts must not be able to take a token down: whatever code C_Decrypt
 * returns, it is a data error while the device answers. And a device that fails once must not keep
 * a database closed: a decryption is retried once. On the memory token, and with TOKEN_1 in the
 * environment on a group of two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/keys/keys_private.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/rv_list.h"

enum { SIZE = 512 };
#define USES (TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP)

static fault_proxy proxy;
static tok_context *ctx;
static tok_token *token;
static tok_key *rsa, *aes;
static core_err err;
static uint8_t rsa_cipher[SIZE], cell[SIZE];
static size_t rsa_cipher_len, cell_len;
static const uint8_t iv[16] = {1}, plain[] = "a database encryption key, or so";

/* On a group, where the test makes no keys, the key that both tokens have. */
static bool grouped(void)
{
    return getenv("TOKEN_1") != NULL;
}

static tok_key *make(const char *name, core_algorithm algorithm)
{
    const tok_key_spec spec = {name, algorithm, algorithm == CORE_ALG_RSA_2048 ? USES : 0, true,
                               false};
    tok_key *key = NULL;
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, &err), ST_OK);
    return key;
}

static void begin(const char *policy)
{
    char text[2048];
    const char *pin = getenv("PIN");

    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = none\naudit = none\n"
                          "session_wait_ms = 2000\nstartup_tries = 1\nrsa_padding = oaep-sha1\n%s"
                          "[token zero]\ntoken = %s\n",
                          getenv("MODULE"), policy, getenv("TOKEN"));
    if (grouped())
        (void)snprintf(text + length, sizeof text - (size_t)length,
                       "[token one]\ntoken = %s\n[token ha]\nmembers = zero, one\n",
                       getenv("TOKEN_1"));
    const char *path = testing_file("codes.conf", text, strlen(text), 0600);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(path, &ctx, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, grouped() ? "ha" : "zero", &token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, pin, strlen(pin), &err), ST_OK);
    if (grouped()) {
        CU_ASSERT_EQUAL_FATAL(tok_key_by_name(token, "shared", &rsa, &err), ST_OK);
    } else {
        rsa = make("codes-rsa", CORE_ALG_RSA_2048);
        aes = make("codes-aes", CORE_ALG_AES_256);
        cell_len = sizeof cell;
        CU_ASSERT_EQUAL_FATAL(
            tok_encrypt(aes, iv, sizeof iv, plain, sizeof plain, cell, &cell_len, &err), ST_OK);
    }
    rsa_cipher_len = sizeof rsa_cipher;
    CU_ASSERT_EQUAL_FATAL(
        tok_encrypt(rsa, NULL, 0, plain, sizeof plain, rsa_cipher, &rsa_cipher_len, &err), ST_OK);
    proxy.reset();
}

static void end(void)
{
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    if (!grouped()) {
        CU_ASSERT_EQUAL(tok_key_destroy(rsa, NULL), ST_OK);
        CU_ASSERT_EQUAL(tok_key_destroy(aes, NULL), ST_OK);
        tok_key_release(aes);
    }
    tok_key_release(rsa);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

static core_status open_rsa(void)
{
    uint8_t out[SIZE];
    size_t length = sizeof out;
    err = (core_err){0};
    core_status st = tok_decrypt(rsa, NULL, 0, rsa_cipher, rsa_cipher_len, out, &length, &err);
    return st == ST_OK && (length != sizeof plain || memcmp(out, plain, length) != 0) ? ST_FAILURE
                                                                                      : st;
}

static core_status open_aes(void)
{
    uint8_t out[SIZE];
    size_t length = sizeof out;
    err = (core_err){0};
    core_status st = tok_decrypt(aes, iv, sizeof iv, cell, cell_len, out, &length, &err);
    return st == ST_OK && (length != sizeof plain || memcmp(out, plain, length) != 0) ? ST_FAILURE
                                                                                      : st;
}

static core_status rewrap(void)
{
    uint8_t out[SIZE];
    size_t length = sizeof out;
    err = (core_err){0};
    return tok_rewrap(rsa, rsa, rsa_cipher, rsa_cipher_len, 32, out, &length, &err);
}

/* Codes that by definition concern a device, a session, a login or a buffer. */
static bool is_not_of_data(unsigned long rv)
{
    const core_status st = tok_rv_status(rv, TOK_CALL_DATA);
    return st != ST_DECRYPT_FAILED;
}

static bool all_serve(void)
{
    tok_member_info members[CORE_GROUP_MOST];
    const size_t count = tok_token_members(token, members);
    for (size_t i = 0; i < count; i++)
        if (!members[i].serves)
            return false;
    return count == (grouped() ? 2 : 0);
}

/* Checks the status, the number of calls and the state of the token. */
static void answer_to(const char *call, unsigned long rv, core_status (*use)(void))
{
    static char text[sizeof err.text];
    char plan[100];

    (void)snprintf(plan, sizeof plan, "call=%s times=0 rv=0x%lx", call, rv);
    proxy.reset();
    CU_ASSERT_EQUAL(proxy.plan(plan), 0);
    CU_ASSERT_EQUAL(use(), ST_DECRYPT_FAILED);
    if (text[0] == '\0')
        memcpy(text, err.text, sizeof text);
    CU_ASSERT_STRING_EQUAL(err.text, text); /* the same text for all */
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    /* After some codes CBC is retried with software padding. */
    CU_ASSERT_TRUE(proxy.get(call) == 2 || (use == open_aes && proxy.get(call) == 3));
    CU_ASSERT_EQUAL(proxy.get("C_Initialize") + proxy.get("C_Finalize") + proxy.get("C_Login"), 0);
    CU_ASSERT_TRUE(all_serve());
}

static void bad_ciphertext_with_any_code_loses_no_token(void)
{
    unsigned tried = 0;

    begin("rsa_unwrap = oaep-sha1\n");
    for (size_t i = 0; i < sizeof rv_list / sizeof rv_list[0]; i++) {
        if (is_not_of_data(rv_list[i].value))
            continue;
        tried++;
        answer_to("C_Decrypt", rv_list[i].value, open_rsa);
        if (!grouped())
            answer_to("C_Decrypt", rv_list[i].value, open_aes);
    }
    CU_ASSERT_TRUE(tried > 50);
    answer_to("C_Decrypt", 0x80000123UL, open_rsa);
    answer_to("C_Decrypt", 0x7777UL, open_rsa);
    CU_ASSERT_EQUAL(open_rsa(), ST_OK);
    end();
}

static void bad_wrapped_key_with_vendor_code_loses_no_token(void)
{
    begin("rsa_unwrap = oaep-sha1\n");
    answer_to("C_UnwrapKey", 0x80000123UL, rewrap);
    answer_to("C_UnwrapKey", CKR_DEVICE_ERROR, rewrap);
    end();
}

/* One failure is the device's. */
static void single_failure_is_retried(void)
{
    static const unsigned long codes[] = {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_ERROR,
                                          CKR_DEVICE_MEMORY, 0x80000123UL};
    char plan[100];

    begin("rsa_unwrap = oaep-sha1\n");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        (void)snprintf(plan, sizeof plan, "call=C_Decrypt rv=0x%lx", codes[i]);
        proxy.reset();
        CU_ASSERT_EQUAL(proxy.plan(plan), 0);
        CU_ASSERT_EQUAL(open_rsa(), ST_OK);
        CU_ASSERT_EQUAL(proxy.get("C_Initialize") + proxy.get("C_Finalize"), 0);
    }
    end();
}

/* A device that does not answer is lost, and recovers. */
static void silent_device_is_lost(void)
{
    begin("rsa_unwrap = oaep-sha1\n");
    CU_ASSERT_EQUAL(proxy.plan("call=C_Decrypt rv=0x30;call=C_GetSessionInfo rv=0x30"), 0);
    CU_ASSERT_EQUAL(open_rsa(), ST_OK);
    CU_ASSERT_EQUAL(proxy.plan("call=* times=0 rv=0x30"), 0);
    CU_ASSERT_EQUAL(core_status_class(open_rsa()), CORE_CLASS_DEVICE);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    for (unsigned i = 0; i < 50 && open_rsa() != ST_OK; i++)
        core_sleep_ms(100);
    CU_ASSERT_EQUAL(open_rsa(), ST_OK);
    end();
}

/* Success and failure of PKCS#1 v1.5 take the same calls. */
static void pkcs1_is_tried_once(void)
{
    begin("rsa_unwrap = oaep-sha1, pkcs1\n");
    CU_ASSERT_EQUAL(tok_rsa_encrypt(rsa, CORE_PAD_PKCS1, plain, sizeof plain, rsa_cipher,
                                    &rsa_cipher_len, &err),
                    ST_OK);
    CU_ASSERT_EQUAL(open_rsa(), ST_OK);
    proxy.reset();
    CU_ASSERT_EQUAL(open_rsa(), ST_OK);
    const unsigned long tries = proxy.get("C_Decrypt"), calls = proxy.get(NULL);
    rsa_cipher[rsa_cipher_len - 1] ^= 1;
    proxy.reset();
    CU_ASSERT_EQUAL(open_rsa(), ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), tries);
    CU_ASSERT_EQUAL(proxy.get(NULL), calls);
    end();
}

/* A vendor-defined code for the data of an encryption is not a device failure either. */
static void refused_plaintext_loses_no_token(void)
{
    uint8_t out[SIZE];
    size_t length = sizeof out;

    begin("");
    CU_ASSERT_EQUAL(proxy.plan("call=C_Encrypt times=0 rv=0x80000123"), 0);
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, sizeof iv, plain, sizeof plain, out, &length, &err),
                    ST_FAILURE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "0x80000123"));
    CU_ASSERT_EQUAL(proxy.get("C_Initialize") + proxy.get("C_Finalize"), 0);
    end();
}

static void impossible_lengths_are_refused(void)
{
    static const char *const plans[] = {"call=C_WrapKey length=3", "call=C_Sign length=3",
                                        "call=C_Encrypt length=3", "call=C_WrapKey length=300"};
    uint8_t out[SIZE];

    begin("");
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        char plan[100];
        size_t length = sizeof out;
        core_status st;
        (void)snprintf(plan, sizeof plan, "%s times=0", plans[i]);
        CU_ASSERT_EQUAL(proxy.plan(plan), 0);
        if (i == 1)
            st = tok_rsa_sign(rsa, plain, sizeof plain, out, &length, &err);
        else if (i == 2)
            st = tok_encrypt(aes, iv, sizeof iv, plain, sizeof plain, out, &length, &err);
        else
            st = tok_wrap_new(rsa, 32, out, &length, &err);
        CU_ASSERT_NOT_EQUAL(st, ST_OK);
        CU_ASSERT_EQUAL(length, 0);
        CU_ASSERT_EQUAL(proxy.plan(""), 0);
    }
    end();
}

int main(int argc, char **argv)
{
    static const test_case single[] = {
        {"bad_ciphertext_with_any_code_loses_no_token",
         bad_ciphertext_with_any_code_loses_no_token},
        {"bad_wrapped_key_with_vendor_code_loses_no_token",
         bad_wrapped_key_with_vendor_code_loses_no_token},
        {"single_failure_is_retried", single_failure_is_retried},
        {"silent_device_is_lost", silent_device_is_lost},
        {"pkcs1_is_tried_once", pkcs1_is_tried_once},
        {"refused_plaintext_loses_no_token", refused_plaintext_loses_no_token},
        {"impossible_lengths_are_refused", impossible_lengths_are_refused},
        {NULL, NULL}};
    static const test_case group[] = {{"bad_ciphertext_with_any_code_loses_no_token",
                                       bad_ciphertext_with_any_code_loses_no_token},
                                      {"single_failure_is_retried", single_failure_is_retried},
                                      {NULL, NULL}};
    const test_suite suite = {.name = "codes", .cases = grouped() ? group : single};
    const test_suite *suites[] = {&suite};

    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
