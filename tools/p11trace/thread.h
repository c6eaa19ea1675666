/* SPDX-License-Identifier: Apache-2.0
 *
 * What p11trace records about the calling thread. thread_posix.c and thread_windows.c implement it.
 */
#ifndef P11TRACE_THREAD_H
#define P11TRACE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct trace_thread {
    uint64_t id;
    const char *impersonation; /* "none", or the level of the thread's token; static */
    char account[192];         /* SID of the impersonated account; "" without impersonation */
    bool fiber;
    uint64_t stack_size; /* bytes; 0: unknown */
    uint64_t stack_left; /* bytes below the caller's frame; 0: unknown */
} trace_thread;

/* Describes the calling thread. Does not fail: unknown values stay zero, "unknown" or "". */
void trace_thread_describe(trace_thread *out);

#endif
