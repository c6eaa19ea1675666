/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the file and path functions of the Windows platform. Only core/platform_windows_*.c may
 * include it.
 */
#ifndef CORE_PLATFORM_WINDOWS_PATH_H
#define CORE_PLATFORM_WINDOWS_PATH_H

#include "core/platform_windows.h"

/* ST_IO: "PATH: cannot WHAT: reason", with the text of Windows for `error`. */
core_status core_fail_windows(core_err *err, const char *path, const char *what, DWORD error);
/* CreateFile on a UTF-8 path with the rights of the process; INVALID_HANDLE_VALUE and *error on
 * failure. */
HANDLE core_open_path(const char *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *security,
                      DWORD how, DWORD flags, DWORD *error);
/* The same; a new file gets the access list of core_acl_new(maker). A link is not followed, and a
 * pipe does not learn our identity. */
HANDLE core_open_private(const char *path, core_acl_maker maker, DWORD access, DWORD share,
                         DWORD how, DWORD *error);
#define CORE_OPEN_FLAGS \
    ((DWORD)(FILE_FLAG_OPEN_REPARSE_POINT | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS))
#define CORE_SHARE_ALL ((DWORD)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE))
/* An account with one of these rights can replace the bytes of a file. Lists that were written by
 * hand may contain GENERIC_ bits. */
#define CORE_MAY_REPLACE                                                            \
    ((ACCESS_MASK)(DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL | \
                   MAXIMUM_ALLOWED))
#define CORE_MAY_WRITE ((ACCESS_MASK)(FILE_WRITE_DATA | FILE_APPEND_DATA))
/* Checks the directories above a file: no other account may replace one or, with `new_files`,
 * create a file in the last. `user` is the running user; NULL: that of the process. */
CORE_MUST_USE core_status core_check_above(const char *path, PSID user, bool new_files,
                                           core_err *err);
/* The rights to a file of that kind that only trusted accounts may have. */
ACCESS_MASK core_forbidden(core_file_kind kind);

#endif
