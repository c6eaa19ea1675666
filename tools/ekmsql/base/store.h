/* SPDX-License-Identifier: Apache-2.0
 *
 * The storage engine: SQLCipher's C API with functions to open and query in one line. The catalog
 * and databases without TDE are plain SQLite files; a database with TDE is a SQLCipher file with
 * a key of 32 raw bytes.
 */
#ifndef EKMSQL_BASE_STORE_H
#define EKMSQL_BASE_STORE_H

#include "tools/ekmsql/base/text.h"

#include <sqlite3.h>

#define SQL_PAGE_KEY 32

/* `key` is NULL for a plain file. Returns NULL if the file cannot be opened or the key is wrong. */
sqlite3 *sql_store_open(const char *path, const uint8_t *key);
/* Copies everything to a new, synced file with another key (NULL: plain). */
bool sql_store_export(sqlite3 *db, const char *path, const uint8_t *key);

/* types: i int64_t, t const char *, b const void * and size_t; NULL pointers bind NULL. */
sqlite3_stmt *sql_store_query(sqlite3 *db, const char *sql, const char *types, ...);
bool sql_store_run(sqlite3 *db, const char *sql, const char *types, ...);
/* The first column of the first row, or fallback. */
int64_t sql_store_int(sqlite3 *db, int64_t fallback, const char *sql, const char *types, ...);
/* Never NULL. */
const char *sql_store_text(sqlite3_stmt *row, int column);
void sql_store_blob(sqlite3_stmt *row, int column, sql_buf *out);

#endif
