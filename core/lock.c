/* SPDX-License-Identifier: Apache-2.0
 *
 * The fork-safe mutex. No pthread_atfork: its handlers outlive a library that is unloaded, and they
 * run inside modules that fork while they initialise.
 */
#include "core/lock.h"

#include <sched.h>
#include <string.h>
#include "core/platform.h"

void core_lock_take(core_lock *lock)
{
    const uint32_t self = core_process_id();
    uint32_t seen = atomic_load_explicit(&lock->process, memory_order_acquire);
    while (seen != self) {
        if (seen == CORE_LOCK_BUSY) {
            (void)sched_yield();
            seen = atomic_load_explicit(&lock->process, memory_order_acquire);
        } else if (atomic_compare_exchange_strong(&lock->process, &seen, CORE_LOCK_BUSY)) {
            const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
            memcpy(&lock->mutex, &fresh, sizeof fresh);
            atomic_store_explicit(&lock->process, self, memory_order_release);
            seen = self;
        }
    }
    (void)pthread_mutex_lock(&lock->mutex);
}

void core_lock_give(core_lock *lock)
{
    (void)pthread_mutex_unlock(&lock->mutex);
}
