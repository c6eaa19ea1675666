/* SPDX-License-Identifier: Apache-2.0
 *
 * The types behind core/lock.h: pthreads on POSIX systems; slim reader/writer locks, condition
 * variables and threads of the system on Windows, so that the DLL brings no thread library and no
 * exception handler of one into the host. Include core/lock.h instead.
 */
#ifndef CORE_PLATFORM_LOCK_H
#define CORE_PLATFORM_LOCK_H

#include "core/lock_check.h"

#ifdef _WIN32

/* SRWLOCK and CONDITION_VARIABLE are one pointer each; windows.h is kept out of our headers. */
typedef struct CORE_CAPABILITY("mutex") core_mutex {
    void *word;
} core_mutex;
typedef struct core_cond {
    void *word;
} core_cond;
typedef struct core_thread {
    void *handle;
    void (*run)(void *argument);
    void *argument;
} core_thread;
#define CORE_MUTEX_INIT \
    {                   \
        0               \
    }
#define CORE_COND_INIT \
    {                  \
        0              \
    }

#else

#include <pthread.h>

typedef struct CORE_CAPABILITY("mutex") core_mutex {
    pthread_mutex_t mutex;
} core_mutex;
typedef struct core_cond {
    pthread_cond_t cond;
} core_cond;
typedef struct core_thread {
    pthread_t id;
    void (*run)(void *argument);
    void *argument;
} core_thread;
#define CORE_MUTEX_INIT           \
    {                             \
        PTHREAD_MUTEX_INITIALIZER \
    }
#define CORE_COND_INIT           \
    {                            \
        PTHREAD_COND_INITIALIZER \
    }

#endif

#endif
