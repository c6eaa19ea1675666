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

/* A SID, in a buffer of its own. */
typedef struct core_sid {
    uint8_t bytes[SECURITY_MAX_SID_SIZE];
} core_sid;

/* platform_windows_account.c. The account of the process; false when that cannot be told. */
bool core_account_self(core_sid *out);
/* Whether the process has the rights of Administrators: elevated, or an account like SYSTEM. */
bool core_account_elevated(void);
/* NT SERVICE\name, but not ALL SERVICES. */
bool core_account_is_service(PSID sid);
/* The SID of "DOMAIN\name", of "NT SERVICE\name" (of a service that need not be there) or of a
 * SID in text. ST_NOT_FOUND. */
CORE_MUST_USE core_status core_account_find(const char *name, core_sid *out, core_err *err);
/* "DOMAIN\name", or the SID where there is no name; and always the SID. */
void core_account_text(PSID sid, char out[192]);
void core_account_sid_text(PSID sid, char out[192]);
/* A name for a file of that account (NULL: the process's): "MSSQLSERVER", "DOMAIN_name", the SID.
 */
CORE_MUST_USE core_status core_account_file_name(const char *account, char out[192], core_err *err);

/* Lets this thread act as the process where it impersonates a client; *client is NULL where it did
 * not. False: it cannot. Ends with core_impersonation_resume, which keeps GetLastError(). */
CORE_MUST_USE bool core_impersonation_pause(HANDLE *client);
void core_impersonation_resume(HANDLE client);

/* Whether the object behind the handle (opened with READ_CONTROL) belongs to SYSTEM, to
 * Administrators, to TrustedInstaller or to the running user, and grants nobody else any right in
 * `forbidden`. ST_UNSAFE_FILE names who it is and the command that mends it. */
CORE_MUST_USE core_status core_acl_check(HANDLE handle, const char *path, ACCESS_MASK forbidden,
                                         core_err *err);
/* The same of a security descriptor, with `user` as the running user (NULL: the process's). */
CORE_MUST_USE core_status core_acl_judge(PSECURITY_DESCRIPTOR descriptor, PSID user,
                                         const char *path, ACCESS_MASK forbidden, core_err *err);
/* Whether the list grants `user` all of `wanted`, by itself or through a group that every account
 * of its kind is in. Groups of a domain are not known here. */
bool core_acl_grants(PSECURITY_DESCRIPTOR descriptor, PSID user, ACCESS_MASK wanted);

/* Who may use a file that is made. CORE_ACL_ADMINISTRATORS: an elevated administrator makes it for
 * others, so it belongs to the group and has no entry of his own; made without elevation it is the
 * user's. CORE_ACL_ACCOUNT: the account writes it, elevated or not. */
typedef enum core_acl_maker { CORE_ACL_ADMINISTRATORS, CORE_ACL_ACCOUNT } core_acl_maker;
/* The security descriptor for that: SYSTEM, Administrators and, as said, the account; it inherits
 * nothing. The process's account and elevation, or others for a test. NULL on failure. Release with
 * LocalFree. */
PSECURITY_DESCRIPTOR core_acl_new(core_acl_maker maker);
PSECURITY_DESCRIPTOR core_acl_new_for(core_acl_maker maker, PSID user, bool elevated);
/* The same as CORE_ACL_ADMINISTRATORS for a directory, whose files inherit it; all users may look
 * into the directory itself. */
PSECURITY_DESCRIPTOR core_acl_directory(void);

/* Reads a security descriptor (owner and list) of a file or folder; *out NULL on failure. Release
 * with LocalFree. */
CORE_MUST_USE core_status core_acl_read(HANDLE handle, const char *path, PSECURITY_DESCRIPTOR *out,
                                        core_err *err);

/* platform_windows_seal.c: whether a file that was read is a sealed one; and what was sealed, in
 * its place. */
bool core_seal_marked(const core_secret *file);
CORE_MUST_USE core_status core_seal_open(const char *path, core_secret *file, core_err *err);

#endif
