/* SPDX-License-Identifier: Apache-2.0
 *
 * The system views, with their documented columns: one row of the table below for each. Columns
 * for which ekmsql has no value are left out.
 */
#include "tools/ekmsql/statements/source_private.h"

#include "tools/ekmsql/model/model.h"

#include <string.h>

typedef struct view view;
struct view {
    const char *name;
    size_t args;
    const char *columns;
    bool (*fill)(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r);
    /* For fill_from_catalogue and fill_from_database: one letter for the type of each column (int,
     * text, binary, GUID, date and time), directly followed by the SQL text. */
    const char *query;
};

static sql_value from_column(sql_engine *e, sqlite3_stmt *row, int c, char type)
{
    static const struct {
        char letter;
        sql_base base;
    } bases[] = {{'i', SQL_INT},
                 {'t', SQL_NVARCHAR},
                 {'b', SQL_VARBINARY},
                 {'g', SQL_GUID},
                 {'d', SQL_NVARCHAR}};
    sql_base base = SQL_NVARCHAR;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        base = bases[i].letter == type ? bases[i].base : base;
    }
    if (sqlite3_column_type(row, c) == SQLITE_NULL) {
        return sql_null(base);
    }
    if (type == 'i') {
        return sql_int(sqlite3_column_int64(row, c));
    }
    if (type == 'd') {
        char when[32];
        host_time_text(sqlite3_column_int64(row, c), when, sizeof when);
        return sql_ntext(e, when);
    }
    if (type == 't') {
        return sql_ntext(e, sql_store_text(row, c));
    }
    const void *data = sqlite3_column_blob(row, c);
    return sql_bytes(e, base, data, (size_t)sqlite3_column_bytes(row, c));
}

static bool fill_query(sql_engine *e, sqlite3 *db, const char *query, sql_rowset *r)
{
    sqlite3_stmt *row = sql_store_query(db, query + r->columns, "");
    if (row == NULL) {
        return sql_storage_error(e, db);
    }
    while (sqlite3_step(row) == SQLITE_ROW) {
        sql_value *values = sql_rowset_add(e, r);
        for (size_t c = 0; c < r->columns; c++) {
            values[c] = from_column(e, row, (int)c, query[c]);
        }
    }
    sqlite3_finalize(row);
    return true;
}

static bool fill_from_catalogue(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)args;
    return fill_query(e, e->master, v->query, r);
}

static bool fill_from_database(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)args;
    return sql_database_writable(e) && fill_query(e, e->current->db, v->query, r);
}

static bool fill_databases(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    (void)args;
    for (const sql_database *d = e->databases; d != NULL; d = d->next) {
        sql_value *row = sql_rowset_add(e, r);
        row[0] = sql_ntext(e, d->name);
        row[1] = sql_int(d->id);
        row[2] = sql_int(d->state == SQL_ONLINE ? 0 : d->state == SQL_OFFLINE ? 6 : 3);
        row[3] = sql_ntext(e, sql_database_state(d));
        row[4] = sql_int(d->header.encrypted);
    }
    return true;
}

static sql_value time_value(sql_engine *e, int64_t when)
{
    char text[32];
    if (when == 0) {
        return sql_null(SQL_NVARCHAR);
    }
    host_time_text(when, text, sizeof text);
    return sql_ntext(e, text);
}

static bool fill_deks(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    (void)args;
    for (const sql_database *d = e->databases; d != NULL; d = d->next) {
        const sql_dbheader *h = &d->header;
        if (h->algorithm[0] == 0 || d->state != SQL_ONLINE) {
            continue;
        }
        sql_value *row = sql_rowset_add(e, r);
        row[0] = sql_int(d->id);
        row[1] = sql_int(h->encrypted ? 3 : 1);
        row[2] = time_value(e, h->created);
        row[3] = time_value(e, h->regenerated);
        row[4] = time_value(e, h->set);
        row[5] = sql_ntext(e, strncmp(h->algorithm, "AES", 3) == 0 ? "AES" : h->algorithm);
        row[6] = sql_int(sql_dek_bits(h->algorithm));
        row[7] = sql_bytes(e, SQL_VARBINARY, h->encryptor.p, h->encryptor.len);
        row[8] = sql_ntext(e, "ASYMMETRIC KEY");
        row[9] = sql_int(0);
        row[10] = sql_ntext(e, h->encrypted ? "ENCRYPTED" : "UNENCRYPTED");
    }
    return true;
}

/* ---- views that ask the provider ---- */

static const char *provider_name(sql_engine *e, int64_t id)
{
    sqlite3_stmt *row =
        sql_store_query(e->master, "SELECT name FROM providers WHERE id=?", "i", id);
    const char *name =
        sqlite3_step(row) == SQLITE_ROW ? sql_format(e, "%s", sql_store_text(row, 0)) : NULL;
    sqlite3_finalize(row);
    return name;
}

static sql_provider *provider_of(sql_engine *e, const sql_value *id)
{
    const char *name = id->null ? NULL : provider_name(e, id->n);
    if (name == NULL) {
        SQL_RAISE(e, 33030, 1, NULL);
        return NULL;
    }
    return sql_provider_get(e, name);
}

static void support(sql_value *to, SqlCpKeyFlags flags)
{
    to[0] = sql_int((flags & scp_kf_Supported) != 0);
    to[1] = sql_int((flags & scp_kf_Exportable) != 0);
    to[2] = sql_int((flags & scp_kf_Importable) != 0);
    to[3] = sql_int((flags & scp_kf_Volatile) != 0);
}

static void add_properties(sql_engine *e, sql_rowset *r, const sql_provider *p)
{
    sql_value *row = sql_rowset_add(e, r);
    row[0] = sql_int(p->id);
    row[1] = sql_bytes(e, SQL_GUID, &p->info.guid, sizeof p->info.guid);
    row[2] = sql_ntext(e, sql_version(e, &p->info.version));
    row[3] = sql_ntext(e, sql_version(e, &p->info.scpVersion));
    row[4] = sql_ntext(e, p->friendly_name);
    row[5] = sql_ntext(e, p->info.authType == scp_auth_Basic ? "BASIC" : "OTHER");
    support(row + 6, p->info.symmKeySupport);
    support(row + 10, p->info.asymmKeySupport);
}

/* Queries every enabled provider. */
static bool fill_properties(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    (void)args;
    sqlite3_stmt *row =
        sql_store_query(e->master, "SELECT name FROM providers WHERE enabled=1 ORDER BY id", "");
    bool ok = true;
    while (ok && sqlite3_step(row) == SQLITE_ROW) {
        sql_provider *p = sql_provider_get(e, sql_store_text(row, 0));
        SqlCpError rc = p == NULL ? SQL_CP_BROKEN : sql_cp_get_info(p);
        if (p != NULL && rc != scp_err_Success) {
            SQL_RAISE(e, 33022, 1, sql_code_text(e, rc == SQL_CP_BROKEN ? 0 : rc));
        }
        ok = rc == scp_err_Success;
        if (ok) {
            add_properties(e, r, p);
        }
    }
    sqlite3_finalize(row);
    return ok;
}

static const char *key_type(const sql_algorithm *a)
{
    return a->type == scp_kt_Asymmetric ? "ASYMMETRIC KEY" : "SYMMETRIC KEY";
}

static bool fill_algorithms(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    const sql_provider *p = provider_of(e, &args[0]);
    if (p == NULL) {
        return false;
    }
    for (const sql_algorithm *a = p->algorithms; a != NULL; a = a->next) {
        sql_value *row = sql_rowset_add(e, r);
        row[0] = sql_int(a->id);
        row[1] = sql_ntext(e, a->tag);
        row[2] = sql_ntext(e, key_type(a));
        row[3] = sql_int(a->bits);
    }
    return true;
}

static bool add_key(sql_engine *e, sql_rowset *r, sql_provider *p, const SqlCpSession *s,
                    SqlCpKeyId id)
{
    sql_key_info info = {0};
    SqlCpError rc = sql_cp_info_by_id(p, s, id, &info);
    if (rc == scp_err_Success) {
        const sql_algorithm *a = sql_algorithm_by_id(p, info.algorithm);
        sql_value *row = sql_rowset_add(e, r);
        row[0] = sql_int(id);
        row[1] = sql_ntext(e, sql_buf_text(&info.name));
        row[2] = sql_bytes(e, SQL_VARBINARY, info.thumb.p, info.thumb.len);
        row[3] = sql_int(info.algorithm);
        if (a != NULL) {
            row[4] = sql_ntext(e, a->tag);
            row[5] = sql_ntext(e, key_type(a));
            row[6] = sql_int(a->bits);
        }
    }
    sql_key_info_free(&info);
    /* A key that disappeared between the two calls is not an error. */
    return rc == scp_err_Success || rc == scp_err_NotFound ||
           SQL_RAISE(e, 33022, 2, sql_code_text(e, rc == SQL_CP_BROKEN ? 0 : rc));
}

static bool fill_keys(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    sql_provider *p = provider_of(e, &args[0]);
    sql_crypto_session *s = p == NULL ? NULL : sql_session_of_caller(e, p);
    if (s == NULL) {
        return false;
    }
    SqlCpKeyId id = 0;
    SqlCpError rc = sql_cp_next_key(p, &s->handle, &id);
    for (; rc == scp_err_Success; rc = sql_cp_next_key(p, &s->handle, &id)) {
        if (!add_key(e, r, p, &s->handle, id)) {
            return false;
        }
    }
    return rc == scp_err_NotFound || SQL_RAISE(e, 33022, 3, sql_code_text(e, rc));
}

/* If args[0] is 0, lists the sessions of the current login; if it is 1, all sessions. */
static bool fill_sessions(sql_engine *e, const view *v, const sql_value *args, sql_rowset *r)
{
    (void)v;
    if (args[0].null || (args[0].n != 0 && args[0].n != 1)) {
        return sql_error_text(e, "sys.dm_cryptographic_provider_sessions takes 0 or 1");
    }
    for (const sql_crypto_session *s = e->sessions; s != NULL; s = s->next) {
        if (args[0].n == 0 && s->login != e->logins[e->impersonations]) {
            continue;
        }
        uint8_t handle[8] = {0};
        memcpy(handle, &s->handle, sizeof s->handle);
        sql_value *row = sql_rowset_add(e, r);
        row[0] = sql_int(s->provider->id);
        row[1] = sql_bytes(e, SQL_VARBINARY, handle, sizeof handle);
        row[2] = sql_ntext(e, s->identity);
        row[3] = sql_int(51);
    }
    return true;
}

#define KEY_TYPE "CASE WHEN provider_guid IS NULL THEN NULL ELSE 'CRYPTOGRAPHIC PROVIDER' END"

static const view views[] = {
    {"sys.databases", 0, "name database_id state state_desc is_encrypted", fill_databases, NULL},
    {"sys.cryptographic_providers", 0, "provider_id name guid version dll_path is_enabled",
     fill_from_catalogue,
     "itgtti"
     "SELECT id, name, guid, version, path, enabled FROM providers ORDER BY id"},
    {"sys.credentials", 0,
     "credential_id name credential_identity create_date modify_date target_type target_id",
     fill_from_catalogue,
     "ittddti"
     "SELECT id, name, identity, created, modified, CASE WHEN provider_id IS NULL THEN NULL"
     " ELSE 'CRYPTOGRAPHIC PROVIDER' END, provider_id FROM credentials ORDER BY id"},
    {"sys.server_principals", 0, "name principal_id type type_desc", fill_from_catalogue,
     "titt"
     "SELECT name, id, CASE WHEN key_id IS NULL THEN 'S' ELSE 'K' END, CASE WHEN key_id IS NULL"
     " THEN 'SQL_LOGIN' ELSE 'ASYMMETRIC_KEY_MAPPED_LOGIN' END FROM logins ORDER BY id"},
    {"sys.server_principal_credentials", 0, "principal_id credential_id", fill_from_catalogue,
     "ii"
     "SELECT login_id, credential_id FROM login_credentials ORDER BY 1"},
    {"sys.asymmetric_keys", 0,
     "name asymmetric_key_id pvt_key_encryption_type_desc thumbprint algorithm_desc key_length"
     " public_key provider_type cryptographic_provider_guid cryptographic_provider_algid",
     fill_from_database,
     "titbtibtgi"
     "SELECT name, id, 'ENCRYPTED_BY_CRYPTOGRAPHIC_PROVIDER', thumb, algorithm, bits,"
     " public_key, " KEY_TYPE ", provider_guid, provider_algid FROM ekmsql_keys WHERE kind='A'"
     " ORDER BY id"},
    {"sys.symmetric_keys", 0,
     "name symmetric_key_id key_length algorithm_desc create_date key_guid key_thumbprint"
     " provider_type cryptographic_provider_guid cryptographic_provider_algid",
     fill_from_database,
     "tiitdgbtgi"
     "SELECT name, id, bits, algorithm, created, thumb, CASE WHEN provider_guid IS NULL"
     " THEN NULL ELSE thumb END, " KEY_TYPE ", provider_guid, provider_algid FROM ekmsql_keys"
     " WHERE kind='S' ORDER BY id"},
    {"sys.dm_database_encryption_keys", 0,
     "database_id encryption_state create_date regenerate_date set_date key_algorithm key_length"
     " encryptor_thumbprint encryptor_type percent_complete encryption_state_desc",
     fill_deks, NULL},
    {"sys.dm_cryptographic_provider_properties", 0,
     "provider_id guid provider_version sqlcrypt_version friendly_name authentication_type"
     " symmetric_key_support symmetric_key_export symmetric_key_import symmetric_key_persistance"
     " asymmetric_key_support asymmetric_key_export asymmetric_key_import"
     " asymmetric_key_persistance",
     fill_properties, NULL},
    {"sys.dm_cryptographic_provider_algorithms", 1,
     "algorithm_id algorithm_tag key_type key_length", fill_algorithms, NULL},
    {"sys.dm_cryptographic_provider_keys", 1,
     "key_id key_name key_thumbprint algorithm_id algorithm_tag key_type key_length", fill_keys,
     NULL},
    {"sys.dm_cryptographic_provider_sessions", 1, "provider_id session_handle identity spid",
     fill_sessions, NULL},
};

sql_rowset *sql_view(sql_engine *e, const char *name, const sql_value *args, size_t nargs,
                     bool *known)
{
    *known = false;
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        const view *v = &views[i];
        if (!sql_same(v->name, name)) {
            continue;
        }
        *known = true;
        if (nargs != v->args) {
            SQL_RAISE(e, 174, 1, name, sql_format(e, "%zu", v->args));
            return NULL;
        }
        sql_rowset *r = sql_rowset_new(e, v->columns);
        return v->fill(e, v, args, r) ? r : NULL;
    }
    return NULL;
}
