/* SPDX-License-Identifier: Apache-2.0
 *
 * The session pool: sessions taken, returned and drained at the same time, used up, and lost.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_fixture w;

/* Where a thread at work can be stopped: opening a session, in an operation, or closing the
 * session. */
static const struct {
    const char *function;
    bool after;
} steps[] = {
    {"C_OpenSession", false}, {"C_OpenSession", true}, {"C_EncryptInit", false},
    {"C_EncryptInit", true},  {"C_Encrypt", false},    {"C_Encrypt", true},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* Empties the pool, so that the next thread has to open a session. */
static void empty_pool(void)
{
    (void)race_logout(&w);
    CU_ASSERT_EQUAL(race_login(&w), ST_OK);
}

static void take_during_take_and_return_works(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "max_sessions = 2\n");
        empty_pool();
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, race_work, &w);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK); /* no thread waits for another thread's session */
        CU_ASSERT(race_waits(&a));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        tok_token_stats stats;
        tok_token_stats_get(w.token, &stats);
        CU_ASSERT(stats.sessions <= 3); /* and the login session */
        race_close(&w);
    }
}

/* The last user logs out during a call, which a host should not do: the call may succeed or fail,
 * and its session is closed, since an open session would keep the token logged in. */
static void return_after_drain_closes_session(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        empty_pool();
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, race_logout, &w);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race.go(place, CKR_OK);
        core_status st = race_join(&a);
        CU_ASSERT(st == ST_OK || st == ST_AUTH_FAILED || st == ST_LOGIN_LOST);
        race_close_logged_out(&w);
    }
}

/* The pool is drained, and filled by another user, during the call. */
static void return_after_drain_and_login_works(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;

        race_open(&w, "max_sessions = 1\n");
        empty_pool();
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        (void)race_logout(&w);
        race.go(place, CKR_OK);
        (void)race_join(&a);
        CU_ASSERT_EQUAL(race_login(&w), ST_OK);
        race_close(&w);
    }
}

static void only_session_in_use_waits(void)
{
    race_thread a;
    race_thread b;

    race_open(&w, "max_sessions = 1\n");
    int place = race_park(&a, race_work, &w, "C_Encrypt", false);
    race_start(&b, race_work, &w);
    CU_ASSERT(race_waits(&b));
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&a), ST_OK);
    CU_ASSERT_EQUAL(race_join(&b), ST_OK);
    race_close(&w);
}

static void only_session_in_use_wait_ends(void)
{
    race_thread a;
    race_thread b;

    race_open(&w, "max_sessions = 1\nsession_wait_ms = 300\n");
    int place = race_park(&a, race_work, &w, "C_Encrypt", false);
    race_start(&b, race_work, &w);
    CU_ASSERT_EQUAL(race_join(&b), ST_POOL_TIMEOUT);
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&a), ST_OK);
    race_close(&w);
}

/* The only session is lost in use while another thread waits for it. */
static void only_session_lost_replaced(void)
{
    for (unsigned i = 2; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "max_sessions = 1\n");
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, race_work, &w);
        CU_ASSERT(race_waits(&b));
        race.lose_sessions();
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* The token has one session besides the login session: the second thread waits, although the pool's
 * limit would allow another session. */
static void token_session_limit_waits(void)
{
    race_thread a;
    race_thread b;

    race_open(&w, "max_sessions = 8\n");
    race.limit(2);
    int place = race_park(&a, race_work, &w, "C_Encrypt", false);
    race_start(&b, race_work, &w);
    CU_ASSERT(race_waits(&b));
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&a), ST_OK);
    CU_ASSERT_EQUAL(race_join(&b), ST_OK);
    race.limit(0);
    race_close(&w);
}

static const test_case cases[] = {
    {"take_during_take_and_return_works", take_during_take_and_return_works},
    {"return_after_drain_closes_session", return_after_drain_closes_session},
    {"return_after_drain_and_login_works", return_after_drain_and_login_works},
    {"only_session_in_use_waits", only_session_in_use_waits},
    {"only_session_in_use_wait_ends", only_session_in_use_wait_ends},
    {"only_session_lost_replaced", only_session_lost_replaced},
    {"token_session_limit_waits", token_session_limit_waits},
    {NULL, NULL},
};
const test_suite race_pool_suite = {.name = "pool", .cases = cases};
