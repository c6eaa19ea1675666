/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery against work, against itself, and against login and logout. One call reports a device
 * failure and the first probe of the token confirms it, so the module is reset.
 */
#include "core/platform.h"
#include "tests/fault/race.h"

static race_fixture w;

#define DEVICE_LOST "call=C_GetTokenInfo rv=0x30"
#define NEXT_FAILS  "call=C_EncryptInit rv=0x30; " DEVICE_LOST

/* Where a recovery can be stopped. */
static const struct {
    const char *function;
    bool after;
} steps[] = {
    {"C_Finalize", false},  {"C_Finalize", true},    {"C_Initialize", false},
    {"C_Initialize", true}, {"C_GetSlotList", true}, {"C_OpenSession", false},
    {"C_Login", false},     {"C_Login", true},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static unsigned initialisations(void)
{
    p11memory_state state;
    race.get(&state);
    return state.initialisations;
}

static int recover_until(race_thread *a, unsigned step)
{
    CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
    return race_park(a, race_work, &w, steps[step].function, steps[step].after);
}

static void end(void)
{
    CU_ASSERT_EQUAL(race.plan(""), 0);
    race_close(&w);
}

/* A thread that calls during the recovery waits at the gate and then does its operation. */
static void call_during_recovery_waits(void)
{
    static const race_op others[] = {race_work, race_login};
    for (unsigned i = 0; i < STEPS * 2; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        const unsigned before = initialisations();
        int place = recover_until(&a, i / 2);
        race_start(&b, others[i % 2], &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(initialisations(), before + 1);
        if (i % 2 == 1)
            (void)race_logout(&w);
        end();
    }
}

/* A thread whose wait timed out does not enter: the module must not be called now. */
static void timed_out_call_does_not_enter(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "session_wait_ms = 200\n");
        int place = recover_until(&a, i);
        race_start(&b, race_work, &w);
        CU_ASSERT_EQUAL(race_join(&b), ST_DEVICE);
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        end();
    }
}

/* Leaves two idle sessions in the pool: opening a session would read the token's state first. */
static void fill_pool(void)
{
    race_thread t;
    int place = race_park(&t, race_work, &w, "C_Encrypt", false);

    CU_ASSERT_EQUAL(race_work(&w), ST_OK);
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&t), ST_OK);
}

/* The recovery waits for the threads that are in the module. */
static void recovery_waits_for_calls(void)
{
    static const char *const calls[] = {"C_EncryptInit", "C_Encrypt"};
    for (unsigned i = 0; i < 4; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        fill_pool();
        const unsigned before = initialisations();
        int place = race_park(&a, race_work, &w, calls[i % 2], i / 2);
        CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
        race_start(&b, race_work, &w);
        CU_ASSERT(race_waits(&b));
        CU_ASSERT_EQUAL(initialisations(), before);
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(initialisations(), before + 1);
        end();
    }
}

/* The wait is bounded: nothing is reset during a call that hangs, and all works once it returns. */
static void hanging_call_prevents_reset(void)
{
    race_thread a;
    race_thread b;

    race_open(&w, "session_wait_ms = 300\n");
    fill_pool();
    const unsigned before = initialisations();
    int place = race_park(&a, race_work, &w, "C_Encrypt", false);
    CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
    race_start(&b, race_work, &w);
    CU_ASSERT_EQUAL(race_join(&b), ST_DEVICE);
    CU_ASSERT_EQUAL(initialisations(), before);
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&a), ST_OK);
    CU_ASSERT_EQUAL(race.plan(""), 0);
    for (unsigned i = 0; i < 100 && race_work(&w) != ST_OK; i++)
        core_sleep_ms(20);
    end();
}

/* Two threads fail at once: one recovers, the other finds the recovery done. */
static void two_failures_recover_once(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        fill_pool();
        const unsigned before = initialisations();
        int first = race_park(&a, race_work, &w, "C_EncryptInit", false);
        int second = race_park(&b, race_work, &w, "C_EncryptInit", false);
        int place = race.park(steps[i].function, steps[i].after);
        CU_ASSERT_EQUAL(race.plan(DEVICE_LOST), 0);
        race.go(first, CKR_DEVICE_ERROR);
        CU_ASSERT(race_waits(&a)); /* for the other thread's call */
        race.go(second, CKR_DEVICE_ERROR);
        CU_ASSERT(race.await(place, 10000));
        CU_ASSERT(race_waits(&a) && race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(initialisations(), before + 1);
        end();
    }
}

/* The last user logs out during the recovery: the logout waits and leaves no session or login. */
static void last_logout_waits_for_recovery(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        int place = recover_until(&a, i);
        race_start(&b, race_logout, &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        (void)race_join(&a);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(race.plan(""), 0);
        race_close_logged_out(&w);
    }
}

/* A recovery that takes longer than the logout waits: it removes its own login. */
static void last_logout_timed_out_recovery_cleans_up(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "session_wait_ms = 200\n");
        int place = recover_until(&a, i);
        race_start(&b, race_logout, &w);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race.go(place, CKR_OK);
        (void)race_join(&a);
        CU_ASSERT_EQUAL(race.plan(""), 0);
        race_close_logged_out(&w);
    }
}

static const test_case cases[] = {
    {"call_during_recovery_waits", call_during_recovery_waits},
    {"timed_out_call_does_not_enter", timed_out_call_does_not_enter},
    {"recovery_waits_for_calls", recovery_waits_for_calls},
    {"hanging_call_prevents_reset", hanging_call_prevents_reset},
    {"two_failures_recover_once", two_failures_recover_once},
    {"last_logout_waits_for_recovery", last_logout_waits_for_recovery},
    {"last_logout_timed_out_recovery_cleans_up", last_logout_timed_out_recovery_cleans_up},
    {NULL, NULL},
};
const test_suite race_recovery_suite = {.name = "recovery", .cases = cases};
