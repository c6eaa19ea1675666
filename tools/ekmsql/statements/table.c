/* SPDX-License-Identifier: Apache-2.0
 *
 * User tables: SQLite tables in the database's data file, their columns declared with T-SQL's
 * types. NVARCHAR and VARCHAR are stored as text, VARBINARY and UNIQUEIDENTIFIER as blobs, INT as
 * integers.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/model/model.h"
#include "tools/ekmsql/statements/source_private.h"

#include <stdlib.h>
#include <string.h>

typedef struct table {
    const char *name;
    const char **names;
    sql_type *types;
    bool *not_null;
    size_t columns;
} table;

static bool exists(sql_engine *e, const char *name)
{
    return strncmp(name, "ekmsql_", 7) != 0 && strncmp(name, "sqlite_", 7) != 0 &&
           strchr(name, '.') == NULL && e->current->id != SQL_SYSTEM_MASTER &&
           sql_store_int(e->current->db, 0,
                         "SELECT 1 FROM sqlite_master WHERE type='table' AND name=? COLLATE NOCASE",
                         "t", name) == 1;
}

/* "NVARCHAR(40)" as create_table wrote it. */
static sql_type declared_type(const char *text)
{
    sql_type type = {SQL_INT, 0};
    for (sql_base base = SQL_INT; base <= SQL_GUID; base++) {
        size_t n = strlen(sql_type_name(base));
        if (strncmp(text, sql_type_name(base), n) == 0 && (text[n] == 0 || text[n] == '(')) {
            type.base = base;
            type.length = text[n] == '(' ? strtoll(text + n + 1, NULL, 10) : -1;
        }
    }
    return type;
}

/* False after reporting a message. */
static bool open_table(sql_engine *e, const char *name, table *t)
{
    if (!sql_database_writable(e)) {
        return false;
    }
    if (!exists(e, name)) {
        SQL_RAISE(e, 208, 1, name);
        return false;
    }
    char *sql = sqlite3_mprintf("PRAGMA table_info(\"%w\")", name);
    sqlite3_stmt *row = sql_store_query(e->current->db, sql, "");
    *t = (table){.name = name};
    t->names = sql_arena_alloc(e->arena, 1024 * sizeof *t->names);
    t->types = sql_arena_alloc(e->arena, 1024 * sizeof *t->types);
    t->not_null = sql_arena_alloc(e->arena, 1024 * sizeof *t->not_null);
    while (t->columns < 1024 && sqlite3_step(row) == SQLITE_ROW) {
        t->names[t->columns] = sql_format(e, "%s", sql_store_text(row, 1));
        t->types[t->columns] = declared_type(sql_store_text(row, 2));
        t->not_null[t->columns++] = sqlite3_column_int(row, 3) != 0;
    }
    sqlite3_finalize(row);
    sqlite3_free(sql);
    return true;
}

static bool run_text(sql_engine *e, char *sql)
{
    bool ok = sql != NULL && sqlite3_exec(e->current->db, sql, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(sql);
    return ok || sql_storage_error(e, e->current->db);
}

bool sql_do_create_table(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_TABLE];
    sql_buf sql = {0};
    if (e->current->id == SQL_SYSTEM_MASTER || strchr(name, '.') != NULL ||
        strncmp(name, "ekmsql_", 7) == 0) {
        return sql_error_text(e, "ekmsql keeps tables in user databases and in schema dbo only");
    }
    if (!sql_database_writable(e)) {
        return false;
    }
    if (exists(e, name)) {
        return SQL_RAISE(e, 2714, 6, name);
    }
    char *quoted = sqlite3_mprintf("CREATE TABLE \"%w\"(", name);
    sql_buf_puts(&sql, quoted);
    sqlite3_free(quoted);
    for (const sql_column *c = s->columns; c != NULL; c = c->next) {
        quoted = sqlite3_mprintf("\"%w\" \"%s", c->name, sql_type_name(c->type.base));
        sql_buf_puts(&sql, quoted);
        sqlite3_free(quoted);
        if (c->type.base != SQL_INT && c->type.base != SQL_GUID) {
            sql_buf_printf(&sql, "(%lld)", (long long)c->type.length);
        }
        sql_buf_printf(&sql, "\"%s%s", c->not_null ? " NOT NULL" : "",
                       c->next == NULL ? ")" : ", ");
    }
    bool ok = run_text(e, sqlite3_mprintf("%s", sql_buf_text(&sql)));
    sql_buf_free(&sql);
    return ok;
}

bool sql_do_drop_table(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_TABLE];
    if (!sql_database_writable(e)) {
        return false;
    }
    if (!exists(e, name)) {
        return SQL_RAISE(e, 3701, 5, "table", name);
    }
    return run_text(e, sqlite3_mprintf("DROP TABLE \"%w\"", name));
}

/* ---- reading ---- */

static sql_value stored_value(sql_engine *e, sqlite3_stmt *row, int column, sql_base base)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL) {
        return sql_null(base);
    }
    if (base == SQL_INT) {
        return sql_int(sqlite3_column_int64(row, column));
    }
    if (base == SQL_NVARCHAR) {
        return sql_ntext(e, sql_store_text(row, column));
    }
    const void *data = sqlite3_column_blob(row, column);
    return sql_bytes(e, base, data, (size_t)sqlite3_column_bytes(row, column));
}

sql_rowset *sql_table_rows(sql_engine *e, const char *name)
{
    table t = {0};
    if (!open_table(e, name, &t)) {
        return NULL;
    }
    sql_rowset *r = sql_rowset_new(e, "");
    r->names = t.names;
    r->columns = t.columns;
    char *sql = sqlite3_mprintf("SELECT *, rowid FROM \"%w\" ORDER BY rowid", name);
    sqlite3_stmt *row = sql_store_query(e->current->db, sql, "");
    while (sqlite3_step(row) == SQLITE_ROW) {
        sql_value *values = sql_rowset_add(e, r);
        for (size_t c = 0; c < t.columns; c++) {
            values[c] = stored_value(e, row, (int)c, t.types[c].base);
        }
        values[t.columns] = sql_int(sqlite3_column_int64(row, (int)t.columns));
    }
    sqlite3_finalize(row);
    sqlite3_free(sql);
    return r;
}

/* ---- writing ---- */

static void bind(sql_engine *e, sqlite3_stmt *stmt, int i, const sql_value *v)
{
    if (v->null) {
        sqlite3_bind_null(stmt, i);
    } else if (v->base == SQL_INT) {
        sqlite3_bind_int64(stmt, i, v->n);
    } else if (v->base == SQL_NVARCHAR || v->base == SQL_VARCHAR) {
        sqlite3_bind_text(stmt, i, sql_show(e, v), -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_bind_blob64(stmt, i, v->p, v->len, SQLITE_TRANSIENT);
    }
}

static bool find_column(sql_engine *e, const table *t, const char *name, size_t *index)
{
    for (*index = 0; *index < t->columns; ++*index) {
        if (sql_same(t->names[*index], name)) {
            return true;
        }
    }
    return SQL_RAISE(e, 207, 1, name);
}

static bool convert_for(sql_engine *e, const table *t, size_t column, const sql_value *in,
                        sql_value *out)
{
    if (in->null && t->not_null[column]) {
        return SQL_RAISE(e, 515, 2, t->names[column], t->name);
    }
    return sql_assign(e, in, &t->types[column], false, out);
}

/* Assigns one VALUES row to values, in the order of the column list if there is one. */
static bool row_values(sql_engine *e, const sql_stmt *s, const table *t, const sql_row *row,
                       sql_value *values)
{
    const sql_column *named = s->columns;
    size_t index = 0;
    for (size_t c = 0; c < t->columns; c++) {
        values[c] = sql_null(t->types[c].base);
    }
    for (const sql_item *item = row->items; item != NULL; item = item->next) {
        sql_value v;
        if (s->columns != NULL && named == NULL) {
            return SQL_RAISE(e, 213, 1, NULL);
        }
        if (named != NULL) {
            if (!find_column(e, t, named->name, &index)) {
                return false;
            }
            named = named->next;
        }
        if (index >= t->columns) {
            return SQL_RAISE(e, 213, 1, NULL);
        }
        if (!sql_eval(e, item->expr, NULL, &v) || !convert_for(e, t, index, &v, &values[index])) {
            return false;
        }
        index++;
    }
    if (named != NULL || (s->columns == NULL && index != t->columns)) {
        return SQL_RAISE(e, 213, 1, NULL);
    }
    for (size_t c = 0; c < t->columns; c++) {
        if (values[c].null && t->not_null[c]) {
            return SQL_RAISE(e, 515, 2, t->names[c], t->name);
        }
    }
    return true;
}

static bool insert_row(sql_engine *e, const table *t, const sql_value *values)
{
    sql_buf sql = {0};
    char *head = sqlite3_mprintf("INSERT INTO \"%w\" VALUES(?", t->name);
    sql_buf_puts(&sql, head);
    sqlite3_free(head);
    for (size_t c = 1; c < t->columns; c++) {
        sql_buf_puts(&sql, ",?");
    }
    sql_buf_puts(&sql, ")");
    sqlite3_stmt *stmt = sql_store_query(e->current->db, sql_buf_text(&sql), "");
    for (size_t c = 0; c < t->columns; c++) {
        bind(e, stmt, (int)c + 1, &values[c]);
    }
    bool ok = sqlite3_step(stmt) == SQLITE_DONE;
    sqlite3_finalize(stmt);
    sql_buf_free(&sql);
    return ok || sql_storage_error(e, e->current->db);
}

/* A statement writes all its rows or none. */
static bool finish(sql_engine *e, bool ok, size_t rows)
{
    if (ok && sqlite3_exec(e->current->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        ok = sql_storage_error(e, e->current->db);
    }
    if (ok) {
        sql_rows_affected(e, rows);
    } else {
        sqlite3_exec(e->current->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return ok;
}

static bool begin(sql_engine *e)
{
    return sqlite3_exec(e->current->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ||
           sql_storage_error(e, e->current->db);
}

bool sql_do_insert_rows(sql_engine *e, const sql_stmt *s)
{
    table t = {0};
    if (!open_table(e, s->slot[SQL_TABLE], &t)) {
        return false;
    }
    sql_value *values = sql_arena_alloc(e->arena, t.columns * sizeof *values);
    size_t rows = 0;
    bool ok = begin(e);
    for (const sql_row *row = s->rows; ok && row != NULL; row = row->next, rows++) {
        ok = row_values(e, s, &t, row, values) && insert_row(e, &t, values);
    }
    return finish(e, ok, rows);
}

static bool update_row(sql_engine *e, const sql_stmt *s, const table *t, const sql_scope *scope,
                       int64_t rowid)
{
    for (const sql_item *item = s->items; item != NULL; item = item->next) {
        size_t column = 0;
        sql_value v;
        if (!find_column(e, t, item->variable, &column) || !sql_eval(e, item->expr, scope, &v) ||
            !convert_for(e, t, column, &v, &v)) {
            return false;
        }
        char *sql =
            sqlite3_mprintf("UPDATE \"%w\" SET \"%w\"=? WHERE rowid=?", t->name, t->names[column]);
        sqlite3_stmt *stmt = sql_store_query(e->current->db, sql, "");
        bind(e, stmt, 1, &v);
        sqlite3_bind_int64(stmt, 2, rowid);
        bool ok = sqlite3_step(stmt) == SQLITE_DONE;
        sqlite3_finalize(stmt);
        sqlite3_free(sql);
        if (!ok) {
            return sql_storage_error(e, e->current->db);
        }
    }
    return true;
}

bool sql_do_update_rows(sql_engine *e, const sql_stmt *s)
{
    table t = {0};
    sql_rowset *r =
        open_table(e, s->slot[SQL_TABLE], &t) ? sql_table_rows(e, s->slot[SQL_TABLE]) : NULL;
    if (r == NULL) {
        return false;
    }
    size_t rows = 0;
    bool ok = begin(e);
    for (size_t i = 0; ok && i < r->count; i++) {
        sql_scope scope = {r->names, r->rows[i], r->columns};
        bool holds = false;
        ok = sql_where(e, s->where, &scope, &holds) &&
             (!holds || update_row(e, s, &t, &scope, r->rows[i][t.columns].n));
        rows += holds;
    }
    return finish(e, ok, rows);
}
