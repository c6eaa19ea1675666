/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Windows halves of the rooms share: paths and error texts between UTF-8, which all of
 * p11ekm speaks, and the UTF-16 of Windows, and the access lists that say who may change a file.
 * Only core/platform_windows*.c and pkcs11/loader_windows.c may include it.
 */
#ifndef CORE_PLATFORM_WINDOWS_H
#define CORE_PLATFORM_WINDOWS_H

#include <windows.h>
#include "core/platform.h"

/* A path for the W functions, made absolute and given the \\?\ prefix where it is long. NULL when
 * it is not UTF-8 or memory is out. Release with core_free. */
wchar_t *core_wide_path(const char *utf8);
/* The reverse, without the \\?\ prefix. NULL on failure. Release with core_free. */
char *core_utf8_path(const wchar_t *wide);

/* Windows' text for an error, in UTF-8 and without the line break; "error N" where there is none.
 */
typedef struct core_win_reason {
    char text[160];
} core_win_reason;
core_win_reason core_win_error(DWORD error);

/* Whether the object behind the handle (opened with READ_CONTROL) belongs to SYSTEM, to
 * Administrators, to TrustedInstaller or to the running user, and grants nobody else any right in
 * `forbidden`. ST_UNSAFE_FILE names who it is and the command that mends it. */
CORE_MUST_USE core_status core_acl_check(HANDLE handle, const char *path, ACCESS_MASK forbidden,
                                         core_err *err);
/* The same of a security descriptor. */
CORE_MUST_USE core_status core_acl_judge(PSECURITY_DESCRIPTOR descriptor, const char *path,
                                         ACCESS_MASK forbidden, core_err *err);
/* A security descriptor that gives all rights to SYSTEM, Administrators and the running user, and
 * inherits nothing. NULL on failure. Release with LocalFree. */
PSECURITY_DESCRIPTOR core_acl_private(void);

/* The same for a directory, whose files inherit it; all users may look into the directory itself.
 */
PSECURITY_DESCRIPTOR core_acl_directory(void);

/* platform_windows_seal.c: whether a file that was read is a sealed one; and what was sealed, in
 * its place. */
bool core_seal_marked(const core_secret *file);
CORE_MUST_USE core_status core_seal_open(const char *path, core_secret *file, core_err *err);

#endif
