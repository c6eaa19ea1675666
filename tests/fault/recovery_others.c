/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery from what other users of the module in the process do (they log out, close all sessions,
 * finalise the module), and from a PIN that is changed on the token.
 */
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "raw.h"
#include "tests/fault/recovery.h"

enum { SOON_MS = 1000 };

static rec_fixture fixture;
static raw_token other; /* the other user of the module in this process */

static int start(void)
{
    return rec_open(&fixture) ? 0 : 1;
}

static int stop(void)
{
    return rec_close(&fixture) ? 0 : 1;
}

static void *decrypt(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        (void)rec_decrypt(&fixture, NULL);
    }
    return NULL;
}

/* Leaves as many idle sessions in the pool as threads have worked. openCryptoki 3.8 rereads its
 * objects after C_Initialize while other threads use them, and crashes: one thread. */
static void fill_pool(void)
{
    pthread_t threads[4];
    size_t count = strcmp(rec_kind(), "opencryptoki") == 0 ? 1 : 4;

    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, decrypt, NULL), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* The very next operation recovers from what the other user did. */
static void expect_recovered(void)
{
    core_err err = {0};
    core_status st = rec_decrypt(&fixture, &err);

    CU_ASSERT_EQUAL(st, ST_OK);
    if (st != ST_OK) {
        fprintf(stderr, "%s: %s\n", core_status_name(st), err.text);
        CU_ASSERT(rec_until_good(&fixture, SOON_MS) >= 0);
    }
    CU_ASSERT(rec_complete(&fixture));
    fill_pool();
    CU_ASSERT_EQUAL(rec_decrypt(&fixture, NULL), ST_OK);
}

static void other_user_logs_out_login_renewed(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    raw_close(&other, false); /* which logs out */
    expect_recovered();
}

static void other_user_closes_sessions_recovered(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_CloseAllSessions(other.slot), CKR_OK);
    expect_recovered();
}

static void other_user_finalizes_module_recovered(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_Finalize(NULL), CKR_OK);
    expect_recovered();
}

/* By the other user, which then logs out, so that our login is lost. */
static void change_pin(const char *from, const char *to)
{
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_SetPIN(other.session, (CK_BYTE *)(uintptr_t)from, strlen(from),
                                      (CK_BYTE *)(uintptr_t)to, strlen(to)),
                    CKR_OK);
    raw_close(&other, false);
}

static void pin_changed_by_other_user_login_needed(void)
{
    enum { TRIES = 10 };
    const char *old = getenv("PIN");
    static const char new[] = "7654321";
    tok_token_stats before;
    tok_token_stats after;
    core_err err = {0};

    tok_token_stats_get(fixture.token, &before);
    change_pin(old, new);
    for (int i = 0; i < TRIES; i++) {
        core_class class = core_status_class(rec_decrypt(&fixture, &err));
        CU_ASSERT(class == CORE_CLASS_PIN || class == CORE_CLASS_LOGIN);
    }
    tok_token_stats_get(fixture.token, &after);
    CU_ASSERT_EQUAL(after.logins, before.logins + 1); /* the old PIN was sent once only */

    /* A session with the new PIN restores the login for all; the old PIN is refused without being
     * sent. */
    CU_ASSERT_EQUAL(tok_token_login(fixture.token, old, strlen(old), &err), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(tok_token_login(fixture.token, new, strlen(new), &err), ST_OK);
    CU_ASSERT_EQUAL(rec_decrypt(&fixture, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(fixture.token, old, strlen(old), &err), ST_AUTH_FAILED);
    tok_token_stats_get(fixture.token, &after);
    CU_ASSERT_EQUAL(after.logins, before.logins + 2);
    tok_token_logout(fixture.token);
    CU_ASSERT(rec_complete(&fixture));
}

static const test_case cases[] = {
    {"other_user_logs_out_login_renewed", other_user_logs_out_login_renewed},
    {"other_user_closes_sessions_recovered", other_user_closes_sessions_recovered},
    {"other_user_finalizes_module_recovered", other_user_finalizes_module_recovered},
    {"pin_changed_by_other_user_login_needed",
     pin_changed_by_other_user_login_needed}, /* last: the token keeps the new PIN */
    {NULL, NULL},
};
const test_suite suite_others = {.name = "others", .cases = cases, .start = start, .stop = stop};
