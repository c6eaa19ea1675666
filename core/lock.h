/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes and condition variables, a mutex for process-wide state that survives a fork, and threads
 * for the tools. All components lock through these functions. Only core_thread_start can fail.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "core/platform_lock.h"

/* A mutex. It is not recursive, and the thread that locked it releases it. CORE_MUTEX_INIT
 * initializes a static one. */
void core_mutex_init(core_mutex *mutex);
void core_mutex_destroy(core_mutex *mutex);
void core_mutex_lock(core_mutex *mutex) CORE_ACQUIRE(*mutex);
void core_mutex_unlock(core_mutex *mutex) CORE_RELEASE(*mutex);

/* Debug builds: core_check ends the process with a message unless `holds`. core_mutexes_held: how
 * many core_mutex this thread holds, without those of a core_lock, some of which are held while a
 * module is called (docs/ARCHITECTURE.md, "Locks"). core_mutex_count is for the functions of this
 * header. */
#ifdef NDEBUG
#define core_mutex_count(change) ((void)0)
#else
void core_check(bool holds, const char *what);
unsigned core_mutexes_held(void);
void core_mutex_count(int change);
#endif

/* A condition variable. The caller holds the mutex while it waits, and checks its condition in a
 * loop: a wait may return early. CORE_COND_INIT initializes a static one. */
void core_cond_init(core_cond *cond);
void core_cond_destroy(core_cond *cond);
void core_cond_wait(core_cond *cond, core_mutex *mutex) CORE_REQUIRES(*mutex);
/* Waits until `deadline_us` at the latest, a time of core_now_us(); false when that has passed. A
 * change of the wall clock does not matter. */
bool core_cond_wait_until(core_cond *cond, core_mutex *mutex, uint64_t deadline_us)
    CORE_REQUIRES(*mutex);
void core_cond_signal(core_cond *cond);
void core_cond_broadcast(core_cond *cond);

/* Starts a thread that calls run(argument). False: the system cannot start one, and there is
 * nothing to join. Do not move or read *thread before core_thread_join, which waits until `run` has
 * returned; call it once. For programs only: the library starts no thread in its host. */
bool core_thread_start(core_thread *thread, void (*run)(void *argument), void *argument);
void core_thread_join(core_thread *thread);

/* The time of core_now_us() that is `wait_ms` milliseconds from now. */
uint64_t core_deadline_us(unsigned wait_ms);

/* A mutex for process-wide state that survives a fork. If another thread holds it during a fork,
 * the child's copy would stay locked forever; the first thread that locks it in the child
 * initializes it again. The guarded data may then be half changed, so guard only data that stays
 * valid at each step. */
typedef struct CORE_CAPABILITY("mutex") core_lock {
    core_mutex mutex;
    _Atomic uint32_t
        process; /* id of the process that the mutex belongs to, or a CORE_LOCK_ value */
} core_lock;

#define CORE_LOCK_NEW  0U
#define CORE_LOCK_BUSY UINT32_MAX
#define CORE_LOCK_INIT                 \
    {                                  \
        CORE_MUTEX_INIT, CORE_LOCK_NEW \
    }

void core_lock_destroy(core_lock *lock);
void core_lock_acquire(core_lock *lock) CORE_ACQUIRE(*lock);
void core_lock_release(core_lock *lock) CORE_RELEASE(*lock);
/* core_cond_wait, called with the lock held. */
void core_lock_wait(core_lock *lock, core_cond *cond) CORE_REQUIRES(*lock);

#endif
