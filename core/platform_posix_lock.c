/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes and condition variables on POSIX systems. Timed waits use the monotonic clock of
 * core_now_us().
 */
#include <sched.h>
#include <time.h>
#include "core/lock.h"
#include "core/platform.h"

void core_mutex_init(core_mutex *mutex)
{
    (void)pthread_mutex_init(&mutex->mutex, NULL);
}

void core_mutex_destroy(core_mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->mutex);
}

/* The analysis does not know the lock of the system. */
CORE_NO_ANALYSIS
void core_mutex_lock(core_mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->mutex);
    core_mutex_count(1);
}

/* The analysis does not know the lock of the system. */
CORE_NO_ANALYSIS
void core_mutex_unlock(core_mutex *mutex)
{
    core_mutex_count(-1);
    (void)pthread_mutex_unlock(&mutex->mutex);
}

void core_cond_init(core_cond *cond)
{
    (void)pthread_cond_init(&cond->cond, NULL);
}

void core_cond_destroy(core_cond *cond)
{
    (void)pthread_cond_destroy(&cond->cond);
}

void core_cond_wait(core_cond *cond, core_mutex *mutex)
{
    (void)pthread_cond_wait(&cond->cond, &mutex->mutex);
}

/* pthread_cond_clockwait takes the clock as an argument, so static initializers work too. */
bool core_cond_wait_until(core_cond *cond, core_mutex *mutex, uint64_t deadline_us)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_us / 1000000U),
                                   .tv_nsec = (long)(deadline_us % 1000000U) * 1000L};
    (void)pthread_cond_clockwait(&cond->cond, &mutex->mutex, CLOCK_MONOTONIC, &until);
    return core_now_us() < deadline_us;
}

void core_cond_signal(core_cond *cond)
{
    (void)pthread_cond_signal(&cond->cond);
}

void core_cond_broadcast(core_cond *cond)
{
    (void)pthread_cond_broadcast(&cond->cond);
}

void core_thread_yield(void)
{
    (void)sched_yield();
}
