/* SPDX-License-Identifier: Apache-2.0
 *
 * Transparent data encryption: the statements on the database encryption key.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/base/host.h"
#include "tools/ekmsql/model/model.h"

static bool user_database(sql_engine *e)
{
    return e->current->id != SQL_SYSTEM_MASTER ? sql_database_writable(e)
                                               : SQL_RAISE(e, 33102, 1, NULL);
}

static bool has_dek(sql_engine *e)
{
    return user_database(e) &&
           (e->current->header.algorithm[0] != 0 || SQL_RAISE(e, 33104, 1, NULL));
}

/* Writes the header without a change of the data file. */
static bool commit_header(sql_engine *e, sql_database *d, sql_dbheader *h, const sql_buf *dek)
{
    if (!sql_header_write(e, d->name, h)) {
        return false;
    }
    sql_header_free(&d->header);
    sql_header_copy(&d->header, h);
    sql_buf kept = {0};
    sql_buf_add(&kept, dek->p, dek->len);
    sql_buf_free(&d->dek);
    d->dek = kept;
    return true;
}

bool sql_do_create_dek(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = e->current;
    sql_buf dek = {0};
    sql_dbheader h = {0};
    if (!user_database(e)) {
        return false;
    }
    if (d->header.algorithm[0] != 0) {
        return SQL_RAISE(e, 33103, 1, NULL);
    }
    sql_header_copy(&h, &d->header);
    bool ok = sql_dek_new(e, s->slot[SQL_ALGORITHM], s->slot[SQL_KEY], &h, &dek);
    h.created = h.regenerated = host_unix_time();
    ok = ok && commit_header(e, d, &h, &dek);
    sql_header_free(&h);
    sql_buf_free(&dek);
    return ok;
}

/* The name of the server key that wrapped the DEK. */
static const char *encryptor_name(sql_engine *e, const sql_dbheader *h)
{
    sql_key key = {0};
    const char *name = "";
    if (sql_key_by_thumb(e->master, SQL_ASYMMETRIC, h->encryptor.p, h->encryptor.len, &key)) {
        name = sql_format(e, "%s", key.name);
    }
    sql_key_free(&key);
    return name;
}

bool sql_do_regenerate_dek(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = e->current;
    sql_buf dek = {0};
    sql_dbheader h = {0};
    if (!has_dek(e)) {
        return false;
    }
    const char *algorithm = s->slot[SQL_ALGORITHM];
    sql_header_copy(&h, &d->header);
    bool ok = sql_dek_new(e, algorithm == NULL ? d->header.algorithm : algorithm,
                          encryptor_name(e, &d->header), &h, &dek);
    h.regenerated = host_unix_time();
    ok = ok && (h.encrypted ? sql_database_switch(e, d, &h, &dek) : commit_header(e, d, &h, &dek));
    sql_header_free(&h);
    sql_buf_free(&dek);
    return ok;
}

/* Always unwraps with the old protector, even if the DEK is in memory: SQL Server needs both
 * keys for this statement. */
bool sql_do_rewrap_dek(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = e->current;
    sql_buf dek = {0};
    sql_dbheader h = {0};
    if (!has_dek(e)) {
        return false;
    }
    sql_header_copy(&h, &d->header);
    bool ok = sql_server_unwrap(e, &d->header.encryptor, &d->header.wrapped, &dek) &&
              sql_server_wrap(e, s->slot[SQL_KEY], &dek, &h.wrapped, &h.encryptor) &&
              commit_header(e, d, &h, &dek);
    sql_header_free(&h);
    sql_buf_free(&dek);
    return ok;
}

bool sql_do_drop_dek(sql_engine *e, const sql_stmt *s)
{
    (void)s;
    sql_database *d = e->current;
    sql_buf none = {0};
    if (!has_dek(e)) {
        return false;
    }
    if (d->header.encrypted) {
        return SQL_RAISE(e, 33105, 1, NULL);
    }
    sql_dbheader h = {.generation = d->header.generation};
    return commit_header(e, d, &h, &none);
}

bool sql_do_set_encryption(sql_engine *e, const sql_stmt *s)
{
    sql_database *d = sql_database_online(e, s->slot[SQL_NAME]);
    sql_dbheader h = {0};
    if (d == NULL) {
        return false;
    }
    if (d->id == SQL_SYSTEM_MASTER) {
        return SQL_RAISE(e, 33102, 1, NULL);
    }
    if (d->header.algorithm[0] == 0) {
        return SQL_RAISE(e, 33106, 1, NULL);
    }
    if (d->header.encrypted == s->flag) {
        return SQL_RAISE(e, s->flag ? 33107 : 33108, 1, NULL);
    }
    sql_header_copy(&h, &d->header);
    h.encrypted = s->flag;
    h.set = host_unix_time();
    bool ok = sql_dek_load(e, d) && sql_database_switch(e, d, &h, &d->dek);
    sql_header_free(&h);
    return ok;
}
