/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery against work, against itself, and against those who come and go. One call says that the
 * device failed, and the first look at the token says so, too: so the module is reset.
 */
#include "core/platform.h"
#include "tests/fault/race.h"

static race_world w;

#define DEVICE_LOST "call=C_GetTokenInfo rv=0x30"
#define NEXT_FAILS  "call=C_EncryptInit rv=0x30; " DEVICE_LOST

/* Where a recovery can be. */
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

/* Who comes meanwhile waits at the gate, and then does what he came for. */
static void all_wait_for_it(void)
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

/* Nor does anybody get in who has waited in vain: the module is not to be called now. */
static void none_gets_in(void)
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

/* Two sessions are open and idle, so that nobody opens one, for which the token is looked at. */
static void fill_pool(void)
{
    race_thread t;
    int place = race_park(&t, race_work, &w, "C_Encrypt", false);

    CU_ASSERT_EQUAL(race_work(&w), ST_OK);
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&t), ST_OK);
}

/* It waits in its turn for those who are in the module. */
static void it_waits_for_work(void)
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

/* But not for ever: nothing is reset under a call that hangs, and all is well once it is back. */
static void a_call_hangs(void)
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

/* Two fail at one moment: one recovers, the other finds it done. */
static void single_flight(void)
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
        CU_ASSERT(race_waits(&a)); /* for the other one's call */
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

/* The last user goes meanwhile: he waits, and leaves nothing behind. */
static void the_last_user_goes(void)
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

/* A recovery that takes longer than he waits: what it has logged in to again is not left so. */
static void the_last_user_does_not_wait(void)
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
    {"all wait for it", all_wait_for_it},
    {"none gets in", none_gets_in},
    {"it waits for work", it_waits_for_work},
    {"a call hangs", a_call_hangs},
    {"single flight", single_flight},
    {"the last user goes", the_last_user_goes},
    {"the last user does not wait", the_last_user_does_not_wait},
    {NULL, NULL},
};
const test_suite race_recovery_suite = {.name = "recovery", .cases = cases};
