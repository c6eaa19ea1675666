/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes and condition variables on Windows: SRWLOCK (exclusive mode only) and
 * CONDITION_VARIABLE. Neither holds a system resource, so there is nothing to destroy.
 */
#include <windows.h>
#include "core/lock.h"
#include "core/platform.h"

_Static_assert(sizeof(SRWLOCK) == sizeof(core_mutex), "core_mutex has the size of SRWLOCK");
_Static_assert(sizeof(CONDITION_VARIABLE) == sizeof(core_cond),
               "core_cond has the size of CONDITION_VARIABLE");

static SRWLOCK *srw(core_mutex *mutex)
{
    return (SRWLOCK *)(void *)mutex;
}

static CONDITION_VARIABLE *variable(core_cond *cond)
{
    return (CONDITION_VARIABLE *)(void *)cond;
}

void core_mutex_init(core_mutex *mutex)
{
    InitializeSRWLock(srw(mutex));
}

void core_mutex_destroy(core_mutex *mutex)
{
    (void)mutex;
}

/* The analysis does not know the lock of the system. */
CORE_NO_ANALYSIS
void core_mutex_lock(core_mutex *mutex)
{
    AcquireSRWLockExclusive(srw(mutex));
    core_mutex_count(1);
}

/* The analysis does not know the lock of the system. */
CORE_NO_ANALYSIS
void core_mutex_unlock(core_mutex *mutex)
{
    core_mutex_count(-1);
    ReleaseSRWLockExclusive(srw(mutex));
}

void core_cond_init(core_cond *cond)
{
    InitializeConditionVariable(variable(cond));
}

void core_cond_destroy(core_cond *cond)
{
    (void)cond;
}

void core_cond_wait(core_cond *cond, core_mutex *mutex)
{
    (void)SleepConditionVariableSRW(variable(cond), srw(mutex), INFINITE, 0);
}

/* Windows takes a duration in whole milliseconds. It is rounded up, so that the wait does not end
 * before the deadline, and limited to one day, after which the caller's loop waits again. */
bool core_cond_wait_until(core_cond *cond, core_mutex *mutex, uint64_t deadline_us)
{
    enum { DAY_MS = 86400000 };
    const uint64_t now = core_now_us();
    if (now >= deadline_us)
        return false;
    const uint64_t left_ms = (deadline_us - now + 999U) / 1000U;
    (void)SleepConditionVariableSRW(variable(cond), srw(mutex),
                                    left_ms > DAY_MS ? DAY_MS : (DWORD)left_ms, 0);
    return core_now_us() < deadline_us;
}

void core_cond_signal(core_cond *cond)
{
    WakeConditionVariable(variable(cond));
}

void core_cond_broadcast(core_cond *cond)
{
    WakeAllConditionVariable(variable(cond));
}

void core_thread_yield(void)
{
    (void)SwitchToThread();
}
