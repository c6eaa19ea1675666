/* SPDX-License-Identifier: Apache-2.0
 *
 * CREATE, ALTER and DROP of keys in a provider.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/model/model.h"

#include <string.h>

/* ---- CREATE … FROM PROVIDER ---- */

typedef struct creation {
    sql_provider *p;
    sql_crypto_session *s;
    char kind;
    const char *provider_key;
    const sql_algorithm *algorithm;
    sql_key_info info;
    sql_buf public_key;
} creation;

static bool code_error(sql_engine *e, int number, const char *what, SqlCpError rc)
{
    rc = rc == SQL_CP_BROKEN ? 0 : rc;
    return SQL_RAISE(e, number, 1, what, sql_code_text(e, rc), sql_code_meaning(rc));
}

static bool key_missing(sql_engine *e, const char *what, const char *which, SqlCpError rc)
{
    rc = rc == SQL_CP_BROKEN ? 0 : rc;
    return SQL_RAISE(e, 33049, 1, what, sql_code_text(e, rc), sql_code_meaning(rc), which);
}

static const char *hex(sql_engine *e, const sql_buf *b)
{
    sql_buf text = {0};
    sql_buf_puts(&text, "0x");
    sql_hex_add(&text, b->p, b->len);
    const char *copy = sql_format(e, "%s", sql_buf_text(&text));
    sql_buf_free(&text);
    return copy;
}

static bool create_new(sql_engine *e, const char *tag, creation *c)
{
    sql_key_info there = {0};
    sql_buf thumb = {0};
    bool ok = false;
    c->algorithm = sql_algorithm_by_tag(c->p, tag);
    if (c->algorithm == NULL) {
        return code_error(e, 33039, tag, scp_err_NotSupported);
    }
    bool asymmetric = c->algorithm->type == scp_kt_Asymmetric;
    SqlCpKeyFlags support = asymmetric ? c->p->info.asymmKeySupport : c->p->info.symmKeySupport;
    if (asymmetric != (c->kind == SQL_ASYMMETRIC) || (support & scp_kf_Supported) == 0) {
        return SQL_RAISE(e, 33033, 1, tag);
    }
    /* The engine queries whether the name exists; CreateKey of the provider refuses it. */
    (void)sql_cp_info_by_name(c->p, &c->s->handle, c->provider_key, &there);
    SqlCpError rc =
        sql_cp_create_key(c->p, &c->s->handle, c->provider_key, c->algorithm->id, &thumb);
    if (rc != scp_err_Success) {
        code_error(e, 33035, c->provider_key, rc);
        goto done;
    }
    rc = sql_cp_info_by_thumb(c->p, &c->s->handle, &thumb, &c->info);
    ok = rc == scp_err_Success || key_missing(e, "thumbprint", hex(e, &thumb), rc);
    if (ok && c->info.algorithm != c->algorithm->id) {
        ok = SQL_RAISE(e, 33087, 1, "Algorithm");
    }
done:
    sql_key_info_free(&there);
    sql_buf_free(&thumb);
    return ok;
}

static bool open_existing(sql_engine *e, creation *c)
{
    SqlCpError rc = sql_cp_info_by_name(c->p, &c->s->handle, c->provider_key, &c->info);
    if (rc != scp_err_Success) {
        return key_missing(e, "name", c->provider_key, rc);
    }
    sql_algorithm now = {0};
    rc = sql_cp_algorithm_info(c->p, c->info.algorithm, &now);
    if (rc != scp_err_Success) {
        rc = rc == SQL_CP_BROKEN ? 0 : rc;
        return SQL_RAISE(e, 33089, 1, sql_code_text(e, rc), sql_code_meaning(rc));
    }
    c->algorithm = sql_algorithm_by_id(c->p, c->info.algorithm);
    if (c->algorithm == NULL) {
        return SQL_RAISE(e, 33088, 1, sql_format(e, "%s", now.tag));
    }
    if ((c->algorithm->type == scp_kt_Asymmetric) != (c->kind == SQL_ASYMMETRIC)) {
        return SQL_RAISE(e, 33087, 2, "Key type");
    }
    return true;
}

static bool export_public(sql_engine *e, creation *c)
{
    if (c->kind != SQL_ASYMMETRIC) {
        return true;
    }
    SqlCpError rc = sql_cp_export_public(c->p, &c->s->handle, &c->info.thumb, &c->public_key);
    return rc == scp_err_Success || code_error(e, 33037, "public key", rc);
}

static bool store_key(sql_engine *e, const char *name, creation *c)
{
    sqlite3 *db = e->current->db;
    if (c->info.thumb.len != c->p->info.cbKeyThumbLen) {
        return SQL_RAISE(e, 33087, 3, "Thumbprint length");
    }
    return sql_store_run(db,
                         "INSERT INTO ekmsql_keys(kind, name, algorithm, bits, thumb,"
                         " provider_guid, provider_algid, provider_key, public_key, created)"
                         " VALUES(?,?,?,?,?,?,?,?,?,?)",
                         "tttibbitbi", sql_key_kind(c->kind), name, c->algorithm->tag,
                         (int64_t)c->algorithm->bits, c->info.thumb.p, c->info.thumb.len,
                         &c->p->info.guid, sizeof c->p->info.guid, (int64_t)c->algorithm->id,
                         c->provider_key, c->public_key.p, c->public_key.len, host_unix_time()) ||
           sql_storage_error(e, db);
}

static bool create_key(sql_engine *e, const sql_stmt *s, char kind)
{
    const char *name = s->slot[SQL_NAME];
    const char *algorithm = sql_option_value(s, "ALGORITHM");
    const char *disposition = sql_option_value(s, "CREATION_DISPOSITION");
    creation c = {.kind = kind, .provider_key = sql_option_value(s, "PROVIDER_KEY_NAME")};
    bool ok = false;
    if (!sql_database_writable(e)) {
        return false;
    }
    if (sql_store_int(e->current->db, 0, "SELECT 1 FROM ekmsql_keys WHERE kind=? AND name=?", "tt",
                      sql_key_kind(kind), name) == 1) {
        return SQL_RAISE(e, 15282, 1, name);
    }
    bool existing = disposition != NULL && sql_same(disposition, "OPEN_EXISTING");
    if (disposition != NULL && !existing && !sql_same(disposition, "CREATE_NEW")) {
        return SQL_RAISE(e, 102, 1, disposition);
    }
    if (existing && algorithm != NULL) {
        return SQL_RAISE(e, 33034, 1, NULL);
    }
    if (!existing && algorithm == NULL) {
        return SQL_RAISE(e, 102, 1, "PROVIDER");
    }
    if ((c.p = sql_provider_get(e, s->slot[SQL_PROVIDER])) == NULL) {
        return false;
    }
    if (c.provider_key != NULL && !existing && c.p->info.fAcceptsKeyName == 0) {
        return SQL_RAISE(e, 33050, 1, c.provider_key);
    }
    c.provider_key = c.provider_key == NULL ? name : c.provider_key;
    if ((c.s = sql_session_of_caller(e, c.p)) == NULL) {
        return false;
    }
    ok = (existing ? open_existing(e, &c) : create_new(e, algorithm, &c)) && export_public(e, &c) &&
         store_key(e, name, &c);
    sql_key_info_free(&c.info);
    sql_buf_free(&c.public_key);
    return ok;
}

bool sql_do_create_asymmetric_key(sql_engine *e, const sql_stmt *s)
{
    return create_key(e, s, SQL_ASYMMETRIC);
}

bool sql_do_create_symmetric_key(sql_engine *e, const sql_stmt *s)
{
    return create_key(e, s, SQL_SYMMETRIC);
}

/* ---- ALTER … PROVIDER_KEY_NAME: the key was renamed in the provider ---- */

static bool alter_key(sql_engine *e, const sql_stmt *s, char kind)
{
    const char *renamed = sql_option_value(s, "PROVIDER_KEY_NAME");
    sql_key key = {0};
    sql_key_info info = {0};
    sql_provider *p = NULL;
    sql_crypto_session *session = NULL;
    bool ok = false;
    if (!sql_database_writable(e) ||
        !sql_key_get(e, e->current->db, kind, s->slot[SQL_NAME], &key)) {
        goto done;
    }
    if (key.provider_guid.len == 0) {
        sql_error_text(e, "The symmetric key '%s' is not in a provider.", key.name);
        goto done;
    }
    if (!sql_key_session(e, &key, &p, &session)) {
        goto done;
    }
    SqlCpError rc = sql_cp_info_by_name(p, &session->handle, renamed, &info);
    if (rc != scp_err_Success) {
        key_missing(e, "name", renamed, rc);
        goto done;
    }
    if (info.thumb.len != key.thumb.len || memcmp(info.thumb.p, key.thumb.p, key.thumb.len) != 0) {
        SQL_RAISE(e, 33087, 4, "Thumbprint");
        goto done;
    }
    ok = sql_store_run(e->current->db, "UPDATE ekmsql_keys SET provider_key=? WHERE id=?", "ti",
                       renamed, key.id) ||
         sql_storage_error(e, e->current->db);
done:
    sql_key_free(&key);
    sql_key_info_free(&info);
    return ok;
}

bool sql_do_alter_asymmetric_key(sql_engine *e, const sql_stmt *s)
{
    return alter_key(e, s, SQL_ASYMMETRIC);
}

bool sql_do_alter_symmetric_key(sql_engine *e, const sql_stmt *s)
{
    return alter_key(e, s, SQL_SYMMETRIC);
}

/* ---- DROP ---- */

/* The key is removed from the database even if the provider could not drop it. */
static bool drop_key(sql_engine *e, const sql_stmt *s, char kind)
{
    sql_key key = {0};
    bool ok = false;
    if (!sql_database_writable(e) ||
        !sql_key_get(e, e->current->db, kind, s->slot[SQL_NAME], &key)) {
        goto done;
    }
    bool server_key = kind == SQL_ASYMMETRIC && e->current->id == SQL_SYSTEM_MASTER;
    if (server_key && sql_database_uses(e, &key.thumb)) {
        SQL_RAISE(e, 33127, 1, NULL);
        goto done;
    }
    if (server_key &&
        sql_store_int(e->master, 0, "SELECT 1 FROM logins WHERE key_id=?", "i", key.id) == 1) {
        sql_error_text(e, "The asymmetric key '%s' cannot be dropped: a login is made from it.",
                       key.name);
        goto done;
    }
    if (s->flag) {
        sql_provider *p = NULL;
        sql_crypto_session *session = NULL;
        if (key.provider_guid.len == 0 || !sql_key_session(e, &key, &p, &session) ||
            sql_cp_drop_key(p, &session->handle, &key.thumb) != scp_err_Success) {
            SQL_RAISE(e, 33036, 1, hex(e, &key.thumb));
        }
    }
    ok = sql_store_run(e->current->db, "DELETE FROM ekmsql_keys WHERE id=?", "i", key.id) ||
         sql_storage_error(e, e->current->db);
    if (ok && !s->flag && key.provider_guid.len > 0) {
        sql_print("Warning: the key with thumbprint '%s' stays in the provider.",
                  hex(e, &key.thumb));
    }
done:
    sql_key_free(&key);
    return ok;
}

bool sql_do_drop_asymmetric_key(sql_engine *e, const sql_stmt *s)
{
    return drop_key(e, s, SQL_ASYMMETRIC);
}

bool sql_do_drop_symmetric_key(sql_engine *e, const sql_stmt *s)
{
    return drop_key(e, s, SQL_SYMMETRIC);
}
