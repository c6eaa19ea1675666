/* SPDX-License-Identifier: Apache-2.0
 *
 * Implements store.h with SQLCipher.
 */
#include "tools/ekmsql/base/store.h"

#include "tools/ekmsql/base/host.h"

#include <stdarg.h>
#include <string.h>

#include <openssl/crypto.h>

/* The key as SQLCipher takes raw keys: x'64 digits'. */
static void key_text(sql_buf *out, const uint8_t *key)
{
    sql_buf_puts(out, "x'");
    if (key != NULL) {
        sql_hex_add(out, key, SQL_PAGE_KEY);
    }
    sql_buf_puts(out, "'");
}

static bool run_text(sqlite3 *db, sql_buf *sql)
{
    bool ok = sqlite3_exec(db, sql_buf_text(sql), NULL, NULL, NULL) == SQLITE_OK;
    sql_buf_free(sql);
    return ok;
}

sqlite3 *sql_store_open(const char *path, const uint8_t *key)
{
    sqlite3 *db = NULL;
    sql_buf sql = {0};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    bool ok = sqlite3_open_v2(path, &db, flags, NULL) == SQLITE_OK;
    if (ok && key != NULL) {
        sql_buf_puts(&sql, "PRAGMA key = \"");
        key_text(&sql, key);
        sql_buf_puts(&sql, "\"");
        ok = run_text(db, &sql);
    }
    /* Reading the schema detects a wrong key and takes the lock. Without the lock, two processes
     * of ekmsql on one instance would overwrite each other's changes. */
    ok = ok && sqlite3_exec(db,
                            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                            "BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_master; COMMIT;",
                            NULL, NULL, NULL) == SQLITE_OK;
    if (!ok) {
        sqlite3_close_v2(db);
        return NULL;
    }
    return db;
}

bool sql_store_export(sqlite3 *db, const char *path, const uint8_t *key)
{
    sql_buf sql = {0};
    host_file_remove(path);
    sql_buf_puts(&sql, "KEY \"");
    key_text(&sql, key);
    sql_buf_puts(&sql, "\"");
    char *attach = sqlite3_mprintf("ATTACH DATABASE %Q AS target %s", path,
                                   key == NULL ? "KEY ''" : sql_buf_text(&sql));
    sql_buf_free(&sql);
    bool ok = attach != NULL && sqlite3_exec(db, attach, NULL, NULL, NULL) == SQLITE_OK;
    if (attach != NULL) {
        OPENSSL_cleanse(attach, strlen(attach));
        sqlite3_free(attach);
    }
    if (!ok) {
        return false;
    }
    ok = sqlite3_exec(db, "SELECT sqlcipher_export('target')", NULL, NULL, NULL) == SQLITE_OK;
    ok = sqlite3_exec(db, "DETACH DATABASE target", NULL, NULL, NULL) == SQLITE_OK && ok;
    ok = ok && host_file_sync(path);
    if (!ok) {
        host_file_remove(path);
    }
    return ok;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, const char *types, va_list args)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return NULL;
    }
    for (int i = 1; types[i - 1] != 0; i++) {
        if (types[i - 1] == 'i') {
            sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
        } else if (types[i - 1] == 't') {
            sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
        } else {
            const void *data = va_arg(args, const void *);
            size_t len = va_arg(args, size_t);
            if (data == NULL) {
                sqlite3_bind_null(stmt, i);
            } else {
                sqlite3_bind_blob64(stmt, i, data, len, SQLITE_TRANSIENT);
            }
        }
    }
    return stmt;
}

sqlite3_stmt *sql_store_query(sqlite3 *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *stmt = prepare(db, sql, types, args);
    va_end(args);
    return stmt;
}

bool sql_store_run(sqlite3 *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *stmt = prepare(db, sql, types, args);
    va_end(args);
    bool ok = stmt != NULL && sqlite3_step(stmt) == SQLITE_DONE;
    sqlite3_finalize(stmt);
    return ok;
}

int64_t sql_store_int(sqlite3 *db, int64_t fallback, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *stmt = prepare(db, sql, types, args);
    va_end(args);
    int64_t value = fallback;
    if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW &&
        sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        value = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return value;
}

const char *sql_store_text(sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return text == NULL ? "" : (const char *)text;
}

void sql_store_blob(sqlite3_stmt *row, int column, sql_buf *out)
{
    const void *data = sqlite3_column_blob(row, column);
    sql_buf_set(out, data, (size_t)sqlite3_column_bytes(row, column));
}
