/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of programs on POSIX systems. In a file of its own, because the library starts no thread.
 */
#include "core/lock.h"

static void *run_thread(void *argument)
{
    const core_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

bool core_thread_start(core_thread *thread, void (*run)(void *argument), void *argument)
{
    thread->run = run;
    thread->argument = argument;
    return pthread_create(&thread->id, NULL, run_thread, thread) == 0;
}

void core_thread_join(core_thread *thread)
{
    (void)pthread_join(thread->id, NULL);
}
