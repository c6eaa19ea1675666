/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes, condition variables and threads of core/lock.h, on each system's own primitives.
 */
#include <pthread.h>
#include <string.h>
#include "core/lock.h"
#include "core/platform.h"
#include "test_core.h"

static struct {
    core_mutex mutex;
    core_cond cond;
    unsigned count; /* guarded by the mutex */
    bool go;        /* guarded by the mutex */
} shared = {.mutex = CORE_MUTEX_INIT, .cond = CORE_COND_INIT};

enum { THREADS = 8, ROUNDS = 2000 };

static void *count_under_mutex(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        core_mutex_lock(&shared.mutex);
        shared.count++;
        core_mutex_unlock(&shared.mutex);
    }
    return unused;
}

static void mutex_excludes_threads(void)
{
    pthread_t threads[THREADS];
    shared.count = 0;
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count_under_mutex, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    CU_ASSERT_EQUAL(shared.count, THREADS * ROUNDS);
}

static void timed_wait_without_signal_ends_at_the_deadline(void)
{
    core_mutex mutex;
    core_cond cond;
    unsigned waits = 0;
    core_mutex_init(&mutex);
    core_cond_init(&cond);
    const uint64_t start = core_now_us();
    const uint64_t until = core_deadline_us(60);
    CU_ASSERT_TRUE(until >= start + 60000 && until < start + 5000000);
    core_mutex_lock(&mutex);
    while (core_cond_wait_until(&cond, &mutex, until))
        waits++;
    core_mutex_unlock(&mutex);
    CU_ASSERT_TRUE(core_now_us() >= until);
    CU_ASSERT_TRUE(core_now_us() < until + 5000000);
    CU_ASSERT_TRUE(waits < 60); /* it slept: a busy loop would return more often */
    core_mutex_lock(&mutex);
    CU_ASSERT_FALSE(core_cond_wait_until(&cond, &mutex, start));
    core_mutex_unlock(&mutex);
    core_cond_destroy(&cond);
    core_mutex_destroy(&mutex);
}

static void *wait_for_go(void *seen)
{
    const uint64_t until = core_deadline_us(60000);
    bool in_time = true;
    core_mutex_lock(&shared.mutex);
    shared.count++;
    core_cond_broadcast(&shared.cond); /* the other threads wait on it, too */
    while (!shared.go && in_time)
        in_time = core_cond_wait_until(&shared.cond, &shared.mutex, until);
    *(bool *)seen = shared.go;
    core_mutex_unlock(&shared.mutex);
    return NULL;
}

static void broadcast_wakes_every_timed_wait(void)
{
    pthread_t threads[2];
    bool seen[2] = {false, false};
    shared.count = 0;
    shared.go = false;
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, wait_for_go, &seen[i]), 0);
    core_mutex_lock(&shared.mutex);
    while (shared.count < 2)
        core_cond_wait(&shared.cond, &shared.mutex);
    shared.go = true;
    core_cond_broadcast(&shared.cond);
    core_mutex_unlock(&shared.mutex);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    CU_ASSERT_TRUE(seen[0] && seen[1]);
}

static void count_in_thread(void *rounds)
{
    for (unsigned i = 0; i < *(const unsigned *)rounds; i++) {
        core_mutex_lock(&shared.mutex);
        shared.count++;
        core_mutex_unlock(&shared.mutex);
    }
}

static void joined_threads_have_run_with_their_arguments(void)
{
    core_thread threads[THREADS];
    unsigned rounds[THREADS], all = 0;
    shared.count = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        rounds[i] = 100 * (i + 1);
        all += rounds[i];
        CU_ASSERT_TRUE_FATAL(core_thread_start(&threads[i], count_in_thread, &rounds[i]));
    }
    for (unsigned i = 0; i < THREADS; i++)
        core_thread_join(&threads[i]);
    CU_ASSERT_EQUAL(shared.count, all);
}

static const test_case cases[] = {
    {"mutex_excludes_threads", mutex_excludes_threads},
    {"timed_wait_without_signal_ends_at_the_deadline",
     timed_wait_without_signal_ends_at_the_deadline},
    {"broadcast_wakes_every_timed_wait", broadcast_wakes_every_timed_wait},
    {"joined_threads_have_run_with_their_arguments", joined_threads_have_run_with_their_arguments},
    {NULL, NULL}};
const test_suite core_lock_suite = {.name = "lock", .cases = cases};
