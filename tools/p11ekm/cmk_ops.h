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
/* The key path that a name on the token, or a key path itself, means. Appended to *path. */
CORE_MUST_USE core_status cli_key_path(const tok_token *token, const char *name_or_path,
                                       core_str *path);

/* T-SQL or an encrypted value to the file of --output, or to the output as `name`. */
CORE_MUST_USE core_status cli_deliver(cli_call *call, const char *name, const core_str *text,
                                      core_err *err);
/* One line of a verification, in the document {"results": []}. */
void cli_finding(cli_call *call, const char *what, const char *name, core_status st,
                 const core_err *err);

#endif
