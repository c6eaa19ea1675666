/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cmk and cek verbs share: the key store with its token logged in, and master keys by name
 * or key path. The store does the work and writes the audit (cmk/store.h).
 */
#ifndef TOOLS_P11EKM_CMK_OPS_H
#define TOOLS_P11EKM_CMK_OPS_H

#include "cmk/store.h"
#include "tools/p11ekm/session.h"
#include "tools/p11ekm/values.h"

enum { CLI_ECEK_MAX = 8192 };

/* Zero it first, close it always. */
typedef struct cli_store {
    cli_session session; /* finds the token; the store logs in */
    cmk_store *store;
} cli_store;

CORE_MUST_USE core_status cli_store_open(cli_call *call, cli_store *store, core_err *err);
void cli_store_close(cli_store *store);
/* Whether a name from the command line may stand in T-SQL and on a token; `option` is "--cmk".
 * Wrong use where it may not. */
CORE_MUST_USE core_status cli_name_check(cli_call *call, const char *option, const char *name,
                                         core_err *err);
/* The key path that an administrator means by a name on the token, or by a key path. Appended to
 * *path. Wrong use where it can be neither. */
CORE_MUST_USE core_status cli_key_path(cli_call *call, const tok_token *token,
                                       const char *name_or_path, core_str *path, core_err *err);
/* The key path of a key that the token has, whatever its name. */
CORE_MUST_USE core_status cli_path_of(const tok_token *token, const char *name, core_str *path);

/* An encrypted value to the file of --output, or to the output as `name`; and T-SQL, which goes to
 * standard output only where its bytes mean the same in every code page. */
CORE_MUST_USE core_status cli_deliver(cli_call *call, const char *name, const core_str *text,
                                      core_err *err);
CORE_MUST_USE core_status cli_sql_deliver(cli_call *call, const core_str *sql, core_err *err);
/* One line of a verification, in the document {"results": []}. */
void cli_finding(cli_call *call, const char *what, const char *name, core_status st,
                 const core_err *err);

#endif
