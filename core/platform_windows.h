/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the Windows files of all components: paths and error texts in UTF-8 and UTF-16, and the
 * access lists that control who may change a file. Only core/platform_windows*.c and
 * pkcs11/loader_windows.c may include it.
 */
#ifndef CORE_PLATFORM_WINDOWS_H
#define CORE_PLATFORM_WINDOWS_H

#include <windows.h>
#include "core/platform.h"

/* A path for the W functions, absolute and with the \\?\ prefix if it is long. NULL: not UTF-8, or
 * out of memory. Release with core_free. */
wchar_t *core_wide_path(const char *utf8);
/* The reverse, without the \\?\ prefix. NULL on failure. Release with core_free. */
char *core_utf8_path(const wchar_t *wide);

/* The text of a Windows error in UTF-8 without the line break; "error N" if Windows has none. */
typedef struct core_win_reason {
    char text[160];
} core_win_reason;
core_win_reason core_win_error(DWORD error);

/* A SID in a fixed buffer. */
typedef struct core_sid {
    uint8_t bytes[SECURITY_MAX_SID_SIZE];
} core_sid;

/* platform_windows_account.c. The account of the process; false: not known. */
bool core_account_self(core_sid *out);
/* True if the process has the rights of Administrators: elevated, or an account like SYSTEM. */
bool core_account_elevated(void);
/* NT SERVICE\name, but not ALL SERVICES. */
bool core_account_is_service(PSID sid);
/* The SID of "DOMAIN\name", of "NT SERVICE\name" (the service need not exist) or of a SID as text.
 * ST_NOT_FOUND. */
CORE_MUST_USE core_status core_account_find(const char *name, core_sid *out, core_err *err);
/* core_account_text: "DOMAIN\name", or the SID if it has no name. core_account_sid_text: always the
 * SID. */
void core_account_text(PSID sid, char out[192]);
void core_account_sid_text(PSID sid, char out[192]);
/* A name of the account (NULL: that of the process) for use in a file name: "MSSQLSERVER",
 * "DOMAIN_name", or the SID. */
CORE_MUST_USE core_status core_account_file_name(const char *account, char out[192], core_err *err);

/* Ends the impersonation of a client on this thread; *client is NULL if there was none. False: not
 * possible. Call core_impersonation_resume afterwards, which preserves GetLastError(). */
CORE_MUST_USE bool core_impersonation_pause(HANDLE *client);
void core_impersonation_resume(HANDLE client);

/* Checks that SYSTEM, Administrators, TrustedInstaller or the running user owns the object (opened
 * with READ_CONTROL), and that no other account has a right in `forbidden`. ST_UNSAFE_FILE: the
 * text names the account and the command that corrects it. */
CORE_MUST_USE core_status core_acl_check(HANDLE handle, const char *path, ACCESS_MASK forbidden,
                                         core_err *err);
/* The same for a security descriptor, with `user` as the running user (NULL: that of the process).
 */
CORE_MUST_USE core_status core_acl_check_descriptor(PSECURITY_DESCRIPTOR descriptor, PSID user,
                                                    const char *path, ACCESS_MASK forbidden,
                                                    core_err *err);
/* True if the list grants `user` all rights in `wanted`, directly or through a group that every
 * account of its kind belongs to. Domain groups are not resolved. */
bool core_acl_grants(PSECURITY_DESCRIPTOR descriptor, PSID user, ACCESS_MASK wanted);

/* The access to a new file. CORE_ACL_ADMINISTRATORS: an elevated administrator creates it for
 * others, so the group owns it and the administrator has no entry; without elevation the user owns
 * it. CORE_ACL_ACCOUNT: the account writes the file, elevated or not. */
typedef enum core_acl_maker { CORE_ACL_ADMINISTRATORS, CORE_ACL_ACCOUNT } core_acl_maker;
/* The security descriptor for that: entries for SYSTEM, Administrators and the account as
 * described; nothing is inherited. core_acl_new takes the account and elevation of the process,
 * core_acl_new_for those given. NULL on failure. Release with LocalFree. */
PSECURITY_DESCRIPTOR core_acl_new(core_acl_maker maker);
PSECURITY_DESCRIPTOR core_acl_new_for(core_acl_maker maker, PSID user, bool elevated);
/* The descriptor of CORE_ACL_ADMINISTRATORS for a directory, whose files inherit it. All users may
 * list the directory. */
PSECURITY_DESCRIPTOR core_acl_directory(void);

/* Reads the security descriptor (owner and access list) of a file or folder; *out is NULL on
 * failure. Release with LocalFree. */
CORE_MUST_USE core_status core_acl_read(HANDLE handle, const char *path, PSECURITY_DESCRIPTOR *out,
                                        core_err *err);

/* platform_windows_seal.c. core_seal_marked: the file has the mark of a sealed file. core_seal_open
 * replaces the sealed bytes in *file by the secret. */
bool core_seal_marked(const core_secret *file);
CORE_MUST_USE core_status core_seal_open(const char *path, core_secret *file, core_err *err);

#endif
