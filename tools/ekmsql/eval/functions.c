/* SPDX-License-Identifier: Apache-2.0
 *
 * Built-in functions. Cell encryption: with an EKM key each value is one call of the provider; with
 * a native key the engine encrypts with the key that OPEN SYMMETRIC KEY had decrypted.
 *
 * A value of EncryptByKey is the key's GUID, a version, and the ciphertext.
 */
#include "tools/ekmsql/eval/eval_private.h"

#include "tools/ekmsql/base/seal.h"
#include "tools/ekmsql/model/model.h"

#include <string.h>

static const uint8_t cell_version[4] = {1, 0, 0, 0};
/* Precedes the plaintext of a native key, to detect a value that was encrypted with another key. */
static const uint8_t cell_magic[4] = {0x0d, 0xf0, 0xad, 0xba};

static sql_buf view_of(const sql_value *v)
{
    sql_buf b = {0};
    sql_buf_add(&b, v->p, v->len);
    return b;
}

static sqlite3 *keys_here(const sql_engine *e)
{
    return e->current->db;
}

static bool encrypt_by_key(sql_engine *e, const sql_value *args, sql_value *out)
{
    sql_key key = {0};
    sql_buf in = {0};
    sql_buf cell = {0};
    sql_buf text = {0};
    bool ok = true;
    *out = sql_null(SQL_VARBINARY);
    if (args[0].null || args[1].null || args[0].len != SQL_KEY_GUID ||
        !sql_key_by_thumb(keys_here(e), SQL_SYMMETRIC, args[0].p, args[0].len, &key)) {
        goto done; /* NULL, as documented */
    }
    sql_buf_add(&cell, args[0].p, SQL_KEY_GUID);
    sql_buf_add(&cell, cell_version, sizeof cell_version);
    const sql_open_key *opened = sql_key_opened(e, args[0].p);
    if (key.provider_guid.len > 0) {
        in = view_of(&args[1]);
        ok = sql_key_encrypt(e, &key, &in, &text);
    } else if (opened != NULL) {
        uint8_t lengths[4] = {0, 0, (uint8_t)args[1].len, (uint8_t)(args[1].len >> 8)};
        sql_buf_add(&in, cell_magic, sizeof cell_magic);
        sql_buf_add(&in, lengths, sizeof lengths);
        sql_buf_add(&in, args[1].p, args[1].len);
        ok = args[1].len <= 8000 && sql_cbc_encrypt(&opened->material, &in, &text);
        ok = ok || SQL_RAISE(e, 15209, 1, NULL);
    } else {
        goto done; /* a key that is not open gives NULL */
    }
    if (ok) {
        sql_buf_add(&cell, text.p, text.len);
        *out = sql_bytes(e, SQL_VARBINARY, cell.p, cell.len);
    }
done:
    sql_key_free(&key);
    sql_buf_free(&in);
    sql_buf_free(&cell);
    sql_buf_free(&text);
    return ok;
}

/* Returns NULL, without a reason, if the result is not a plaintext of the native key. */
static void decrypt_native(sql_engine *e, const sql_open_key *opened, const sql_value *cell,
                           sql_value *out)
{
    sql_buf text = {0};
    size_t skip = SQL_KEY_GUID + sizeof cell_version;
    if (sql_cbc_decrypt(&opened->material, cell->p + skip, cell->len - skip, &text) &&
        text.len >= 8 && memcmp(text.p, cell_magic, sizeof cell_magic) == 0 &&
        (size_t)(text.p[6] | text.p[7] << 8) == text.len - 8) {
        *out = sql_bytes(e, SQL_VARBINARY, text.p + 8, text.len - 8);
    }
    sql_buf_free(&text);
}

static bool decrypt_by_key(sql_engine *e, const sql_value *args, sql_value *out)
{
    sql_key key = {0};
    sql_buf in = {0};
    sql_buf text = {0};
    bool ok = true;
    size_t skip = SQL_KEY_GUID + sizeof cell_version;
    const sql_value *cell = &args[0];
    *out = sql_null(SQL_VARBINARY);
    if (cell->null || cell->len <= skip ||
        memcmp(cell->p + SQL_KEY_GUID, cell_version, sizeof cell_version) != 0 ||
        !sql_key_by_thumb(keys_here(e), SQL_SYMMETRIC, cell->p, SQL_KEY_GUID, &key)) {
        goto done;
    }
    const sql_open_key *opened = sql_key_opened(e, cell->p);
    if (key.provider_guid.len > 0) {
        sql_buf_add(&in, cell->p + skip, cell->len - skip);
        ok = sql_key_decrypt(e, &key, &in, &text);
        if (ok) {
            *out = sql_bytes(e, SQL_VARBINARY, text.p, text.len);
        }
    } else if (opened != NULL) {
        decrypt_native(e, opened, cell, out);
    }
done:
    sql_key_free(&key);
    sql_buf_free(&in);
    sql_buf_free(&text);
    return ok;
}

static bool by_asymmetric_key(sql_engine *e, const sql_value *args, sql_value *out,
                              bool (*operation)(sql_engine *, const sql_key *, const sql_buf *,
                                                sql_buf *))
{
    sql_key key = {0};
    sql_buf in = {0};
    sql_buf result = {0};
    bool ok = true;
    *out = sql_null(SQL_VARBINARY);
    if (!args[0].null && !args[1].null &&
        sql_key_by_id(keys_here(e), SQL_ASYMMETRIC, args[0].n, &key)) {
        in = view_of(&args[1]);
        ok = operation(e, &key, &in, &result);
        if (ok) {
            *out = sql_bytes(e, SQL_VARBINARY, result.p, result.len);
        }
    }
    sql_key_free(&key);
    sql_buf_free(&in);
    sql_buf_free(&result);
    return ok;
}

static bool encrypt_by_asymkey(sql_engine *e, const sql_value *args, sql_value *out)
{
    return by_asymmetric_key(e, args, out, sql_key_encrypt);
}

static bool decrypt_by_asymkey(sql_engine *e, const sql_value *args, sql_value *out)
{
    return by_asymmetric_key(e, args, out, sql_key_decrypt);
}

static bool key_guid(sql_engine *e, const sql_value *args, sql_value *out)
{
    *out = sql_null(SQL_GUID);
    sqlite3_stmt *row =
        sql_store_query(keys_here(e), "SELECT thumb FROM ekmsql_keys WHERE kind='S' AND name=?",
                        "t", sql_show(e, &args[0]));
    if (sqlite3_step(row) == SQLITE_ROW) {
        *out = sql_bytes(e, SQL_GUID, sqlite3_column_blob(row, 0),
                         (size_t)sqlite3_column_bytes(row, 0));
    }
    sqlite3_finalize(row);
    return true;
}

static bool asymkey_id(sql_engine *e, const sql_value *args, sql_value *out)
{
    int64_t id =
        sql_store_int(keys_here(e), 0, "SELECT id FROM ekmsql_keys WHERE kind='A' AND name=?", "t",
                      sql_show(e, &args[0]));
    *out = id == 0 ? sql_null(SQL_INT) : sql_int(id);
    return true;
}

/* A missing argument is zero, which is not the id of any database. */
static bool db_name(sql_engine *e, const sql_value *args, sql_value *out)
{
    const sql_database *d = args[0].n == 0 ? e->current : e->databases;
    while (d != NULL && args[0].n != 0 && d->id != args[0].n) {
        d = d->next;
    }
    *out = d == NULL ? sql_null(SQL_NVARCHAR) : sql_ntext(e, d->name);
    return true;
}

static bool db_id(sql_engine *e, const sql_value *args, sql_value *out)
{
    const sql_database *d =
        args[0].p == NULL ? e->current : sql_database_find(e, sql_show(e, &args[0]));
    *out = d == NULL ? sql_null(SQL_INT) : sql_int(d->id);
    return true;
}

static bool suser_name(sql_engine *e, const sql_value *args, sql_value *out)
{
    (void)args;
    sqlite3_stmt *row = sql_store_query(e->master, "SELECT name FROM logins WHERE id=?", "i",
                                        e->logins[e->impersonations]);
    *out = sqlite3_step(row) == SQLITE_ROW ? sql_ntext(e, sql_store_text(row, 0))
                                           : sql_null(SQL_NVARCHAR);
    sqlite3_finalize(row);
    return true;
}

static bool datalength(sql_engine *e, const sql_value *args, sql_value *out)
{
    (void)e;
    *out = args[0].null ? sql_null(SQL_INT)
                        : sql_int(args[0].base == SQL_INT ? 4 : (int64_t)args[0].len);
    return true;
}

static const struct {
    const char *name;
    size_t least;
    size_t most;
    bool (*call)(sql_engine *e, const sql_value *args, sql_value *out);
} functions[] = {
    {"ENCRYPTBYKEY", 2, 2, encrypt_by_key},
    {"DECRYPTBYKEY", 1, 1, decrypt_by_key},
    {"ENCRYPTBYASYMKEY", 2, 2, encrypt_by_asymkey},
    {"DECRYPTBYASYMKEY", 2, 2, decrypt_by_asymkey},
    {"KEY_GUID", 1, 1, key_guid},
    {"ASYMKEY_ID", 1, 1, asymkey_id},
    {"DB_NAME", 0, 1, db_name},
    {"DB_ID", 0, 1, db_id},
    {"SUSER_NAME", 0, 0, suser_name},
    {"SUSER_SNAME", 0, 0, suser_name},
    {"DATALENGTH", 1, 1, datalength},
};

bool sql_call(sql_engine *e, const sql_expr *x, const sql_value *args, sql_value *out)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!sql_same(functions[i].name, x->name)) {
            continue;
        }
        if (x->nargs < functions[i].least || x->nargs > functions[i].most) {
            return SQL_RAISE(e, 174, 1, x->name, sql_format(e, "%zu", functions[i].most));
        }
        return functions[i].call(e, args, out);
    }
    return SQL_RAISE(e, 195, 10, x->name);
}
