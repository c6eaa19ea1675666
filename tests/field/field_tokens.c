/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens with unusual logins: without a user, with a keypad, with one session only, with flags and
 * limits that are not reported.
 */
#include <stdio.h>
#include <string.h>
#include "core/platform.h"
#include "tests/field/login_fixture.h"

static login_fixture w;

/* Opens the fixture with a token that has these quirks and this limit of sessions (0: no limit)
 * from C_Initialize on. */
static void open_with(const p11memory_quirks *quirks, unsigned limit)
{
    fixture_open(&w, "");
    tok_token_release(w.token);
    tok_context_close(w.ctx);
    memory.quirks(quirks);
    memory.limit(limit);
    core_err err = {0};
    CU_ASSERT_EQUAL_FATAL(tok_context_open(fixture_config(), &w.ctx, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w.ctx, "main", &w.token, &err), ST_OK);
}

static void logout_all(unsigned users)
{
    for (unsigned i = 0; i < users; i++)
        tok_token_logout(w.token);
    fixture_close(&w);
}

static void no_user_login_keys_work(void)
{
    core_err err = {0};

    open_with(
        &(p11memory_quirks){.clear = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED, .no_login = 1},
        0);
    CU_ASSERT_EQUAL(tok_token_login(w.token, NULL, 0, &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_logins(), 0);
    fixture_start(&w); /* a second user, whose PIN is not needed */
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_login(&w, "another", &err), ST_OK);
    memory.lose_sessions();
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
    logout_all(3);
}

static void keypad_pin_is_typed_at_the_token(void)
{
    core_err err = {0};

    open_with(&(p11memory_quirks){.set = CKF_PROTECTED_AUTHENTICATION_PATH, .keypad = 1}, 0);
    CU_ASSERT_EQUAL(tok_token_login(w.token, NULL, 0, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(w.token, NULL, 0, &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "typed at the token"));
    CU_ASSERT_EQUAL(fixture_logins(), 1); /* no one had to type a PIN again */
    tok_token_logout(w.token);
    tok_token_logout(w.token);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "keypad"));
    fixture_close(&w);
}

/* The library cannot repeat a lost login whose PIN was typed at the keypad; the next call of
 * tok_token_login logs in again. */
static void keypad_login_lost_next_user_types(void)
{
    const tok_key_spec spec = {.name = "keypad", .algorithm = CORE_ALG_AES_256, .persistent = true};
    tok_key *key = NULL;
    core_err err = {0};

    open_with(&(p11memory_quirks){.set = CKF_PROTECTED_AUTHENTICATION_PATH, .keypad = 1}, 0);
    CU_ASSERT_EQUAL(tok_token_login(w.token, NULL, 0, &err), ST_OK);
    memory.lose_sessions();
    CU_ASSERT_EQUAL(tok_key_create(w.token, &spec, &key, &err), ST_LOGIN_LOST);
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    core_status st = tok_token_login(w.token, NULL, 0, &err);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(fixture_logins(), 2);
    CU_ASSERT_EQUAL(tok_key_create(w.token, &spec, &key, &err), ST_OK);
    tok_key_release(key);
    logout_all(2);
}

static void limits_and_flags_not_told_right_pin_logs_in(void)
{
    static const p11memory_quirks kinds[] = {
        {.min_pin = CK_UNAVAILABLE_INFORMATION, .max_pin = CK_UNAVAILABLE_INFORMATION},
        {.min_pin = 8, .max_pin = 3},
        {.max_pin = CK_UNAVAILABLE_INFORMATION},
        {.max_sessions = CK_UNAVAILABLE_INFORMATION, .max_rw = CK_UNAVAILABLE_INFORMATION},
        {.clear = CKF_USER_PIN_INITIALIZED},
    };
    core_err err = {0};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        open_with(&kinds[i], 0);
        fixture_start(&w);
        CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
        logout_all(1);
    }
    open_with(&(p11memory_quirks){.min_pin = 8}, 0); /* the reported limit is believed */
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(fixture_logins(), 0);
    fixture_close(&w);
}

static void *work_some(void *arg)
{
    core_status *st = arg;

    *st = ST_OK;
    for (unsigned i = 0; i < 20 && *st == ST_OK; i++)
        *st = fixture_work(&w, NULL);
    return NULL;
}

static void few_sessions_keys_are_made_and_work(void)
{
    static const struct {
        p11memory_quirks quirks;
        unsigned limit;
    } kinds[] = {
        {{.max_sessions = 1}, 1},          /* one session, reported */
        {{0}, 1},                          /* one session, not reported */
        {{.max_rw = 1, .limit_rw = 1}, 0}, /* one read-write session */
        {{.limit_rw = 1}, 0},              /* the same, not reported */
        {{.max_sessions = 2}, 2},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        pthread_t threads[4];
        core_status st[4];
        core_err err = {0};
        uint8_t iv[16] = {0}, out[64];
        size_t length = sizeof out;
        tok_key **keys = NULL;
        size_t count = 0;

        open_with(&kinds[i].quirks, kinds[i].limit);
        fixture_start(&w);
        CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
        CU_ASSERT_EQUAL(tok_decrypt(w.key, iv, sizeof iv, iv, 5, out, &length, &err) != ST_OK, 1);
        CU_ASSERT_EQUAL(tok_key_list(w.token, &keys, &count, &err), ST_OK);
        tok_key_list_free(keys, count);
        for (size_t k = 0; k < 4; k++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[k], NULL, work_some, &st[k]), 0);
        for (size_t k = 0; k < 4; k++) {
            pthread_join(threads[k], NULL);
            CU_ASSERT_EQUAL(st[k], ST_OK);
        }
        CU_ASSERT_EQUAL(fixture_logins(), 1);
        memory.lose_sessions();
        CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
        CU_ASSERT_EQUAL(tok_key_destroy(w.key, &err), ST_OK);
        logout_all(2);
    }
}

static void not_initialized_one_clear_sentence(void)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err = {0};

    fixture_open(&w, "");
    fixture_close(&w);
    memory.quirks(&(p11memory_quirks){.clear = CKF_TOKEN_INITIALIZED});
    CU_ASSERT_EQUAL_FATAL(tok_context_open(fixture_config(), &ctx, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_token_find(ctx, "main", &token, &err), ST_TOKEN_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not initialized"));
    tok_context_close(ctx);
}

/* An administrator who is sure of the PIN may use the last try, once. */
static void last_try_allowed_once(void)
{
    core_err err = {0};

    fixture_open(&w, "");
    memory.quirks(&(p11memory_quirks){.set = CKF_USER_PIN_FINAL_TRY});
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_PIN_LAST_TRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "--last-try"));
    tok_token_allow_last_try(w.token);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    tok_token_logout(w.token);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_PIN_LAST_TRY);
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    fixture_close(&w);
}

static void empty_pin_given_no_pin(void)
{
    core_err err = {0};

    fixture_open(&w, "");
    CU_ASSERT_EQUAL(tok_token_login(w.token, "", 0, &err), ST_PIN_SOURCE);
    CU_ASSERT_EQUAL(fixture_logins(), 0);
    fixture_close(&w);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"no user login: keys work", no_user_login_keys_work},
        {"keypad: the PIN is typed at the token", keypad_pin_is_typed_at_the_token},
        {"keypad, login lost: the next user types", keypad_login_lost_next_user_types},
        {"limits and flags not told: the right PIN logs in",
         limits_and_flags_not_told_right_pin_logs_in},
        {"few sessions: keys are made and work", few_sessions_keys_are_made_and_work},
        {"not initialized: one clear sentence", not_initialized_one_clear_sentence},
        {"last try: allowed once", last_try_allowed_once},
        {"empty PIN given: no PIN", empty_pin_given_no_pin},
        {NULL, NULL}};
    static const test_suite suite = {.name = "tokens", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!memory_load()) {
        printf("SKIPPED: no memory token: run it by tests/tokens/with-token memory\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
