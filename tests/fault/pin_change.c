/* SPDX-License-Identifier: Apache-2.0
 *
 * The PIN is changed on the token by another process, and then in the credential: the next session
 * presents the new PIN while the sessions of the old one are at work. The test counts
 * the operations that fail during the change (none may), and the C_Login calls that it costs.
 *
 *   with-token --count COUNTER KIND pin_change
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/another.h"
#include "tests/fault/pin_change.h"

/* --- the new PIN --- */

static void new_pin_under_load_taken_over(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin(""));
    snprintf(old, sizeof old, "%s", pin);
    load_start();
    change_token_pin("765432");
    unsigned before = atomic_load(&good);
    core_sleep_ms(LOAD_MS);
    CU_ASSERT(rekeys || atomic_load(&good) > before); /* not noticed yet */
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
    core_status st = pin_change_login(pin);
    load_skip_failures();
    before = atomic_load(&good);
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1);
    if (st == ST_OK)
        CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK); /* compared with the cached PIN */
    /* The old PIN is known to be superseded. */
    CU_ASSERT_EQUAL(tok_token_login(token, old, strlen(old), &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "replaced"));
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1);
    load_stop(before);
    /* The session of the old PIN continues alone; after a lost login it uses the new PIN. */
    if (st == ST_OK) {
        tok_token_logout(token);
        tok_token_logout(token);
    }
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(proxy.plan("call=C_DecryptInit logout"), 0);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    proxy.plan("");
    pin_change_end(0);
}

typedef struct opener {
    pthread_t thread;
    const char *with;
    core_status st;
} opener;

static void *open_session(void *arg)
{
    opener *o = arg;
    o->st = tok_token_login(token, o->with, strlen(o->with), NULL);
    return NULL;
}

/* Many sessions at once, as when an engine resumes work. */
static unsigned open_many(const char *with)
{
    enum { OPENERS = 8 };
    opener o[OPENERS];
    unsigned in = 0;

    for (size_t i = 0; i < OPENERS; i++) {
        o[i].with = with;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&o[i].thread, NULL, open_session, &o[i]), 0);
    }
    for (size_t i = 0; i < OPENERS; i++) {
        pthread_join(o[i].thread, NULL);
        in += o[i].st == ST_OK;
        CU_ASSERT(o[i].st == ST_OK || o[i].st == ST_AUTH_FAILED);
    }
    return in;
}

static void new_pin_from_many_sessions_sent_once(void)
{
    CU_ASSERT_FATAL(pin_change_begin(""));
    load_start();
    change_token_pin("343434");
    unsigned before = atomic_load(&good);
    unsigned in = open_many(pin);
    load_skip_failures();
    CU_ASSERT_EQUAL(in, 8);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1);
    CU_ASSERT_EQUAL(open_many("999999"), 0);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 3); /* one wrong PIN, and the login restored */
    load_stop(before);
    pin_change_end(in);
}

/* --- a wrong one --- */

static void wrong_pins_under_load_fail_no_operation(void)
{
    core_err err = {0};
    char wrong[] = "90000x";

    CU_ASSERT_FATAL(pin_change_begin("pin_tries = 2\npin_retry_seconds = 300\n"));
    load_start();
    unsigned before = atomic_load(&good);
    for (char c = '0'; c <= '9'; c++) {
        wrong[5] = c;
        for (int again = 0; again < 3; again++) {
            core_status st = pin_change_login(wrong);
            CU_ASSERT_EQUAL(st, c < '2' ? ST_AUTH_FAILED : ST_PIN_RATIONED);
        }
    }
    CU_ASSERT_EQUAL(pin_change_login("1"), ST_PIN_RATIONED);
    /* Two were sent, each followed by the right one to restore the login. */
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 4);
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK); /* the accepted PIN is not limited */
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    load_stop(before);
    pin_change_end(1);
}

/* A PIN that the token cannot have is refused without a logout. */
static void pin_of_impossible_length_not_sent(void)
{
    char longest[400];

    CU_ASSERT_FATAL(pin_change_begin(""));
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    if (tok_token_info_of(token)->max_pin < sizeof longest) {
        CU_ASSERT_EQUAL(pin_change_login(longest), ST_AUTH_FAILED);
        CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
        CU_ASSERT_EQUAL(proxy.get("C_Logout"), 0);
    }
    pin_change_end(0);
}

/* The old PIN was accepted after each wrong one: the next first user starts with the full number of
 * tries. */
static void wrong_pins_do_not_limit_next_login(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin("pin_tries = 1\n"));
    CU_ASSERT_EQUAL(pin_change_login("777771"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(pin_change_login("777772"), ST_PIN_RATIONED);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(0);
}

/* Neither the new PIN nor the PIN that was logged in is the token's: each is sent once. */
static void third_pin_known_ones_sent_once(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(pin_change_begin("pin_tries = 5\n"));
    snprintf(old, sizeof old, "%s", pin);
    change_token_pin("246802");
    CU_ASSERT_EQUAL(pin_change_login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 2);
    for (int i = 0; i < 5; i++) {
        core_class class = core_status_class(pin_change_decrypt(&err));
        CU_ASSERT(class == CORE_CLASS_PIN || class == CORE_CLASS_LOGIN);
        CU_ASSERT_EQUAL(pin_change_login("888888"), ST_AUTH_FAILED);
        CU_ASSERT_EQUAL(pin_change_login(old), ST_AUTH_FAILED);
    }
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 2);
    CU_ASSERT_EQUAL(pin_change_login(pin), ST_OK);
    CU_ASSERT_EQUAL(pin_change_decrypt(&err), ST_OK);
    pin_change_end(1);
}

/* Another process has used up some of the token's PIN tries: the next wrong PIN might be the last
 * but one, and the old PIN, if it is wrong by now, the last. */
static void pin_count_low_nothing_sent(void)
{
    CU_ASSERT_FATAL(pin_change_begin(""));
    CU_ASSERT_FALSE(another_does("login", "555555", NULL));
    tok_token_info *all = NULL;
    size_t count = 0;
    bool low = false;
    CU_ASSERT_EQUAL(tok_token_list(ctx, &all, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        low |= all[i].pin_low;
    core_free(all);
    if (!low) {
        pin_change_end(0);
        TEST_SKIP("the token does not say that a wrong PIN was sent");
    }
    CU_ASSERT_EQUAL(pin_change_login("888888"), ST_PIN_RATIONED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
    CU_ASSERT_EQUAL(proxy.get("C_Logout"), 0);
    CU_ASSERT_TRUE(another_does("login", pin, NULL));
    CU_ASSERT_EQUAL(pin_change_login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 2);
    pin_change_end(0);
}

static int start(void)
{
    snprintf(pin, sizeof pin, "%s", getenv("PIN"));
    rekeys = strcmp(getenv("TOKEN"), "NSS Certificate DB") == 0;
    return fault_proxy_load(&proxy) ? 0 : 1;
}

static const test_case cases[] = {
    {"new_pin_under_load_taken_over", new_pin_under_load_taken_over},
    {"new_pin_from_many_sessions_sent_once", new_pin_from_many_sessions_sent_once},
    {"wrong_pins_under_load_fail_no_operation", wrong_pins_under_load_fail_no_operation},
    {"wrong_pins_do_not_limit_next_login", wrong_pins_do_not_limit_next_login},
    {"pin_of_impossible_length_not_sent", pin_of_impossible_length_not_sent},
    {"third_pin_known_ones_sent_once", third_pin_known_ones_sent_once},
    {"pin_count_low_nothing_sent", pin_count_low_nothing_sent},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {.name = "PIN change", .cases = cases, .start = start};
    static const test_suite policy = {.name = "PIN change policy",
                                      .cases = pin_change_policy_cases};
    static const test_suite *const suites[] = {&suite, &policy};
    int status = 0;

    if (another_is(argc, argv, &status))
        return status;
    if (getenv("MODULE") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 2);
}
