/* SPDX-License-Identifier: Apache-2.0
 *
 * BACKUP and RESTORE DATABASE. A backup consists of the header lines of the database and its data
 * file. So the backup of a TDE database has the wrapped DEK and the thumbprint of its protector,
 * by which another server finds the key. WITH ENCRYPTION, the data is sealed with a backup key
 * that a server asymmetric key wrapped.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/base/host.h"
#include "tools/ekmsql/base/seal.h"
#include "tools/ekmsql/model/model.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define SEPARATOR "\n--\n"

typedef struct backup {
    sql_buf text;        /* the header part */
    sql_dbheader header; /* of the database in it */
    sql_buf wrapped;     /* the backup key; empty: not encrypted */
    sql_buf encryptor;
    sql_buf data;
} backup;

static void free_backup(backup *b)
{
    sql_buf_free(&b->text);
    sql_header_free(&b->header);
    sql_buf_free(&b->wrapped);
    sql_buf_free(&b->encryptor);
    sql_buf_free(&b->data);
}

static bool abnormal(sql_engine *e, const char *what)
{
    return SQL_RAISE(e, 3013, 1, what);
}

/* ---- BACKUP ---- */

static bool check_options(sql_engine *e, const sql_stmt *s)
{
    if (sql_option_value(s, "ENCRYPTION") == NULL) {
        return sql_option_value(s, "SERVER_KEY") == NULL || SQL_RAISE(e, 102, 1, "SERVER");
    }
    const char *algorithm = sql_option_value(s, "ALGORITHM");
    if (algorithm == NULL || !sql_same(algorithm, "AES_256")) {
        return sql_error_text(e, "ekmsql encrypts backups with ALGORITHM = AES_256 only");
    }
    return sql_option_value(s, "SERVER_KEY") != NULL || SQL_RAISE(e, 102, 1, "ENCRYPTION");
}

/* A TDE database can be backed up only if the key that protects its DEK is available. */
static bool check_protector(sql_engine *e, const sql_dbheader *h)
{
    sql_buf dek = {0};
    bool ok = !h->encrypted || sql_server_unwrap(e, &h->encryptor, &h->wrapped, &dek);
    sql_buf_free(&dek);
    return ok;
}

static bool read_data(sql_engine *e, sql_database *d, sql_buf *data)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    const char *path = sql_data_path(e, d->name, d->header.generation);
    /* The connection holds a lock on the file, which is consistent between statements. */
    bool ok = host_file_read(path, &bytes, &len);
    if (ok) {
        sql_buf_set(data, bytes, len);
        free(bytes);
    }
    return ok || SQL_RAISE(e, 3201, 1, path, "(cannot read)");
}

static bool seal_data(sql_engine *e, const sql_stmt *s, backup *b)
{
    uint8_t key[SQL_SEAL_KEY];
    sql_buf clear = {0};
    sql_buf sealed = {0};
    bool ok = sql_random(key, sizeof key);
    sql_buf_set(&clear, key, sizeof key);
    ok = ok &&
         sql_server_wrap(e, sql_option_value(s, "SERVER_KEY"), &clear, &b->wrapped, &b->encryptor);
    if (ok) {
        sql_buf_puts(&b->text, "backup-algorithm=AES_256\nbackup-wrapped=");
        sql_hex_add(&b->text, b->wrapped.p, b->wrapped.len);
        sql_buf_puts(&b->text, "\nbackup-encryptor=");
        sql_hex_add(&b->text, b->encryptor.p, b->encryptor.len);
        sql_buf_puts(&b->text, "\n");
        ok = sql_seal(key, &b->text, &b->data, &sealed) || SQL_RAISE(e, 15209, 1, NULL);
    }
    if (ok) {
        sql_buf_set(&b->data, sealed.p, sealed.len);
    }
    OPENSSL_cleanse(key, sizeof key);
    sql_buf_free(&clear);
    sql_buf_free(&sealed);
    return ok;
}

bool sql_do_backup_database(sql_engine *e, const sql_stmt *s)
{
    const char *path = s->slot[SQL_TEXT];
    sql_database *d = sql_database_online(e, s->slot[SQL_NAME]);
    backup b = {0};
    if (d == NULL) {
        return abnormal(e, "BACKUP");
    }
    if (d->id == SQL_SYSTEM_MASTER) {
        return sql_error_text(e, "ekmsql does not back up master");
    }
    sql_header_print(&b.text, &d->header);
    sql_buf_printf(&b.text, "database=%s\n", d->name);
    bool ok = check_options(e, s) && check_protector(e, &d->header) && read_data(e, d, &b.data) &&
              (sql_option_value(s, "ENCRYPTION") == NULL || seal_data(e, s, &b));
    sql_buf_puts(&b.text, SEPARATOR);
    sql_buf_add(&b.text, b.data.p, b.data.len);
    if (ok && !host_file_write(path, b.text.p, b.text.len)) {
        ok = SQL_RAISE(e, 3201, 1, path, "(cannot write)");
    }
    free_backup(&b);
    if (!ok) {
        return abnormal(e, "BACKUP");
    }
    sql_print("BACKUP DATABASE successfully processed '%s'.", d->name);
    return true;
}

/* ---- RESTORE ---- */

static bool line_hex(const char *text, const char *name, sql_buf *out)
{
    const char *at = strstr(text, name);
    if (at == NULL) {
        return false;
    }
    at += strlen(name);
    return sql_hex_parse(out, at, strcspn(at, "\n"));
}

static bool read_backup(sql_engine *e, const char *path, backup *b)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!host_file_read(path, &bytes, &len)) {
        return SQL_RAISE(e, 3201, 2, path, "2(The system cannot find the file specified.)");
    }
    bool ok = false;
    const char *text = (const char *)bytes;
    const char *end = strstr(text, SEPARATOR);
    if (end != NULL) {
        size_t head = (size_t)(end - text);
        sql_buf_set(&b->text, bytes, head);
        sql_buf_set(&b->data, bytes + head + strlen(SEPARATOR), len - head - strlen(SEPARATOR));
        text = sql_buf_text(&b->text);
        bool sealed = strstr(text, "\nbackup-wrapped=") != NULL;
        ok = sql_header_parse(text, &b->header) &&
             (!sealed || (line_hex(text, "\nbackup-wrapped=", &b->wrapped) &&
                          line_hex(text, "\nbackup-encryptor=", &b->encryptor)));
    }
    free(bytes);
    return ok || SQL_RAISE(e, 3241, 0, path);
}

static bool unseal_data(sql_engine *e, const char *path, backup *b)
{
    sql_buf key = {0};
    sql_buf clear = {0};
    if (b->wrapped.len == 0) {
        return true;
    }
    bool ok = sql_server_unwrap(e, &b->encryptor, &b->wrapped, &key);
    if (ok && (key.len != SQL_SEAL_KEY || !sql_unseal(key.p, &b->text, &b->data, &clear))) {
        ok = SQL_RAISE(e, 3241, 1, path);
    }
    if (ok) {
        sql_buf_set(&b->data, clear.p, clear.len);
    }
    sql_buf_free(&key);
    sql_buf_free(&clear);
    return ok;
}

/* Writes the new files with the generation after the current one, so that nothing is lost before
 * the header is replaced. */
static bool install(sql_engine *e, const char *name, sql_database *old, backup *b)
{
    b->header.generation = old == NULL ? 1 : old->header.generation + 1;
    const char *path = sql_data_path(e, name, b->header.generation);
    if (!host_file_write(path, b->data.p, b->data.len)) {
        return SQL_RAISE(e, 3201, 1, path, "(cannot write)");
    }
    if (!sql_header_write(e, name, &b->header)) {
        host_file_remove(path);
        return false;
    }
    sql_database *d = old == NULL ? sql_database_register(e, name) : old;
    return d != NULL && sql_database_open(e, d);
}

bool sql_do_restore_database(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    const char *path = s->slot[SQL_TEXT];
    sql_database *old = sql_database_find(e, name);
    backup b = {0};
    bool ok = false;
    if (old != NULL && (old == e->current || old->id == SQL_SYSTEM_MASTER)) {
        SQL_RAISE(e, 3101, 1, NULL);
        goto done;
    }
    if (old != NULL && sql_option_value(s, "REPLACE") == NULL) {
        SQL_RAISE(e, 3159, 1, name);
        goto done;
    }
    ok = sql_database_name_ok(e, name) && read_backup(e, path, &b) && unseal_data(e, path, &b) &&
         check_protector(e, &b.header) && install(e, name, old, &b);
done:
    free_backup(&b);
    if (!ok) {
        return abnormal(e, "RESTORE");
    }
    sql_print("RESTORE DATABASE successfully processed '%s'.", name);
    return true;
}
