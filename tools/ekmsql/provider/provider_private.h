/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this folder: calls that only they make, and the trace of a call.
 */
#ifndef EKMSQL_PROVIDER_PROVIDER_PRIVATE_H
#define EKMSQL_PROVIDER_PROVIDER_PRIVATE_H

#include "tools/ekmsql/provider/provider.h"

SqlCpError sql_cp_open_session(sql_provider *p, const char *identity, const sql_buf *secret,
                               SqlCpSession *session);
void sql_cp_close_session(sql_provider *p, SqlCpSession *session);
void sql_cp_trace(const sql_provider *p, const char *function, SqlCpError result, uint64_t start);
SqlCpError sql_cp_next_algorithm(sql_provider *p, SqlCpAlgId *id);

/* Calls a function of the provider and traces it. */
#define SQL_CP_CALL(rc, p, function, args)          \
    do {                                            \
        uint64_t start_ = host_microseconds();      \
        (rc) = (p)->call.function args;             \
        sql_cp_trace((p), #function, (rc), start_); \
    } while (0)

#endif
