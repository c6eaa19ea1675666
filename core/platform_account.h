/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that belong to one account each, and checks of files for another account.
 */
#ifndef CORE_PLATFORM_ACCOUNT_H
#define CORE_PLATFORM_ACCOUNT_H

#include "core/platform.h"

/* The accounts that can read a file that was just created, as a phrase: "by its owner only".
 * Static. */
const char *core_file_readers(void);
/* The usual account of the SQL Server service; NULL on systems without EKM providers. Static. */
const char *core_service_account(void);
/* Adds the command that lets the account of the SQL Server service read such a file. */
void core_file_share_command(const char *path, core_str *out);

/* In the path of a log or audit file, "%u" stands for a name of the account that writes it.
 * core_account_path replaces it with the name of `account` (NULL: that of this process). Release
 * *out with core_free. ST_NOT_FOUND: no such account. */
CORE_MUST_USE core_status core_account_path(const char *path, const char *account, char **out,
                                            core_err *err);
/* Checks a file as core_file_check would in a process of that account, and that the account may use
 * it: read it, or append to it (CORE_FILE_LOG, also if it does not exist yet). ST_IO: the account
 * may not; ST_NOT_SUPPORTED except on Windows. */
CORE_MUST_USE core_status core_file_check_as(const char *account, const char *path,
                                             core_file_kind kind, core_err *err);
/* Calls `visit` for each file that matches a path with "%u" in its last component, with the account
 * that writes the file. ST_UNSAFE_FILE and `err`: accounts other than that one and administrators
 * may write it. */
typedef void (*core_account_visit)(void *context, const char *path, const char *account,
                                   core_status st, const core_err *err);
void core_account_files(const char *pattern, core_account_visit visit, void *context);
#endif
