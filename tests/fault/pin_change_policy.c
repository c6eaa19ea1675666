/* SPDX-License-Identifier: Apache-2.0
 *
 * A changed PIN (pin_change.c) with session keys, under each policy of the configuration, and with
 * faults during the change.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/pin_change.h"

/* --- what may not be lost --- */

static void session_key_open_new_pin_refused(void)
{
    tok_key_spec spec = {"volatile", CORE_ALG_AES_256, 0, false, false};
    static const uint8_t iv[16];
    tok_key *aes = NULL;
    uint8_t out[64];
    size_t out_len = sizeof out;
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin(""));
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, &err), ST_OK);
    change_token_pin("987654");
    CU_ASSERT_EQUAL(tok_token_login(token, pin, strlen(pin), &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "volatile"));
    CU_ASSERT_EQUAL(proxy.get("C_Logout"), 0);
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, &err), ST_OK);
    tok_key_release(aes);
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(1);
}

static void session_key_after_new_pin_works(void)
{
    tok_key_spec spec = {"volatile", CORE_ALG_AES_256, 0, false, false};
    static const uint8_t iv[16];
    tok_key *aes = NULL;
    uint8_t out[64];
    size_t out_len = sizeof out;

    CU_ASSERT_FATAL(pin_change_begin(""));
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, NULL), ST_OK);
    CU_ASSERT_EQUAL(proxy.plan("call=C_EncryptInit logout"),
                    0); /* another user's logout destroys it */
    core_status st = tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL);
    CU_ASSERT(rekeys || st != ST_OK);
    proxy.plan("");
    tok_key_release(aes);
    change_token_pin("135791");
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, NULL), ST_OK);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL), ST_OK);
    tok_key_release(aes);
    pin_change_end(1);
}

/* --- the policy --- */

static void new_pin_refused_by_policy(void)
{
    static const char *const policies[] = {"pin_change = refuse\n", "relogin = no\n"};
    core_err err = {0};

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        char old[sizeof pin];
        CU_ASSERT_FATAL(pin_change_begin(policies[i]));
        snprintf(old, sizeof old, "%s", pin);
        change_token_pin("112233");
        CU_ASSERT_EQUAL(tok_token_login(token, pin, strlen(pin), &err), ST_AUTH_FAILED);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, i == 0 ? "pin_change" : "relogin"));
        change_token_pin(old);
        CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
        CU_ASSERT_EQUAL(proxy.get("C_Logout"), 0);
        CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
        pin_change_end(0);
    }
}

static void new_pin_by_policy_reinitialises_module(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin("pin_change = reinitialize\n"));
    change_token_pin("332211");
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Initialize"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_Logout"), 0);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(pin_change_login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 3);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(1);
}

/* Without a cached PIN, a lost login needs a new session and nothing else. */
static void no_relogin_new_session_restores_login(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin("relogin = no\n"));
    CU_ASSERT_EQUAL(proxy.plan("call=C_DecryptInit logout"), 0);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_LOGIN_LOST);
    proxy.plan("");
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_LOGIN_LOST);
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1);
    pin_change_end(1);
}

/* The change is undone. While the sessions of the second PIN are open, the first one counts as
 * superseded; after they are closed, it is accepted again. */
static void pin_set_back_accepted_after_logout(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin(""));
    snprintf(old, sizeof old, "%s", pin);
    change_token_pin("864208");
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    proxy.reset();
    change_pin_in_process(old);
    unsigned by_it = (unsigned)proxy.get("C_Login");
    CU_ASSERT_EQUAL(pin_change_login(old), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), by_it);
    tok_token_logout(token);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(pin_change_login(old), ST_OK);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(0);
}

/* --- faults on the way --- */

static void faults_during_change_recovered(void)
{
    static const struct {
        const char *plan;
        core_status st;
    } cases[] = {
        /* A device error: recovered and retried. */
        {"call=C_Logout rv=0x30", ST_OK},
        {"call=C_Login rv=0x30", ST_OK},
        {"call=C_Login rv=0x6 times=2", ST_OK},
        {"call=C_Initialize rv=0x6", ST_OK},
        {"call=C_GetTokenInfo rv=0x32", ST_OK},
        {"call=C_Logout rv=0xb3", ST_OK}, /* the login session is lost */
        {"call=C_Logout close", ST_OK},
        {"call=C_Logout logout", ST_OK},
        /* Another user in the process logs in at that moment: the token has not checked the PIN. */
        {"call=C_Login rv=0x100", ST_PIN_FOREIGN_LOGIN},
    };
    char next[] = "4000x0";
    core_err err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* A login that fails for any reason counts as a wrong PIN, and so does the old PIN after
         * it. */
        CU_ASSERT_FATAL(pin_change_begin("pin_tries = 5\n"));
        next[4] = (char)('0' + i);
        change_token_pin(next);
        CU_ASSERT_EQUAL(proxy.plan(cases[i].plan), 0);
        core_status st = tok_token_login(token, pin, strlen(pin), &err);
        proxy.plan("");
        CU_ASSERT_EQUAL(st, cases[i].st);
        if (st != cases[i].st)
            fprintf(stderr, "%s: %s: %s\n", cases[i].plan, core_status_name(st), err.text);
        if (st != ST_OK) /* not counted as a wrong PIN */
            CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
        CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
        pin_change_end(1);
    }
}

static void *decrypt_once(void *arg)
{
    *(core_status *)arg = pin_change_decrypt(NULL);
    return NULL;
}

/* A call that does not return keeps the gate from closing: the login gives up in time, and no other
 * thread waits in vain. */
static void hanging_call_limits_wait(void)
{
    pthread_t slow;
    core_status slow_st = ST_FAILURE;
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin(""));
    CU_ASSERT_EQUAL(proxy.plan("call=C_Decrypt delay=4000"), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&slow, NULL, decrypt_once, &slow_st), 0);
    core_sleep_ms(LOAD_MS);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(tok_token_login(token, "888888", 6, &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not sent"));
    CU_ASSERT(core_now_us() - from < 3500000);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pthread_join(slow, NULL);
    CU_ASSERT_EQUAL(slow_st, ST_OK);
    proxy.plan("");
    CU_ASSERT_EQUAL(pin_change_login("888888"), ST_AUTH_FAILED); /* now the PIN is sent */
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 2);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(0);
}

const test_case pin_change_policy_cases[] = {
    {"session_key_open_new_pin_refused", session_key_open_new_pin_refused},
    {"session_key_after_new_pin_works", session_key_after_new_pin_works},
    {"new_pin_refused_by_policy", new_pin_refused_by_policy},
    {"new_pin_by_policy_reinitialises_module", new_pin_by_policy_reinitialises_module},
    {"no_relogin_new_session_restores_login", no_relogin_new_session_restores_login},
    {"pin_set_back_accepted_after_logout", pin_set_back_accepted_after_logout},
    {"faults_during_change_recovered", faults_during_change_recovered},
    {"hanging_call_limits_wait", hanging_call_limits_wait},
    {NULL, NULL},
};
