/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files and the paths of the Windows platform share. Only core/platform_windows_*.c may
 * include it.
 */
#ifndef CORE_PLATFORM_WINDOWS_PATH_H
#define CORE_PLATFORM_WINDOWS_PATH_H

#include "core/platform_windows.h"

/* ST_IO: "PATH: cannot WHAT: the system's reason". */
core_status core_fail_windows(core_err *err, const char *path, const char *what, DWORD error);
/* CreateFile on a UTF-8 path, with the process's own rights; INVALID_HANDLE_VALUE with *error. */
HANDLE core_open_path(const char *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *security,
                      DWORD how, DWORD flags, DWORD *error);
/* The same, where a file that is made gets the access list of core_acl_new(maker). Of a link, the
 * link itself is opened; of a pipe, no identity is shown. */
HANDLE core_open_private(const char *path, core_acl_maker maker, DWORD access, DWORD share,
                         DWORD how, DWORD *error);
#define CORE_OPEN_FLAGS \
    ((DWORD)(FILE_FLAG_OPEN_REPARSE_POINT | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS))
#define CORE_SHARE_ALL ((DWORD)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE))
/* Whoever has one of these can put other bytes in a file's place. GENERIC_ bits stay in lists that
 * were written by hand. */
#define CORE_MAY_REPLACE                                                            \
    ((ACCESS_MASK)(DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL | \
                   MAXIMUM_ALLOWED))
#define CORE_MAY_WRITE ((ACCESS_MASK)(FILE_WRITE_DATA | FILE_APPEND_DATA))
/* The directories above a file: nobody else may replace one, nor, with `new_files`, put a new file
 * into the last. `user` is the running user; NULL: the process's. */
CORE_MUST_USE core_status core_check_above(const char *path, PSID user, bool new_files,
                                           core_err *err);
/* The rights to a file of that kind that nobody but those trusted may have. */
ACCESS_MASK core_forbidden(core_file_kind kind);

#endif
