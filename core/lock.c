/* SPDX-License-Identifier: Apache-2.0
 *
 * The mutex for process-wide state that survives a fork. It uses no pthread_atfork: those handlers
 * outlive a library that is unloaded, and they run inside modules that fork during C_Initialize.
 */
#include "core/lock.h"

#include <stdio.h>
#include <string.h>
#include "core/platform.h"

uint64_t core_deadline_us(unsigned wait_ms)
{
    return core_now_us() + (uint64_t)wait_ms * 1000U;
}

#ifndef NDEBUG
static _Thread_local int mutexes_held;

void core_check(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "p11ekm, debug build: %s\n", what);
    __builtin_trap();
}

unsigned core_mutexes_held(void)
{
    return (unsigned)mutexes_held;
}

void core_mutex_count(int change)
{
    mutexes_held += change;
    core_check(mutexes_held >= 0, "a mutex is released by a thread that does not hold it");
}
#endif

void core_lock_destroy(core_lock *lock)
{
    core_mutex_destroy(&lock->mutex);
}

/* Makes the mutex new for the process `self`, or waits while another thread does. */
static CORE_COLD void renew(core_lock *lock, uint32_t self)
{
    static const core_mutex fresh = CORE_MUTEX_INIT;
    uint32_t seen = atomic_load_explicit(&lock->process, memory_order_acquire);
    while (seen != self) {
        if (seen == CORE_LOCK_BUSY) {
            core_thread_yield();
            seen = atomic_load_explicit(&lock->process, memory_order_acquire);
        } else if (atomic_compare_exchange_strong(&lock->process, &seen, CORE_LOCK_BUSY)) {
            memcpy(&lock->mutex, &fresh, sizeof fresh);
            atomic_store_explicit(&lock->process, self, memory_order_release);
            seen = self;
        }
    }
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_acquire(core_lock *lock)
{
    const uint32_t self = core_process_id();
    if (atomic_load_explicit(&lock->process, memory_order_acquire) != self)
        renew(lock, self);
    core_mutex_lock(&lock->mutex);
    core_mutex_count(-1); /* a core_lock is not counted */
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_release(core_lock *lock)
{
    core_mutex_count(1);
    core_mutex_unlock(&lock->mutex);
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_wait(core_lock *lock, core_cond *cond)
{
    core_cond_wait(cond, &lock->mutex);
}
