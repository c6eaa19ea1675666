/* SPDX-License-Identifier: Apache-2.0
 *
 * A member of a group is killed under load: the other takes over and the lost one returns without a
 * restart. Prints the number of operations, of failures, and the longest operation.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/fault/group.h"

enum { THREADS = 8 };

static grp_fixture w;
static atomic_bool over;
static atomic_uint good, failed, wrong, by_second;
static _Atomic uint64_t slowest_us;

static void *work(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        core_err err = {0};
        uint64_t from = core_now_us();
        core_status st = grp_decrypt(&w, &err);
        testing_most(&slowest_us, core_now_us() - from);
        if (st == ST_FAILURE || st == ST_DECRYPT_FAILED)
            atomic_fetch_add(&wrong, 1);
        else if (st != ST_OK && atomic_fetch_add(&failed, 1) < 5)
            fprintf(stderr, "failed: %s\n", err.text);
        else if (st == ST_OK)
            atomic_fetch_add(&good, 1);
        if (st == ST_OK && strcmp(err.served_by, "pair-1") == 0)
            atomic_fetch_add(&by_second, 1);
    }
    return NULL;
}

static void under_load(const char *lines, unsigned rounds)
{
    pthread_t threads[THREADS];

    CU_ASSERT_FATAL(grp_open(&w, lines));
    atomic_store(&good, 0);
    atomic_store(&failed, 0);
    atomic_store(&by_second, 0);
    atomic_store(&slowest_us, 0);
    atomic_store(&over, false);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (unsigned i = 0; i < rounds; i++) {
        core_sleep_ms(500);
        unsigned before = atomic_load(&by_second);
        CU_ASSERT(grp_setup("unplug-0"));
        core_sleep_ms(1200);
        CU_ASSERT(atomic_load(&by_second) > before); /* the other took over */
        CU_ASSERT(grp_setup("plug-0"));
        long took = grp_until(&w, "pair-0", GRP_BACK_MS);
        printf("[back after %ld ms] ", took);
        CU_ASSERT(took >= 0);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("[%u operations, %u by the second, %u failed, %u wrong, the longest %lu ms] ",
           atomic_load(&good), atomic_load(&by_second), atomic_load(&failed), atomic_load(&wrong),
           (unsigned long)(atomic_load(&slowest_us) / 1000));
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT_EQUAL(atomic_load(&failed), 0);
    CU_ASSERT_EQUAL(grp_logged("token lost: "), rounds);
    CU_ASSERT_EQUAL(grp_logged("\"pair-0\": back"), rounds);
    grp_close(&w);
}

static void member_killed_by_preference_other_serves(void)
{
    under_load("", 2);
}

static void member_killed_in_rotation_other_serves(void)
{
    under_load("group_order = round-robin\n", 1);
}

/* All members are away: an error says so soon, and both come back. */
static void all_members_away_error_then_back(void)
{
    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT(grp_setup("unplug-0"));
    CU_ASSERT(grp_setup("unplug-1"));
    for (unsigned i = 0; i < 20; i++) {
        core_err err = {0};
        uint64_t from = core_now_us();
        core_status st = grp_decrypt(&w, &err);
        CU_ASSERT(core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF);
        CU_ASSERT(core_now_us() - from < 4000000);
        core_sleep_ms(20);
    }
    CU_ASSERT(grp_setup("plug-1"));
    CU_ASSERT(grp_until(&w, "pair-1", GRP_BACK_MS) >= 0);
    CU_ASSERT(grp_setup("plug-0"));
    CU_ASSERT(grp_until(&w, "pair-0", GRP_BACK_MS) >= 0);
    grp_close(&w);
}

/* A member that is away at the start joins when it appears, with the group's PIN. */
static void late_member_joins(void)
{
    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT(grp_served_by(&w, "pair-1"));
    CU_ASSERT_FATAL(grp_setup("plug-0"));
    CU_ASSERT(grp_until(&w, "pair-0", GRP_BACK_MS) >= 0);
    CU_ASSERT_EQUAL(grp_logged("serves in group \"ha\""), 1);
    grp_close(&w);
}

/* Without a cached PIN the member waits for the next login. */
static void late_member_without_pin_waits_for_login(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    CU_ASSERT_FATAL(grp_open(&w, "relogin = no\n"));
    CU_ASSERT_FATAL(grp_setup("plug-0"));
    CU_ASSERT_EQUAL(grp_until(&w, "pair-0", 4000), -1);
    CU_ASSERT_EQUAL(grp_login(w.group, getenv("PIN"), &err), ST_OK);
    CU_ASSERT(grp_until(&w, "pair-0", GRP_BACK_MS) >= 0);
    tok_token_logout(w.group);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    grp_close(&w);
}

static const test_case failover_cases[] = {
    {"member_killed_by_preference_other_serves", member_killed_by_preference_other_serves},
    {"member_killed_in_rotation_other_serves", member_killed_in_rotation_other_serves},
    {"all_members_away_error_then_back", all_members_away_error_then_back},
    {"late_member_joins", late_member_joins},
    {"late_member_without_pin_waits_for_login", late_member_without_pin_waits_for_login},
    {NULL, NULL},
};
const test_suite suite_failover = {.name = "failover", .cases = failover_cases};
