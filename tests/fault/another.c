/* SPDX-License-Identifier: Apache-2.0
 *
 * See another.h.
 */
#include "tests/fault/another.h"

#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "raw.h"

extern char **environ;

static const char *program;

bool another_is(int argc, char **argv, int *status)
{
    raw_token other;
    CK_RV rv = CKR_OK;
    bool set = argc > 3 && strcmp(argv[1], "setpin") == 0;

    program = argv[0];
    if (!set && (argc < 3 || strcmp(argv[1], "login") != 0))
        return false;
    (void)setenv("PIN", argv[2], 1);
    bool in = raw_open(&other);
    if (in && set)
        rv = other.f->C_SetPIN(other.session, (CK_BYTE *)argv[2], strlen(argv[2]),
                               (CK_BYTE *)argv[3], strlen(argv[3]));
    if (in)
        raw_close(&other, true);
    *status = in && rv == CKR_OK ? 0 : 1;
    return true;
}

bool another_does(const char *verb, const char *from, const char *to)
{
    pid_t pid;
    int status = -1;
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)verb, (char *)(uintptr_t)from,
                    (char *)(uintptr_t)to, NULL};
    return posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
