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

#endif
