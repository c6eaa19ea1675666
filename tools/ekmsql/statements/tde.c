/* SPDX-License-Identifier: Apache-2.0
 *
 * Transparent data encryption: the database encryption key, wrapped by a server asymmetric key, and
 * the statements on it. Only the wrapped key is stored. At start-up and for RESTORE the key is
 * unwrapped through the login made FROM the asymmetric key and that login's credential.
 */
#include "tools/ekmsql/model/database.h"

#include "tools/ekmsql/statements/handlers.h"
#include "tools/ekmsql/model/keys.h"
#include "tools/ekmsql/base/seal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static const struct {
    const char *name;
    size_t bytes;
    int64_t bits;
} algorithms[] = {
    {"AES_128", 16, 128}, {"AES_192", 24, 192}, {"AES_256", 32, 256}, {"TRIPLE_DES_3KEY", 24, 192}};

static size_t dek_bytes(const char *algorithm)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (sql_same(algorithms[i].name, algorithm)) {
            return algorithms[i].bytes;
        }
    }
    return 0;
}

int64_t sql_dek_bits(const char *algorithm)
{
    return (int64_t)dek_bytes(algorithm) * 8;
}

/* SQLCipher's pages are AES-256 whatever the DEK's algorithm: a 32-byte DEK is the page key, a
 * shorter one makes it. */
bool sql_dek_page_key(const sql_dbheader *h, const sql_buf *dek, uint8_t key[SQL_PAGE_KEY])
{
    if (dek->len == SQL_PAGE_KEY) {
        memcpy(key, dek->p, SQL_PAGE_KEY);
        return true;
    }
    char purpose[64];
    snprintf(purpose, sizeof purpose, "ekmsql page key %s", h->algorithm);
    return sql_derive(dek, purpose, key);
}

/* ---- the server key ---- */

/* The login made from a server key; 0 with 33121 where there is none with a credential. */
static int64_t key_login(sql_engine *e, const sql_key *key, const sql_provider *p)
{
    int64_t login =
        sql_store_int(e->master, 0, "SELECT id FROM logins WHERE key_id=?", "i", key->id);
    if (login == 0 || !sql_login_has_credential(e, login, p->id)) {
        SQL_RAISE(e, 33121, 1, key->name, p->name);
        return 0;
    }
    return login;
}

bool sql_server_unwrap(sql_engine *e, const sql_buf *thumb, const sql_buf *wrapped, sql_buf *out)
{
    sql_key key = {0};
    sql_key_info info = {0};
    sql_buf text = {0};
    bool ok = false;
    sql_buf_puts(&text, "0x");
    sql_hex_add(&text, thumb->p, thumb->len);
    if (!sql_key_by_thumb(e->master, SQL_ASYMMETRIC, thumb->p, thumb->len, &key)) {
        SQL_RAISE(e, 33111, 3, sql_buf_text(&text));
        goto done;
    }
    sql_provider *p = sql_provider_by_guid(e, &key.provider_guid);
    int64_t login = p == NULL ? 0 : key_login(e, &key, p);
    sql_crypto_session *s = login == 0 ? NULL : sql_session_get(e, p, login);
    if (s == NULL) {
        goto done;
    }
    SqlCpError rc = sql_cp_info_by_thumb(p, &s->handle, thumb, &info);
    if (rc != scp_err_Success) {
        rc = rc == SQL_CP_BROKEN ? 0 : rc;
        SQL_RAISE(e, 33049, 1, "thumbprint", sql_code_text(e, rc), sql_code_meaning(rc),
                  sql_buf_text(&text));
        goto done;
    }
    rc = sql_cp_decrypt(p, &s->handle, thumb, wrapped, out);
    ok = rc == scp_err_Success || sql_crypt_error(e, 15466, rc);
done:
    sql_key_free(&key);
    sql_key_info_free(&info);
    sql_buf_free(&text);
    return ok;
}

/* The caller's own credential wraps where there is one, else that of the key's login, so that both
 * documented orders of setting up (one credential moved to the key's login, or two) work. */
bool sql_server_wrap(sql_engine *e, const char *name, const sql_buf *in, sql_buf *wrapped,
                     sql_buf *thumb)
{
    sql_key key = {0};
    bool ok = false;
    if (!sql_key_get(e, e->master, SQL_ASYMMETRIC, name, &key)) {
        goto done;
    }
    sql_provider *p = sql_provider_by_guid(e, &key.provider_guid);
    int64_t login = p == NULL ? 0 : key_login(e, &key, p);
    if (login == 0) {
        goto done;
    }
    int64_t caller = e->logins[e->impersonations];
    login = sql_login_has_credential(e, caller, p->id) ? caller : login;
    sql_crypto_session *s = sql_session_get(e, p, login);
    if (s == NULL) {
        goto done;
    }
    SqlCpError rc = sql_cp_encrypt(p, &s->handle, &key.thumb, in, wrapped);
    ok = rc == scp_err_Success || sql_crypt_error(e, 15209, rc);
    if (ok) {
        sql_buf_set(thumb, key.thumb.p, key.thumb.len);
    }
done:
    sql_key_free(&key);
    return ok;
}

bool sql_dek_load(sql_engine *e, sql_database *d)
{
    if (d->dek.len > 0) {
        return true;
    }
    if (!sql_server_unwrap(e, &d->header.encryptor, &d->header.wrapped, &d->dek)) {
        return false;
    }
    if (d->dek.len != dek_bytes(d->header.algorithm)) {
        sql_buf_free(&d->dek);
        return SQL_RAISE(e, 33126, 1, NULL);
    }
    return true;
}

/* ---- statements ---- */

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

/* A new DEK for the header, wrapped by the server key. */
static bool new_dek(sql_engine *e, const char *algorithm, const char *key, sql_dbheader *h,
                    sql_buf *dek)
{
    uint8_t bytes[SQL_MAX_DEK];
    size_t len = dek_bytes(algorithm);
    if (len == 0) {
        return SQL_RAISE(e, 102, 1, algorithm);
    }
    bool ok = sql_random(bytes, len);
    sql_buf_set(dek, bytes, len);
    OPENSSL_cleanse(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (sql_same(algorithms[i].name, algorithm)) {
            snprintf(h->algorithm, sizeof h->algorithm, "%s", algorithms[i].name);
        }
    }
    return ok && sql_server_wrap(e, key, dek, &h->wrapped, &h->encryptor);
}

/* The header takes effect without a change of the data file. */
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
    bool ok = new_dek(e, s->slot[SQL_ALGORITHM], s->slot[SQL_KEY], &h, &dek);
    h.created = h.regenerated = host_unix_time();
    ok = ok && commit_header(e, d, &h, &dek);
    sql_header_free(&h);
    sql_buf_free(&dek);
    return ok;
}

/* The name of the server key that a DEK is wrapped under. */
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
    bool ok = new_dek(e, algorithm == NULL ? d->header.algorithm : algorithm,
                      encryptor_name(e, &d->header), &h, &dek);
    h.regenerated = host_unix_time();
    ok = ok && (h.encrypted ? sql_database_switch(e, d, &h, &dek) : commit_header(e, d, &h, &dek));
    sql_header_free(&h);
    sql_buf_free(&dek);
    return ok;
}

/* The old protector unwraps in any case, even where the DEK is in memory: SQL Server needs both
 * keys for this. */
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
