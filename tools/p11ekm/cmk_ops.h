/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cmk and cek verbs share: the key store with its token logged in, and master keys by
 * name or key path. The store does the operations and writes the audit records (cmk/store.h).
 */
#ifndef TOOLS_P11EKM_CMK_OPS_H
#define TOOLS_P11EKM_CMK_OPS_H

#include "cmk/store.h"
#include "tools/p11ekm/session.h"
#include "tools/p11ekm/values.h"

enum { CLI_ECEK_MAX = 8192 };

/* Initialize it with zeros, and close it in every case. */
typedef struct cli_store {
    cli_session session; /* has found the token; the store logs in */
    cmk_store *store;
} cli_store;

CORE_MUST_USE core_status cli_store_open(cli_call *call, cli_store *store, core_err *err);
void cli_store_close(cli_store *store);
/* Checks that a name from the command line may be used in T-SQL and on a token. `option` is
 * "--cmk". Fails as cli_usage(). */
CORE_MUST_USE core_status cli_name_check(cli_call *call, const char *option, const char *name,
                                         core_err *err);
/* Appends to *path the key path of `name`: a name on the token, or a key path. Fails as
 * cli_usage() if it can be neither. */
CORE_MUST_USE core_status cli_key_path(cli_call *call, const tok_token *token,
                                       const char *name_or_path, core_str *path, core_err *err);
/* The key path of a key that is on the token, with any name. */
CORE_MUST_USE core_status cli_path_of(const tok_token *token, const char *name, core_str *path);

/* Writes an encrypted value to the file of --output, or to the output as `name`. cli_sql_deliver
 * does the same with T-SQL; to standard output it writes only ASCII, which is the same in every
 * code page. */
CORE_MUST_USE core_status cli_deliver(cli_call *call, const char *name, const core_str *text,
                                      core_err *err);
CORE_MUST_USE core_status cli_sql_deliver(cli_call *call, const core_str *sql, core_err *err);
/* Adds one line of a verification, or one object of the document {"results": []}. */
void cli_finding(cli_call *call, const char *what, const char *name, core_status st,
                 const core_err *err);

#endif
