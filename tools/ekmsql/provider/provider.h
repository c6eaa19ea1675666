/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls an EKM provider library as SQL Server does: loads and checks it, queries each variable
 * output twice, refuses a provider that violates the interface, and traces each call. Also the
 * crypto sessions of the provider.
 *
 * The functions sql_cp_* return the code of the provider, or SQL_CP_BROKEN if the provider
 * violated the interface (stderr says how).
 */
#ifndef EKMSQL_PROVIDER_PROVIDER_H
#define EKMSQL_PROVIDER_PROVIDER_H

#include "ekm/sqlcp.h"
#include "tools/ekmsql/base/host.h"
#include "tools/ekmsql/engine/engine.h"

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
    SqlCpProviderInfo info; /* info.name.ws is not valid after the query; use friendly_name */
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

/* Loads the library, resolves the 17 names, initializes it, checks its properties and lists its
 * algorithms. On failure it reports the message, unloads the library and returns false. */
bool sql_provider_load(sql_engine *e, sql_provider *p);
void sql_provider_free(sql_provider *p);

/* The registered provider, loaded and checked against the catalog; NULL if a message was
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

SqlCpError sql_cp_get_info(sql_provider *p);
SqlCpError sql_cp_algorithm_info(sql_provider *p, SqlCpAlgId id, sql_algorithm *out);
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

/* Crypto sessions: one for each login and provider. It is opened at the first use with the
 * credential of the login, and closed when the provider is disabled, the credential changes, or
 * the engine ends. */
struct sql_crypto_session {
    sql_provider *provider;
    int64_t login;
    int64_t credential;
    char *identity;
    SqlCpSession handle;
    sql_crypto_session *next;
};

/* Returns NULL after reporting a message: no credential (33046), wrong credential (33028), ... */
sql_crypto_session *sql_session_get(sql_engine *e, sql_provider *p, int64_t login);
/* The session of the current login. */
sql_crypto_session *sql_session_of_caller(sql_engine *e, sql_provider *p);
bool sql_login_has_credential(sql_engine *e, int64_t login, int64_t provider);
/* Closes the sessions of the provider and of the credential; 0 is any. */
void sql_sessions_close(sql_engine *e, int64_t provider, int64_t credential);

#endif
