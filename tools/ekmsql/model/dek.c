/* SPDX-License-Identifier: Apache-2.0
 *
 * The database encryption key (DEK), wrapped by a server asymmetric key. Only the wrapped key is
 * stored. At start-up and for RESTORE the key is unwrapped with the login that was created FROM
 * the asymmetric key and the credential of that login.
 */
#include "tools/ekmsql/model/model_private.h"

#include "tools/ekmsql/base/seal.h"

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

/* SQLCipher always encrypts pages with AES-256: a DEK of 32 bytes is the page key, and from a
 * shorter one the page key is derived. */
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

/* The login that was created from a server key; returns 0 and reports 33121 if there is none
 * with a credential. */
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

/* Wraps with the credential of the caller, or if there is none, of the login of the key, so that
 * both documented orders of the set-up (one credential that is moved to the login of the key, or
 * two) work. */
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

bool sql_dek_new(sql_engine *e, const char *algorithm, const char *key, sql_dbheader *h,
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
