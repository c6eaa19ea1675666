/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool of sessions: taken, given back and drained against each other, used up, and lost.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_world w;

/* Where a thread at work can be: on its way to a session, in one, or on its way back. */
static const struct {
    const char *function;
    bool after;
} steps[] = {
    {"C_OpenSession", false}, {"C_OpenSession", true}, {"C_EncryptInit", false},
    {"C_EncryptInit", true},  {"C_Encrypt", false},    {"C_Encrypt", true},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* The pool has no idle session, so that the next to take one opens it. */
static void empty_pool(void)
{
    (void)race_logout(&w);
    CU_ASSERT_EQUAL(race_login(&w), ST_OK);
}

static void take_beside_take_and_give(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "max_sessions = 2\n");
        empty_pool();
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, race_work, &w);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK); /* nobody waits for another's session */
        CU_ASSERT(race_waits(&a));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        tok_token_stats stats;
        tok_token_stats_get(w.token, &stats);
        CU_ASSERT(stats.sessions <= 3); /* and the keeper */
        race_close(&w);
    }
}

/* The last user goes while a call is under way, which a host should not do: the call ends as it
 * may, and its session does not stay, for with it the login would. */
static void give_after_drain(void)
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

/* Drained and filled again by another user meanwhile. */
static void give_after_drain_and_login(void)
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

static void waits_for_the_only_session(void)
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

static void waits_no_longer_than_allowed(void)
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

/* The only session is lost under the one who has it, while another waits for it. */
static void the_only_session_is_lost(void)
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

/* The token has room for one session beside the keeper's: the second to ask waits, though the pool
 * would have let it. */
static void the_token_has_fewer_sessions(void)
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
    {"take beside take and give", take_beside_take_and_give},
    {"give after drain", give_after_drain},
    {"give after drain and login", give_after_drain_and_login},
    {"waits for the only session", waits_for_the_only_session},
    {"waits no longer than allowed", waits_no_longer_than_allowed},
    {"the only session is lost", the_only_session_is_lost},
    {"the token has fewer sessions", the_token_has_fewer_sessions},
    {NULL, NULL},
};
const test_suite race_pool_suite = {.name = "pool", .cases = cases};
