/* SPDX-License-Identifier: Apache-2.0
 *
 * A mutex for process-wide state that survives a fork: when another thread held it while the
 * process forked, the child's copy would stay locked for ever. The first to lock it in a child
 * makes it new. What it guards may be half-changed then; guard only what stays valid at each step.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct core_lock {
    pthread_mutex_t mutex;
    _Atomic uint32_t process; /* whose mutex it is; a CORE_LOCK_ value in between */
} core_lock;

#define CORE_LOCK_NEW  0U
#define CORE_LOCK_BUSY UINT32_MAX
#define CORE_LOCK_INIT                           \
    {                                            \
        PTHREAD_MUTEX_INITIALIZER, CORE_LOCK_NEW \
    }

void core_lock_take(core_lock *lock);
void core_lock_give(core_lock *lock);

#endif
