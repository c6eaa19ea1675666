/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in the catalog of a database: look-ups, and encryption with a key in a provider.
 */
#include "tools/ekmsql/model/model_private.h"

#include <string.h>

bool sql_keys_prepare(sqlite3 *db)
{
    return sqlite3_exec(
               db,
               "CREATE TABLE IF NOT EXISTS ekmsql_keys(id INTEGER PRIMARY KEY AUTOINCREMENT,"
               " kind TEXT, name TEXT COLLATE NOCASE, algorithm TEXT, bits INTEGER,"
               " thumb BLOB, provider_guid BLOB, provider_algid INTEGER,"
               " provider_key TEXT, public_key BLOB, encryptor BLOB, wrapped BLOB,"
               " created INTEGER, UNIQUE(kind, name))",
               NULL, NULL, NULL) == SQLITE_OK;
}

#define KEY_COLUMNS                                                                            \
    "SELECT id, name, algorithm, bits, thumb, provider_guid, provider_key, encryptor, wrapped" \
    " FROM ekmsql_keys WHERE kind="

static bool read_key(sqlite3_stmt *row, char kind, sql_key *key)
{
    bool found = sqlite3_step(row) == SQLITE_ROW;
    if (found) {
        key->id = sqlite3_column_int64(row, 0);
        key->kind = kind;
        snprintf(key->name, sizeof key->name, "%s", sql_store_text(row, 1));
        snprintf(key->algorithm, sizeof key->algorithm, "%s", sql_store_text(row, 2));
        key->bits = sqlite3_column_int64(row, 3);
        sql_store_blob(row, 4, &key->thumb);
        sql_store_blob(row, 5, &key->provider_guid);
        snprintf(key->provider_key, sizeof key->provider_key, "%s", sql_store_text(row, 6));
        sql_store_blob(row, 7, &key->encryptor);
        sql_store_blob(row, 8, &key->wrapped);
    }
    sqlite3_finalize(row);
    return found;
}

const char *sql_key_kind(char kind)
{
    return kind == SQL_ASYMMETRIC ? "A" : "S";
}

static const char *kind_name(char kind)
{
    return kind == SQL_ASYMMETRIC ? "asymmetric key" : "symmetric key";
}

bool sql_key_get(sql_engine *e, sqlite3 *db, char kind, const char *name, sql_key *key)
{
    return read_key(sql_store_query(db, KEY_COLUMNS "? AND name=?", "tt", sql_key_kind(kind), name),
                    kind, key) ||
           SQL_RAISE(e, 15151, 1, kind_name(kind), name);
}

bool sql_key_by_id(sqlite3 *db, char kind, int64_t id, sql_key *key)
{
    return read_key(sql_store_query(db, KEY_COLUMNS "? AND id=?", "ti", sql_key_kind(kind), id),
                    kind, key);
}

bool sql_key_by_thumb(sqlite3 *db, char kind, const uint8_t *thumb, size_t len, sql_key *key)
{
    return read_key(
        sql_store_query(db, KEY_COLUMNS "? AND thumb=?", "tb", sql_key_kind(kind), thumb, len),
        kind, key);
}

void sql_key_free(sql_key *key)
{
    sql_buf_free(&key->thumb);
    sql_buf_free(&key->provider_guid);
    sql_buf_free(&key->encryptor);
    sql_buf_free(&key->wrapped);
}

bool sql_key_session(sql_engine *e, const sql_key *key, sql_provider **p, sql_crypto_session **s)
{
    *s = NULL;
    *p = sql_provider_by_guid(e, &key->provider_guid);
    if (*p != NULL) {
        *s = sql_session_of_caller(e, *p);
    }
    return *s != NULL;
}

bool sql_crypt_error(sql_engine *e, int number, SqlCpError code)
{
    code = code == SQL_CP_BROKEN ? 0 : code;
    SQL_RAISE(e, number, 1, NULL);
    sql_print("Provider error code: %u. (%s)", (unsigned)code, sql_code_meaning(code));
    return false;
}

bool sql_key_encrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out)
{
    sql_provider *p = NULL;
    sql_crypto_session *s = NULL;
    if (!sql_key_session(e, key, &p, &s)) {
        return false;
    }
    SqlCpError rc = sql_cp_encrypt(p, &s->handle, &key->thumb, in, out);
    return rc == scp_err_Success || sql_crypt_error(e, 15209, rc);
}

bool sql_key_decrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out)
{
    sql_provider *p = NULL;
    sql_crypto_session *s = NULL;
    if (!sql_key_session(e, key, &p, &s)) {
        return false;
    }
    SqlCpError rc = sql_cp_decrypt(p, &s->handle, &key->thumb, in, out);
    return rc == scp_err_Success || sql_crypt_error(e, 15466, rc);
}
