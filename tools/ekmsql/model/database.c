/* SPDX-License-Identifier: Apache-2.0
 *
 * Databases: start-up, look-up, opening and closing, and the crash-safe change of a data file.
 */
#include "tools/ekmsql/model/model_private.h"

#include "tools/ekmsql/base/host.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static const char *const state_names[] = {"ONLINE", "OFFLINE", "RECOVERY_PENDING"};

sql_database *sql_database_find(const sql_engine *e, const char *name)
{
    sql_database *d = e->databases;
    while (d != NULL && !sql_same(d->name, name)) {
        d = d->next;
    }
    return d;
}

sql_database *sql_database_online(sql_engine *e, const char *name)
{
    sql_database *d = sql_database_find(e, name);
    if (d == NULL) {
        SQL_RAISE(e, 911, 1, name);
        return NULL;
    }
    if (d->state != SQL_ONLINE) {
        SQL_RAISE(e, d->state == SQL_OFFLINE ? 942 : 945, 1, d->name);
        return NULL;
    }
    return d;
}

bool sql_database_writable(sql_engine *e)
{
    return e->current->db != NULL || SQL_RAISE(e, 945, 1, e->current->name);
}

bool sql_database_uses(const sql_engine *e, const sql_buf *thumb)
{
    for (const sql_database *d = e->databases; d != NULL; d = d->next) {
        const sql_buf *used = &d->header.encryptor;
        if (used->len > 0 && used->len == thumb->len &&
            memcmp(used->p, thumb->p, thumb->len) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- opening and closing ---- */

static bool read_header(sql_engine *e, sql_database *d)
{
    uint8_t *text = NULL;
    size_t len = 0;
    bool ok = host_file_read(sql_header_path(e, d->name), &text, &len) &&
              sql_header_parse((const char *)text, &d->header);
    free(text);
    return ok || sql_error_text(e, "ekmsql cannot read the header of database '%s'", d->name);
}

/* Data files that a crash left: those of other generations than the one in the header. */
typedef struct leftovers {
    sql_engine *e;
    const sql_database *d;
} leftovers;

static void remove_leftover(void *context, const char *file)
{
    const leftovers *l = context;
    size_t n = strlen(l->d->name);
    char *end = NULL;
    if (strncmp(file, l->d->name, n) != 0 || file[n] != '.') {
        return;
    }
    int64_t generation = strtoll(file + n + 1, &end, 10);
    if (end != file + n + 1 && strncmp(end, ".mdf", 4) == 0 &&
        generation != l->d->header.generation) {
        host_file_remove(sql_path(l->e, file));
    }
}

static bool open_file(sql_engine *e, sql_database *d)
{
    uint8_t key[SQL_PAGE_KEY];
    const char *path = sql_data_path(e, d->name, d->header.generation);
    if (d->header.encrypted &&
        (!sql_dek_load(e, d) || !sql_dek_page_key(&d->header, &d->dek, key))) {
        return false;
    }
    d->db = host_file_exists(path) ? sql_store_open(path, d->header.encrypted ? key : NULL) : NULL;
    OPENSSL_cleanse(key, sizeof key);
    if (d->db == NULL) {
        return sql_error_text(e, "ekmsql cannot open the data file '%s'", path);
    }
    return sql_keys_prepare(d->db) || sql_storage_error(e, d->db);
}

bool sql_database_open(sql_engine *e, sql_database *d)
{
    sql_database_close(d);
    bool ok = read_header(e, d);
    if (ok) {
        leftovers l = {e, d};
        host_dir_each(e->dir, remove_leftover, &l);
        ok = open_file(e, d);
    }
    d->state = ok ? SQL_ONLINE : SQL_RECOVERY_PENDING;
    if (!ok) {
        sql_database_close(d);
        sql_print("Database '%s' is RECOVERY_PENDING, for the reason above.", d->name);
        sql_errorlog(e, "Database '%s' is RECOVERY_PENDING.", d->name);
    }
    return ok;
}

void sql_database_close(sql_database *d)
{
    if (d->id != SQL_SYSTEM_MASTER) {
        sqlite3_close_v2(d->db);
        d->db = NULL;
    }
    sql_buf_free(&d->dek);
}

static sql_database *append(sql_engine *e, int64_t id, const char *name)
{
    sql_database **tail = &e->databases;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    sql_database *d = sql_alloc(sizeof *d);
    d->id = id;
    snprintf(d->name, sizeof d->name, "%s", name);
    *tail = d;
    return d;
}

void sql_databases_start(sql_engine *e)
{
    sqlite3_stmt *row =
        sql_store_query(e->master, "SELECT id, name, offline FROM databases ORDER BY id", "");
    while (sqlite3_step(row) == SQLITE_ROW) {
        sql_database *d = append(e, sqlite3_column_int64(row, 0), sql_store_text(row, 1));
        d->state = sqlite3_column_int(row, 2) != 0 ? SQL_OFFLINE : SQL_ONLINE;
    }
    sqlite3_finalize(row);
    e->databases->db = e->master;
    e->current = e->databases;
    for (sql_database *d = e->databases->next; d != NULL; d = d->next) {
        if (d->state == SQL_OFFLINE) {
            (void)read_header(e, d);
        } else {
            (void)sql_database_open(e, d);
        }
    }
    /* Problems found at start-up are printed, and are not errors of the first batch. */
    e->errors = 0;
}

void sql_databases_stop(sql_engine *e)
{
    for (sql_database *d = e->databases; d != NULL;) {
        sql_database *next = d->next;
        sql_database_close(d);
        sql_header_free(&d->header);
        free(d);
        d = next;
    }
    e->databases = NULL;
}

sql_database *sql_database_register(sql_engine *e, const char *name)
{
    if (!sql_store_run(e->master,
                       "INSERT INTO databases SELECT max(4, max(id))+1, ?, 0 FROM databases", "t",
                       name)) {
        sql_storage_error(e, e->master);
        return NULL;
    }
    return append(e, sqlite3_last_insert_rowid(e->master), name);
}

/* Database names are used as file names. */
bool sql_database_name_ok(sql_engine *e, const char *name)
{
    size_t len = strlen(name);
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ";
    return (len <= 64 && strspn(name, letters) == len) ||
           sql_error_text(e,
                          "ekmsql takes database names of up to 64 letters, digits, '_', '-' and "
                          "spaces only: '%s'",
                          name);
}

/* ---- replacing the data file ---- */

bool sql_database_switch(sql_engine *e, sql_database *d, sql_dbheader *h, const sql_buf *dek)
{
    uint8_t key[SQL_PAGE_KEY];
    h->generation = d->header.generation + 1;
    const char *old = sql_data_path(e, d->name, d->header.generation);
    const char *path = sql_data_path(e, d->name, h->generation);
    bool ok = !h->encrypted || sql_dek_page_key(h, dek, key);
    ok = ok && (sql_store_export(d->db, path, h->encrypted ? key : NULL) ||
                sql_error_text(e, "ekmsql cannot write '%s': %s", path, sqlite3_errmsg(d->db)));
    OPENSSL_cleanse(key, sizeof key);
    if (!ok) {
        return false;
    }
    if (!sql_header_write(e, d->name, h)) {
        host_file_remove(path);
        return false;
    }
    /* From now on the new file is the database. */
    sqlite3_close_v2(d->db);
    d->db = NULL;
    host_file_remove(old);
    sql_buf kept = {0};
    sql_buf_add(&kept, dek->p, dek->len);
    sql_buf_free(&d->dek);
    d->dek = kept;
    sql_header_free(&d->header);
    sql_header_copy(&d->header, h);
    if (open_file(e, d)) {
        return true;
    }
    d->state = SQL_RECOVERY_PENDING;
    return false;
}

const char *sql_database_state(const sql_database *d)
{
    return state_names[d->state];
}
