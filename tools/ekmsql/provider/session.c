/* SPDX-License-Identifier: Apache-2.0
 *
 * Crypto sessions: see provider.h.
 */
#include "tools/ekmsql/provider/provider_private.h"

#include "tools/ekmsql/base/seal.h"

#include <stdlib.h>

#define CREDENTIAL_OF                                                      \
    "FROM credentials c JOIN login_credentials m ON m.credential_id=c.id " \
    "WHERE m.login_id=? AND c.provider_id=?"

static const char *login_name(sql_engine *e, int64_t id)
{
    sqlite3_stmt *row = sql_store_query(e->master, "SELECT name FROM logins WHERE id=?", "i", id);
    const char *name = sqlite3_step(row) == SQLITE_ROW ? sql_store_text(row, 0) : "?";
    name = sql_format(e, "%s", name);
    sqlite3_finalize(row);
    return name;
}

bool sql_login_has_credential(sql_engine *e, int64_t login, int64_t provider)
{
    return sql_store_int(e->master, 0, "SELECT 1 " CREDENTIAL_OF, "ii", login, provider) == 1;
}

/* Opens a session with the credential in the row: id, name, identity, sealed secret. */
static sql_crypto_session *open_session(sql_engine *e, sql_provider *p, int64_t login,
                                        sqlite3_stmt *row)
{
    sql_crypto_session *s = NULL;
    sql_buf sealed = {0};
    sql_buf secret = {0};
    sql_store_blob(row, 3, &sealed);
    if (sealed.len > 0 && !sql_unseal(e->service_master_key, NULL, &sealed, &secret)) {
        SQL_RAISE(e, 33047, 1, sql_store_text(row, 1));
        goto done;
    }
    SqlCpSession handle = NULL;
    SqlCpError rc = sql_cp_open_session(p, sql_store_text(row, 2), &secret, &handle);
    if (rc != scp_err_Success) {
        SQL_RAISE(e, 33028, 1, p->name, sql_code_text(e, rc), sql_code_meaning(rc));
        goto done;
    }
    s = sql_alloc(sizeof *s);
    s->provider = p;
    s->login = login;
    s->credential = sqlite3_column_int64(row, 0);
    s->identity = sql_strdup(sql_store_text(row, 2));
    s->handle = handle;
    s->next = e->sessions;
    e->sessions = s;
done:
    sql_buf_free(&sealed);
    sql_buf_free(&secret);
    return s;
}

sql_crypto_session *sql_session_get(sql_engine *e, sql_provider *p, int64_t login)
{
    sql_crypto_session *s = e->sessions;
    while (s != NULL && (s->provider != p || s->login != login)) {
        s = s->next;
    }
    if (s != NULL) {
        return s;
    }
    sqlite3_stmt *row = sql_store_query(
        e->master, "SELECT c.id, c.name, c.identity, c.secret " CREDENTIAL_OF, "ii", login, p->id);
    if (sqlite3_step(row) == SQLITE_ROW) {
        s = open_session(e, p, login, row);
    } else {
        SQL_RAISE(e, 33046, 1, login_name(e, login), p->name);
    }
    sqlite3_finalize(row);
    return s;
}

sql_crypto_session *sql_session_of_caller(sql_engine *e, sql_provider *p)
{
    return sql_session_get(e, p, e->logins[e->impersonations]);
}

void sql_sessions_close(sql_engine *e, int64_t provider, int64_t credential)
{
    for (sql_crypto_session **at = &e->sessions; *at != NULL;) {
        sql_crypto_session *s = *at;
        if ((provider != 0 && s->provider->id != provider) ||
            (credential != 0 && s->credential != credential)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        sql_cp_close_session(s->provider, &s->handle);
        free(s->identity);
        free(s);
    }
}
