/* SPDX-License-Identifier: Apache-2.0
 *
 * Lets unit tests that fork compile; compat.h's fork skips them before they wait.
 */
#ifndef TESTS_WINDOWS_WAIT_H
#define TESTS_WINDOWS_WAIT_H

#include <sys/types.h>

#define WIFEXITED(status)   ((status) == 0)
#define WIFSIGNALED(status) ((status) != 0)
#define WEXITSTATUS(status) (status)
#define WTERMSIG(status)    (status)

static inline pid_t waitpid(pid_t child, int *status, int options)
{
    (void)child;
    (void)options;
    *status = -1;
    return -1;
}

#endif
