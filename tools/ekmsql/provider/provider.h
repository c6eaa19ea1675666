/* SPDX-License-Identifier: Apache-2.0
 *
 * Calling an EKM provider library as SQL Server does: load and check it, ask for every variable
 * output twice, refuse a provider that breaks the interface, and trace each call.
 *
 * The functions named sql_cp_* return the provider's code; SQL_CP_BROKEN stands for a provider that
 * broke the interface (what it did is said on stderr).
 */
#ifndef EKMSQL_PROVIDER_PROVIDER_H
#define EKMSQL_PROVIDER_PROVIDER_H

#include "ekm/sqlcp.h"
#include "tools/ekmsql/engine/engine.h"
#include "tools/ekmsql/base/host.h"

#define SQL_CP_BROKEN UINT32_MAX

typedef struct sql_algorithm {
    SqlCpAlgId id;
    char tag[scp_MaxAlgTag / 2 + 1];
    SqlCpKeyType type;
    SqlCpUlong bits;
    SqlCpUlong iv_bits;
    struct sql_algorithm *next;
} sql_algorithm;

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a parameter list cannot be put in parentheses. */
#define SQL_CALL_MEMBER(state, name, parameters) SqlCpError(*name) parameters;
typedef struct sql_calls {
    SQLCP_EXPORTS(SQL_CALL_MEMBER)
} sql_calls;
#undef SQL_CALL_MEMBER

struct sql_provider {
    int64_t id; /* provider_id; 0 before it is registered */
    char *name;
    char *path;
    host_lib *lib;
    sql_calls call;
    SqlCpProviderInfo info; /* info.name.ws is not kept: friendly_name is */
    char *friendly_name;
    sql_algorithm *algorithms;
    bool trace;
    sql_provider *next;
};

typedef struct sql_key_info {
    sql_buf name; /* UTF-8 */
    sql_buf thumb;
    SqlCpAlgId algorithm;
    SqlCpKeyFlags flags;
} sql_key_info;

/* Loads the library, resolves the 17 names, initialises it, checks its properties and lists its
 * algorithms. False with the message reported and nothing left loaded. */
bool sql_provider_load(sql_engine *e, sql_provider *p);
void sql_provider_unload(sql_provider *p);
void sql_provider_free(sql_provider *p);

/* The registered provider, loaded and checked against the catalogue; NULL with the message
 * reported. */
sql_provider *sql_provider_get(sql_engine *e, const char *name);
sql_provider *sql_provider_by_guid(sql_engine *e, const sql_buf *guid);
/* Closes its crypto sessions, frees and unloads it. */
void sql_provider_close(sql_engine *e, int64_t id);
bool sql_ekm_enabled(sql_engine *e);
/* aa.bb.cccc.dd, as sys.dm_cryptographic_provider_properties prints versions. */
const char *sql_version(sql_engine *e, const SqlCpVersion *version);

const sql_algorithm *sql_algorithm_by_id(const sql_provider *p, SqlCpAlgId id);
const sql_algorithm *sql_algorithm_by_tag(const sql_provider *p, const char *tag);

SqlCpError sql_cp_open_session(sql_provider *p, const char *identity, const sql_buf *secret,
                               SqlCpSession *session);
void sql_cp_close_session(sql_provider *p, SqlCpSession *session);
SqlCpError sql_cp_create_key(sql_provider *p, const SqlCpSession *s, const char *name,
                             SqlCpAlgId algorithm, sql_buf *thumb);
SqlCpError sql_cp_drop_key(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb);
SqlCpError sql_cp_next_key(sql_provider *p, const SqlCpSession *s, SqlCpKeyId *id);
SqlCpError sql_cp_info_by_id(sql_provider *p, const SqlCpSession *s, SqlCpKeyId id,
                             sql_key_info *info);
SqlCpError sql_cp_info_by_thumb(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                                sql_key_info *info);
SqlCpError sql_cp_info_by_name(sql_provider *p, const SqlCpSession *s, const char *name,
                               sql_key_info *info);
void sql_key_info_free(sql_key_info *info);
SqlCpError sql_cp_export_public(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                                sql_buf *blob);
SqlCpError sql_cp_encrypt(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                          const sql_buf *in, sql_buf *out);
SqlCpError sql_cp_decrypt(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                          const sql_buf *in, sql_buf *out);

/* For provider.c and provider_calls.c. */
void sql_cp_trace(const sql_provider *p, const char *function, SqlCpError result, uint64_t start);
SqlCpError sql_cp_get_info(sql_provider *p);
SqlCpError sql_cp_next_algorithm(sql_provider *p, SqlCpAlgId *id);
SqlCpError sql_cp_algorithm_info(sql_provider *p, SqlCpAlgId id, sql_algorithm *out);

/* Calls a function of the provider and traces it. */
#define SQL_CP_CALL(rc, p, function, args)          \
    do {                                            \
        uint64_t start_ = host_microseconds();      \
        (rc) = (p)->call.function args;             \
        sql_cp_trace((p), #function, (rc), start_); \
    } while (0)

#endif
