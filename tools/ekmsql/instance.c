/* SPDX-License-Identifier: Apache-2.0
 *
 * The instance: opening its folder and catalog, logins of the session, and running a batch.
 */
#include "tools/ekmsql/instance.h"

#include "tools/ekmsql/base/seal.h"
#include "tools/ekmsql/eval/eval.h"
#include "tools/ekmsql/model/model.h"
#include "tools/ekmsql/provider/provider.h"
#include "tools/ekmsql/statements/handlers.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS options(name TEXT PRIMARY KEY COLLATE NOCASE, value INTEGER,"
    " in_use INTEGER, advanced INTEGER);"
    "INSERT OR IGNORE INTO options VALUES('show advanced options',0,0,0),"
    " ('EKM provider enabled',0,0,1);"
    "CREATE TABLE IF NOT EXISTS providers(id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE,"
    " guid BLOB UNIQUE, version TEXT, path TEXT, enabled INTEGER);"
    "CREATE TABLE IF NOT EXISTS credentials(id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE"
    " NOCASE, identity TEXT, secret BLOB, provider_id INTEGER, created INTEGER, modified INTEGER);"
    "CREATE TABLE IF NOT EXISTS logins(id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE,"
    " key_id INTEGER);"
    "INSERT OR IGNORE INTO logins VALUES(1,'sa',NULL);"
    "CREATE TABLE IF NOT EXISTS login_credentials(login_id INTEGER, credential_id INTEGER UNIQUE);"
    "CREATE TABLE IF NOT EXISTS databases(id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE,"
    " offline INTEGER);"
    "INSERT OR IGNORE INTO databases VALUES(1,'master',0);";

/* The key that seals the secrets in the catalog is made at the first use; host_file_write makes
 * the file 0600. */
static bool load_master_key(sql_engine *e)
{
    const char *path = sql_path(e, "master.key");
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!host_file_exists(path)) {
        return sql_random(e->service_master_key, sizeof e->service_master_key) &&
               host_file_write(path, e->service_master_key, sizeof e->service_master_key);
    }
    bool ok = host_file_read(path, &bytes, &len) && len == sizeof e->service_master_key;
    if (ok) {
        memcpy(e->service_master_key, bytes, sizeof e->service_master_key);
        OPENSSL_cleanse(bytes, len);
    }
    free(bytes);
    return ok;
}

bool sql_engine_open(sql_engine *e, const char *dir, bool trace)
{
    *e = (sql_engine){.dir = dir, .trace = trace, .logins = {1}};
    e->arena = sql_arena_new();
    if (!host_dir_make(dir) || !load_master_key(e)) {
        return sql_error_text(
            e,
            "ekmsql cannot use '%s' as its folder: it must be a folder of yours, or "
            "one that can be made",
            dir);
    }
    e->master = sql_store_open(sql_path(e, "master.mdf"), NULL);
    if (e->master == NULL) {
        return sql_error_text(e,
                              "ekmsql cannot open the catalog in '%s': another ekmsql may be using "
                              "this instance",
                              dir);
    }
    if (sqlite3_exec(e->master, schema, NULL, NULL, NULL) != SQLITE_OK ||
        !sql_keys_prepare(e->master)) {
        return sql_storage_error(e, e->master);
    }
    sql_databases_start(e);
    return true;
}

void sql_engine_close(sql_engine *e)
{
    sql_keys_close_all(e);
    sql_sessions_close(e, 0, 0);
    while (e->providers != NULL) {
        sql_provider *next = e->providers->next;
        sql_provider_free(e->providers);
        e->providers = next;
    }
    sql_databases_stop(e);
    sqlite3_close_v2(e->master);
    sql_variables_free(e);
    sql_arena_free(e->arena);
    OPENSSL_cleanse(e, sizeof *e);
}

bool sql_engine_login(sql_engine *e, const char *name)
{
    int64_t id = sql_store_int(e->master, 0, "SELECT id FROM logins WHERE name=?", "t", name);
    if (id == 0) {
        return SQL_RAISE(e, 15151, 1, "login", name);
    }
    e->logins[0] = id;
    return true;
}

bool sql_engine_use(sql_engine *e, const char *database)
{
    sql_stmt s = {.slot = {[SQL_NAME] = database}};
    return sql_do_use_database(e, &s);
}

bool sql_do_execute_as(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_TEXT];
    int64_t id = sql_store_int(e->master, 0,
                               "SELECT id FROM logins WHERE name=? AND key_id IS NULL", "t", name);
    if (id == 0 || e->impersonations + 1 == SQL_IMPERSONATIONS) {
        return SQL_RAISE(e, 15406, 1, name);
    }
    e->logins[++e->impersonations] = id;
    return true;
}

bool sql_do_revert(sql_engine *e, const sql_stmt *s)
{
    (void)s;
    e->impersonations -= e->impersonations > 0;
    return true;
}

void sql_engine_batch(sql_engine *e, const char *text, size_t len)
{
    static bool (*const handlers[])(sql_engine *, const sql_stmt *) = {
#define SQL_HANDLER_ENTRY(id, handler, options, pattern) sql_do_##handler,
        SQL_STATEMENTS(SQL_HANDLER_ENTRY)
#undef SQL_HANDLER_ENTRY
    };
    sql_arena_free(e->arena);
    e->arena = sql_arena_new();
    sql_stmt *batch = NULL;
    sql_problem problem = {0};
    if (!sql_parse(e->arena, text, len, &batch, &problem)) {
        /* As in SQL Server, nothing of a batch with a syntax error is run. */
        e->line = problem.line;
        SQL_RAISE(e, problem.number, 1, problem.text);
        return;
    }
    for (const sql_stmt *s = batch; s != NULL; s = s->next) {
        e->line = s->line;
        handlers[s->id](e, s);
        fflush(stdout);
    }
    sql_variables_free(e);
}
