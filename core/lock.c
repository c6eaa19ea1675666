/* SPDX-License-Identifier: Apache-2.0
 *
 * The fork-safe mutex. No pthread_atfork: its handlers outlive a library that is unloaded, and they
 * run inside modules that fork while they initialise.
 */
#include "core/lock.h"

#include <string.h>
#include "core/platform.h"

uint64_t core_deadline_us(unsigned wait_ms)
{
    return core_now_us() + (uint64_t)wait_ms * 1000U;
}

void core_lock_destroy(core_lock *lock)
{
    core_mutex_destroy(&lock->mutex);
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_acquire(core_lock *lock)
{
    const uint32_t self = core_process_id();
    uint32_t seen = atomic_load_explicit(&lock->process, memory_order_acquire);
    while (seen != self) {
        if (seen == CORE_LOCK_BUSY) {
            core_thread_yield();
            seen = atomic_load_explicit(&lock->process, memory_order_acquire);
        } else if (atomic_compare_exchange_strong(&lock->process, &seen, CORE_LOCK_BUSY)) {
            const core_mutex fresh = CORE_MUTEX_INIT;
            memcpy(&lock->mutex, &fresh, sizeof fresh);
            atomic_store_explicit(&lock->process, self, memory_order_release);
            seen = self;
        }
    }
    core_mutex_lock(&lock->mutex);
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_release(core_lock *lock)
{
    core_mutex_unlock(&lock->mutex);
}

/* Holds the lock through its mutex. */
CORE_NO_ANALYSIS
void core_lock_wait(core_lock *lock, core_cond *cond)
{
    core_cond_wait(cond, &lock->mutex);
}
