/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of programs on Windows. In a file of its own, because the library starts no thread: the
 * DLL must not import CreateThread.
 */
#include <windows.h>
#include "core/lock.h"

static DWORD WINAPI run_thread(LPVOID argument)
{
    const core_thread *thread = argument;
    thread->run(thread->argument);
    return 0;
}

bool core_thread_start(core_thread *thread, void (*run)(void *argument), void *argument)
{
    thread->run = run;
    thread->argument = argument;
    thread->handle = CreateThread(NULL, 0, run_thread, thread, 0, NULL);
    return thread->handle != NULL;
}

void core_thread_join(core_thread *thread)
{
    (void)WaitForSingleObject(thread->handle, INFINITE);
    (void)CloseHandle(thread->handle);
}
