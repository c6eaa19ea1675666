/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the POSIX platform. Only core/platform_posix*.c may include it.
 */
#ifndef CORE_PLATFORM_POSIX_H
#define CORE_PLATFORM_POSIX_H

#include <sys/stat.h>
#include <sys/types.h>
#include "core/platform.h"

/* ST_IO: "PATH: cannot WHAT: reason", with the text of errno `error`. */
core_status core_fail_errno(core_err *err, const char *path, const char *what, int error);
/* ST_UNSAFE_FILE unless root or this user owns the file and none of the `forbidden` mode bits is
 * set. */
CORE_MUST_USE core_status core_check_rights(const struct stat *s, const char *path,
                                            mode_t forbidden, core_err *err);

enum { CORE_USER_NAME_SIZE = 64 };
/* The name of a user, or the number if the name cannot be part of a file name. May query a
 * directory service. */
void core_user_name(uid_t uid, char out[CORE_USER_NAME_SIZE]);

#endif
