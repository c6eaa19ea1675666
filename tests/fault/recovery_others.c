/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery from what others in the process do with the module (they log out, close all sessions,
 * finalise it), and from a PIN that is changed on the token.
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

static rec_world world;
static raw_token other; /* the other user of the module in this process */

static int start(void)
{
    return rec_open(&world) ? 0 : 1;
}

static int stop(void)
{
    return rec_close(&world) ? 0 : 1;
}

static void *decrypt(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        (void)rec_decrypt(&world, NULL);
    }
    return NULL;
}

/* Sessions open and idle in the pool: as many as threads have been at work. openCryptoki 3.8 reads
 * its objects anew after C_Initialize, under the feet of other threads, and crashes: one thread. */
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

/* What the other user does is healed within the very next operation. */
static void expect_healed(void)
{
    core_err err = {0};
    core_status st = rec_decrypt(&world, &err);

    CU_ASSERT_EQUAL(st, ST_OK);
    if (st != ST_OK) {
        fprintf(stderr, "%s: %s\n", core_status_name(st), err.text);
        CU_ASSERT(rec_until_good(&world, SOON_MS) >= 0);
    }
    CU_ASSERT(rec_complete(&world));
    fill_pool();
    CU_ASSERT_EQUAL(rec_decrypt(&world, NULL), ST_OK);
}

static void another_logs_out(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    raw_close(&other, false); /* which logs out */
    expect_healed();
}

static void another_closes_all_sessions(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_CloseAllSessions(other.slot), CKR_OK);
    expect_healed();
}

static void another_finalizes(void)
{
    fill_pool();
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_Finalize(NULL), CKR_OK);
    expect_healed();
}

/* By the other user, who then logs out, so that our login is lost. */
static void change_pin(const char *from, const char *to)
{
    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_SetPIN(other.session, (CK_BYTE *)(uintptr_t)from, strlen(from),
                                      (CK_BYTE *)(uintptr_t)to, strlen(to)),
                    CKR_OK);
    raw_close(&other, false);
}

static void the_pin_is_changed(void)
{
    enum { TRIES = 10 };
    const char *old = getenv("PIN");
    static const char new[] = "7654321";
    tok_token_stats before;
    tok_token_stats after;
    core_err err = {0};

    tok_token_stats_get(world.token, &before);
    change_pin(old, new);
    for (int i = 0; i < TRIES; i++) {
        core_class class = core_status_class(rec_decrypt(&world, &err));
        CU_ASSERT(class == CORE_CLASS_PIN || class == CORE_CLASS_LOGIN);
    }
    tok_token_stats_get(world.token, &after);
    CU_ASSERT_EQUAL(after.logins,
                    before.logins + 1); /* the old PIN was sent once, and never again */

    /* A session with the new PIN brings everybody back; the old one is refused, unsent. */
    CU_ASSERT_EQUAL(tok_token_login(world.token, old, strlen(old), &err), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(tok_token_login(world.token, new, strlen(new), &err), ST_OK);
    CU_ASSERT_EQUAL(rec_decrypt(&world, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(world.token, old, strlen(old), &err), ST_AUTH_FAILED);
    tok_token_stats_get(world.token, &after);
    CU_ASSERT_EQUAL(after.logins, before.logins + 2);
    tok_token_logout(world.token);
    CU_ASSERT(rec_complete(&world));
}

static const test_case cases[] = {
    {"another logs out", another_logs_out},
    {"another closes all sessions", another_closes_all_sessions},
    {"another finalizes", another_finalizes},
    {"the PIN is changed", the_pin_is_changed}, /* last: the token keeps the new one */
    {NULL, NULL},
};
const test_suite suite_others = {.name = "others", .cases = cases, .start = start, .stop = stop};
