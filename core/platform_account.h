/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that belong to one account each, and files as another account finds them.
 */
#ifndef CORE_PLATFORM_ACCOUNT_H
#define CORE_PLATFORM_ACCOUNT_H

#include "core/platform.h"

/* Who may read a file that was just made, in words for people: "by its owner only". */
const char *core_file_readers(void);
/* What SQL Server's service usually runs as; NULL where it serves no EKM providers. Static. */
const char *core_service_account(void);
/* Adds the command that lets the account of SQL Server's service read such a file. */
void core_file_share_command(const char *path, core_str *out);

/* In the path of a log or audit file, "%u" stands for a name
 * of the account that writes it. core_account_path replaces it with that of `account` (NULL: the
 * one of this process); *out is released with core_free. ST_NOT_FOUND: no such account. */
CORE_MUST_USE core_status core_account_path(const char *path, const char *account, char **out,
                                            core_err *err);
/* What core_file_check finds when that account runs it, and whether it may do what the kind is for:
 * read it, or append to it (CORE_FILE_LOG, also one that does not exist yet). ST_IO where it may
 * not; ST_NOT_SUPPORTED but on Windows. */
CORE_MUST_USE core_status core_file_check_as(const char *account, const char *path,
                                             core_file_kind kind, core_err *err);
/* Calls `visit` for each file that a path with "%u" in its last part stands for, with the account
 * that writes it and whether nobody else but administrators may (ST_UNSAFE_FILE, err). */
typedef void (*core_account_visit)(void *context, const char *path, const char *account,
                                   core_status st, const core_err *err);
void core_account_files(const char *pattern, core_account_visit visit, void *context);
#endif
