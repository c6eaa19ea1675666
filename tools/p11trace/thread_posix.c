/* SPDX-License-Identifier: Apache-2.0
 *
 * The calling thread on Linux: id and stack. POSIX has no impersonation and no fibers.
 */
#include <pthread.h>
#include <unistd.h>
#include "tools/p11trace/thread.h"

void trace_thread_describe(trace_thread *out)
{
    pthread_attr_t attributes;
    void *lowest = NULL;
    size_t size = 0;

    *out = (trace_thread){.id = (uint64_t)gettid(), .impersonation = "none"};
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
        out->stack_size = size;
        out->stack_left = (uint64_t)((uintptr_t)__builtin_frame_address(0) - (uintptr_t)lowest);
    }
    pthread_attr_destroy(&attributes);
}
