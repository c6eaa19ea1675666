/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the POSIX platform share. Only core/platform_posix*.c may include it.
 */
#ifndef CORE_PLATFORM_POSIX_H
#define CORE_PLATFORM_POSIX_H

#include <sys/stat.h>
#include <sys/types.h>
#include "core/platform.h"

/* ST_IO: "PATH: cannot WHAT: the system's reason". */
core_status core_fail_errno(core_err *err, const char *path, const char *what, int error);
/* ST_UNSAFE_FILE unless owned by root or by this user, with none of the `forbidden` mode bits. */
CORE_MUST_USE core_status core_check_rights(const struct stat *s, const char *path,
                                            mode_t forbidden, core_err *err);

enum { CORE_USER_NAME_ROOM = 64 };
/* The user's name, or the number where there is none that can be part of a file's name. May ask a
 * directory service. */
void core_user_name(uid_t uid, char out[CORE_USER_NAME_ROOM]);

#endif
