/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of core/lock.h, which includes this file. POSIX systems use pthreads. Windows uses its
 * slim reader/writer locks, condition variables and threads, so that the DLL brings no thread
 * library and no exception handler of one into the host.
 */
#ifndef CORE_PLATFORM_LOCK_H
#define CORE_PLATFORM_LOCK_H

#include "core/lock_check.h"

#ifdef _WIN32

/* SRWLOCK and CONDITION_VARIABLE are one pointer each; this header does not include windows.h. */
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
