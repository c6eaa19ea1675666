/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements on databases: CREATE, DROP, USE, OFFLINE and ONLINE.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/base/host.h"
#include "tools/ekmsql/model/model.h"

#include <stdlib.h>

bool sql_do_create_database(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    sql_dbheader h = {.generation = 1};
    if (sql_database_find(e, name) != NULL) {
        return SQL_RAISE(e, 1801, 3, name);
    }
    if (!sql_database_name_ok(e, name)) {
        return false;
    }
    const char *path = sql_data_path(e, name, h.generation);
    host_file_remove(path);
    sqlite3 *db = sql_store_open(path, NULL);
    bool ok = db != NULL && sql_keys_prepare(db);
    sqlite3_close_v2(db);
    if (!ok) {
        return sql_error_text(e, "ekmsql cannot make the data file '%s'", path);
    }
    sql_database *d = sql_header_write(e, name, &h) ? sql_database_register(e, name) : NULL;
    return d != NULL && sql_database_open(e, d);
}

bool sql_do_drop_database(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    sql_database *d = sql_database_find(e, name);
    if (d == NULL) {
        return SQL_RAISE(e, 3701, 1, "database", name);
    }
    if (d == e->current || d->id == SQL_SYSTEM_MASTER) {
        return SQL_RAISE(e, 3702, 4, d->name);
    }
    if (!sql_store_run(e->master, "DELETE FROM databases WHERE id=?", "i", d->id)) {
        return sql_storage_error(e, e->master);
    }
    sql_database_close(d);
    host_file_remove(sql_header_path(e, d->name));
    host_file_remove(sql_data_path(e, d->name, d->header.generation));
    sql_database **at = &e->databases;
    while (*at != d) {
        at = &(*at)->next;
    }
    *at = d->next;
    sql_header_free(&d->header);
    free(d);
    return true;
}

bool sql_do_use_database(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = sql_database_online(e, s->slot[SQL_NAME]);
    if (d == NULL) {
        return false;
    }
    if (d != e->current) {
        sql_keys_close_all(e);
    }
    e->current = d;
    SQL_RAISE(e, 5701, 1, d->name);
    return true;
}

static sql_database *alterable(sql_engine *e, const char *name)
{
    sql_database *d = sql_database_find(e, name);
    if (d == NULL || d->id == SQL_SYSTEM_MASTER) {
        SQL_RAISE(e, 911, 1, name);
        return NULL;
    }
    return d;
}

static bool set_offline(sql_engine *e, sql_database *d, bool offline)
{
    return sql_store_run(e->master, "UPDATE databases SET offline=? WHERE id=?", "ii",
                         (int64_t)offline, d->id) ||
           sql_storage_error(e, e->master);
}

bool sql_do_set_offline(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = alterable(e, s->slot[SQL_NAME]);
    if (d == NULL) {
        return false;
    }
    if (d == e->current) {
        return SQL_RAISE(e, 3101, 1, NULL);
    }
    if (!set_offline(e, d, true)) {
        return false;
    }
    sql_database_close(d);
    d->state = SQL_OFFLINE;
    return true;
}

bool sql_do_set_online(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = alterable(e, s->slot[SQL_NAME]);
    if (d == NULL) {
        return false;
    }
    if (d->state == SQL_ONLINE) {
        return true;
    }
    return set_offline(e, d, false) && sql_database_open(e, d);
}
