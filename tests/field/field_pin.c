/* SPDX-License-Identifier: Apache-2.0
 *
 * PIN tries. Tokens return various codes for a wrong PIN, and each C_Login that the token may have
 * counted must be counted here, whatever caused it: a user, recovery with the cached PIN, the
 * start-up wait, a key that needs the PIN for each use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/field/login_fixture.h"

static login_fixture w;

/* Codes for a wrong PIN on real tokens, besides CKR_PIN_INCORRECT. */
static const CK_RV codes[] = {
    CKR_PIN_INCORRECT,      CKR_PIN_INVALID,       CKR_PIN_LEN_RANGE,
    CKR_GENERAL_ERROR,      CKR_FUNCTION_FAILED,   CKR_ARGUMENTS_BAD,
    CKR_DEVICE_ERROR,       CKR_DEVICE_REMOVED,    CKR_DEVICE_MEMORY,
    CKR_HOST_MEMORY,        CKR_FUNCTION_CANCELED, CKR_FUNCTION_REJECTED,
    CKR_USER_NOT_LOGGED_IN, CKR_SESSION_CLOSED,    CKR_DATA_INVALID,
    0x80000001UL,           0x80000385UL,          0x1b8UL,
};
enum { CODES = sizeof codes / sizeof codes[0] };

static void wrong_pins_any_code_sent_at_most_pin_tries(void)
{
    for (unsigned i = 0; i < CODES * 6; i++) {
        const unsigned allowed = 1 + i % 3;
        const bool same = i / CODES % 2 == 1;
        char globals[64];
        char pin[16];
        core_err err = {0};
        core_status st = ST_OK;

        (void)snprintf(globals, sizeof globals, "pin_tries = %u\n", allowed);
        fixture_open(&w, globals);
        memory.quirks(&(p11memory_quirks){.wrong_pin_rv = codes[i / 6], .blind = i % 2 == 1});
        for (unsigned k = 0; k < 10; k++) {
            (void)snprintf(pin, sizeof pin, "99990%u", same ? 0 : k);
            st = fixture_login(&w, pin, &err);
            CU_ASSERT_NOT_EQUAL(st, ST_OK);
        }
        if (fixture_wrong() > allowed)
            fprintf(stderr, "0x%lx: %u sent, %u allowed\n", codes[i / 6], fixture_wrong(), allowed);
        CU_ASSERT(fixture_wrong() >= 1 && fixture_wrong() <= allowed);
        CU_ASSERT(st == ST_PIN_RATIONED || (same && st == ST_AUTH_FAILED));
        if (st == ST_PIN_RATIONED) /* the text says how long */
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "sent in 300 s"));
        fixture_close(&w);
    }
}

/* The PIN was changed on the token, and the token refuses the old one with any code. */
static void stale_kept_pin_any_code_sent_at_most_pin_tries(void)
{
    static const CK_RV some[] = {CKR_PIN_INCORRECT, CKR_GENERAL_ERROR, CKR_USER_NOT_LOGGED_IN,
                                 0x80000005UL, 0x80000005UL};

    for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
        const bool unplugged = i == 4;
        core_err err = {0};

        fixture_open(&w, "pin_tries = 2\n");
        fixture_start(&w);
        memory.quirks(&(p11memory_quirks){.wrong_pin_rv = some[i], .blind = 1});
        memory.set_pin("4321");
        if (unplugged) {
            memory.unplug(1);
            CU_ASSERT_NOT_EQUAL(fixture_work(&w, &err), ST_OK);
            memory.unplug(0);
        } else {
            memory.lose_sessions();
        }
        for (unsigned k = 0; k < 12; k++) {
            CU_ASSERT_NOT_EQUAL(fixture_work(&w, &err), ST_OK);
            core_sleep_ms(unplugged ? 60 : 0);
        }
        if (fixture_wrong() > 2)
            fprintf(stderr, "0x%lx: %u sent\n", some[i], fixture_wrong());
        CU_ASSERT(fixture_wrong() >= 1 && fixture_wrong() <= 2);
        tok_token_logout(w.token);
        fixture_close(&w);
    }
}

/* One failure that was the device's costs no PIN try. */
static void kept_pin_one_device_error_recovers(void)
{
    for (unsigned i = 0; i < CODES; i++) {
        core_err err = {0};

        fixture_open(&w, "");
        fixture_start(&w);
        memory.lose_sessions();
        memory.quirks(&(p11memory_quirks){.login_rv = codes[i], .login_times = 1});
        core_status st = fixture_work(&w, &err);
        if (codes[i] == CKR_PIN_INCORRECT || codes[i] == CKR_PIN_INVALID ||
            codes[i] == CKR_PIN_LEN_RANGE) {
            CU_ASSERT_EQUAL(st, ST_AUTH_FAILED);
        } else {
            if (st != ST_OK) /* no memory: recovery is left to the next operation */
                st = fixture_work(&w, &err);
            CU_ASSERT_EQUAL(st, ST_OK);
            CU_ASSERT_EQUAL(fixture_logins(), 2);
        }
        tok_token_logout(w.token);
        fixture_close(&w);
    }
}

/* A token that reports wrong PINs in its flags, and reports none, was busy: it is asked again, more
 * often than pin_tries, but a limited number of times. */
static void busy_token_asked_again_with_a_limit(void)
{
    for (unsigned times = 1; times <= 3; times++) {
        core_err err = {0};

        fixture_open(&w, "pin_tries = 2\n");
        CU_ASSERT_EQUAL(fixture_login(&w, "0000", &err),
                        ST_AUTH_FAILED); /* here the flags report it */
        fixture_start(&w);
        memory.lose_sessions();
        memory.quirks(&(p11memory_quirks){.login_rv = CKR_GENERAL_ERROR, .login_times = times});
        core_status st = fixture_work(&w, &err);
        CU_ASSERT_EQUAL(st, ST_OK);
        CU_ASSERT_EQUAL(fixture_logins(), times + 1);
        tok_token_logout(w.token);
        fixture_close(&w);
    }
    fixture_open(&w, "pin_tries = 2\n");
    CU_ASSERT_EQUAL(fixture_login(&w, "0000", NULL), ST_AUTH_FAILED);
    fixture_start(&w);
    memory.lose_sessions();
    memory.quirks(&(p11memory_quirks){.login_rv = CKR_GENERAL_ERROR});
    for (unsigned i = 0; i < 10; i++)
        CU_ASSERT_NOT_EQUAL(fixture_work(&w, NULL), ST_OK);
    CU_ASSERT_EQUAL(fixture_logins(), 4);
    tok_token_logout(w.token);
    fixture_close(&w);
}

/* The token's flags are read before every C_Login. */
static void last_try_and_locked_no_login_by_anybody(void)
{
    static const struct {
        CK_FLAGS flag;
        core_status st;
    } cases[] = {{CKF_USER_PIN_FINAL_TRY, ST_PIN_LAST_TRY}, {CKF_USER_PIN_LOCKED, ST_PIN_LOCKED}};

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        core_err err = {0};

        fixture_open(&w, "");
        fixture_start(&w);
        memory.lose_sessions();
        memory.quirks(&(p11memory_quirks){.set = cases[i].flag});
        for (unsigned k = 0; k < 3; k++)
            CU_ASSERT_EQUAL(fixture_work(&w, &err), cases[i].st);
        memory.unplug(1);
        CU_ASSERT_NOT_EQUAL(fixture_work(&w, &err), ST_OK);
        memory.unplug(0);
        core_sleep_ms(150);
        CU_ASSERT_EQUAL(fixture_work(&w, &err), cases[i].st);
        CU_ASSERT_EQUAL(fixture_logins(), 0);
        memory.quirks(NULL); /* an administrator has logged in */
        core_sleep_ms(400);
        core_status st = fixture_work(&w, &err);
        CU_ASSERT_EQUAL(st, ST_OK);
        tok_token_logout(w.token);
        memory.quirks(&(p11memory_quirks){.set = cases[i].flag});
        CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), cases[i].st);
        CU_ASSERT_EQUAL(fixture_logins(), 0);
        fixture_close(&w);
    }
}

static void more_wrong_pins_than_remembered_right_one_logs_in(void)
{
    char pin[16];
    core_err err = {0};

    fixture_open(&w, "pin_tries = 100\n");
    memory.quirks(&(p11memory_quirks){.blind = 1});
    for (unsigned i = 0; i < 90; i++) {
        (void)snprintf(pin, sizeof pin, "77%04u", i);
        CU_ASSERT_EQUAL(fixture_login(&w, pin, &err), ST_AUTH_FAILED);
    }
    CU_ASSERT_EQUAL(fixture_wrong(), 90);
    CU_ASSERT_EQUAL(fixture_login(&w, pin, &err),
                    ST_AUTH_FAILED); /* a PIN refused late is remembered */
    CU_ASSERT_EQUAL(fixture_wrong(), 90);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    tok_token_logout(w.token);
    fixture_close(&w);
}

static void ration_over_right_pin_logs_in(void)
{
    core_err err = {0};

    fixture_open(&w, "pin_tries = 1\npin_retry_seconds = 1\n");
    memory.quirks(&(p11memory_quirks){.wrong_pin_rv = 0x80000005UL});
    CU_ASSERT_EQUAL(fixture_login(&w, "0000", &err), ST_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "may mean a wrong PIN"));
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_PIN_RATIONED);
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    core_sleep_ms(1050);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    tok_token_logout(w.token);
    fixture_close(&w);
}

static const test_case cases[] = {
    {"wrong PINs, any code: sent at most pin_tries", wrong_pins_any_code_sent_at_most_pin_tries},
    {"stale kept PIN, any code: sent at most pin_tries",
     stale_kept_pin_any_code_sent_at_most_pin_tries},
    {"kept PIN, one device error: recovers", kept_pin_one_device_error_recovers},
    {"busy token: asked again with a limit", busy_token_asked_again_with_a_limit},
    {"last try and locked: no login by anybody", last_try_and_locked_no_login_by_anybody},
    {"more wrong PINs than remembered: the right one logs in",
     more_wrong_pins_than_remembered_right_one_logs_in},
    {"ration over: the right PIN logs in", ration_over_right_pin_logs_in},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {.name = "PIN", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!memory_load()) {
        printf("SKIPPED: no memory token: run it by tests/tokens/with-token memory\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
