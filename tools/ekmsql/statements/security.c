/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements on objects of the server: options, cryptographic providers, credentials and logins.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/base/seal.h"
#include "tools/ekmsql/model/model.h"
#include "tools/ekmsql/provider/provider.h"

#include <stdlib.h>
#include <string.h>

/* ---- sp_configure ---- */

bool sql_do_configure(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_TEXT];
    int64_t value = strtol(s->slot[SQL_NUMBER], NULL, 10);
    int64_t old =
        sql_store_int(e->master, -1,
                      "SELECT value FROM options WHERE name=? AND (advanced=0 OR"
                      " (SELECT in_use FROM options WHERE name='show advanced options')=1)",
                      "t", name);
    if (old < 0) {
        return SQL_RAISE(e, 15123, 1, name);
    }
    if (value > 1) {
        return SQL_RAISE(e, 15129, 1, s->slot[SQL_NUMBER], name);
    }
    if (!sql_store_run(e->master, "UPDATE options SET value=? WHERE name=?", "it", value, name)) {
        return sql_storage_error(e, e->master);
    }
    SQL_RAISE(e, 15457, 1, name, sql_format(e, "%lld", (long long)old), s->slot[SQL_NUMBER]);
    return true;
}

bool sql_do_reconfigure(sql_engine *e, const sql_stmt *s)
{
    (void)s;
    return sql_store_run(e->master, "UPDATE options SET in_use=value", "") ||
           sql_storage_error(e, e->master);
}

/* ---- cryptographic providers ---- */

static int64_t provider_id(sql_engine *e, const char *name)
{
    int64_t id = sql_store_int(e->master, 0, "SELECT id FROM providers WHERE name=?", "t", name);
    if (id == 0) {
        SQL_RAISE(e, 15151, 1, "cryptographic provider", name);
    }
    return id;
}

/* Loads a provider only to check it. */
static sql_provider *probe(sql_engine *e, const sql_stmt *s, int64_t id)
{
    if (!sql_ekm_enabled(e)) {
        SQL_RAISE(e, 33053, 1, NULL);
        return NULL;
    }
    if (strlen(s->slot[SQL_TEXT]) > 256) {
        SQL_RAISE(e, 33023, 1, "path", "512");
        return NULL;
    }
    sql_provider *p = sql_alloc(sizeof *p);
    p->id = id;
    p->name = sql_strdup(s->slot[SQL_NAME]);
    p->path = sql_strdup(s->slot[SQL_TEXT]);
    if (!sql_provider_load(e, p)) {
        sql_provider_free(p);
        return NULL;
    }
    return p;
}

static const char *guid_text(sql_engine *e, const SqlCpGuid *guid)
{
    sql_buf text = {0};
    sql_guid_add(&text, (const uint8_t *)guid);
    const char *copy = sql_format(e, "%s", sql_buf_text(&text));
    sql_buf_free(&text);
    return copy;
}

bool sql_do_create_provider(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    if (sql_store_int(e->master, 0, "SELECT id FROM providers WHERE name=?", "t", name) != 0) {
        return SQL_RAISE(e, 15530, 1, "cryptographic provider", name);
    }
    sql_provider *p = probe(e, s, 0);
    if (p == NULL) {
        return false;
    }
    bool ok = false;
    const SqlCpGuid *guid = &p->info.guid;
    if (sql_store_int(e->master, 0, "SELECT id FROM providers WHERE guid=?", "b", guid,
                      sizeof *guid) != 0) {
        SQL_RAISE(e, 33026, 1, guid_text(e, guid));
        goto done;
    }
    /* SQL Server numbers providers from 65536. */
    ok = sql_store_run(e->master,
                       "INSERT INTO providers SELECT coalesce(max(id), 65535)+1, ?, ?, ?, ?, 1"
                       " FROM providers",
                       "tbtt", name, guid, sizeof *guid, sql_version(e, &p->info.version),
                       p->path) ||
         sql_storage_error(e, e->master);
done:
    sql_provider_free(p);
    return ok;
}

bool sql_do_alter_provider(sql_engine *e, const sql_stmt *s)
{
    int64_t id = provider_id(e, s->slot[SQL_NAME]);
    if (id == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0, "SELECT enabled FROM providers WHERE id=?", "i", id) == 1) {
        return SQL_RAISE(e, 33071, 1, "cryptographic provider");
    }
    sql_provider *p = probe(e, s, id);
    if (p == NULL) {
        return false;
    }
    bool ok = false;
    const SqlCpGuid *guid = &p->info.guid;
    if (sql_store_int(e->master, 0, "SELECT id FROM providers WHERE guid=?", "b", guid,
                      sizeof *guid) != id) {
        SQL_RAISE(e, 33024, 1, "guid", guid_text(e, guid), sql_format(e, "%lld", (long long)id));
        goto done;
    }
    ok = sql_store_run(e->master, "UPDATE providers SET version=?, path=? WHERE id=?", "tti",
                       sql_version(e, &p->info.version), p->path, id) ||
         sql_storage_error(e, e->master);
done:
    sql_provider_free(p);
    return ok;
}

bool sql_do_enable_provider(sql_engine *e, const sql_stmt *s)
{
    int64_t id = provider_id(e, s->slot[SQL_NAME]);
    if (id == 0) {
        return false;
    }
    if (!sql_store_run(e->master, "UPDATE providers SET enabled=? WHERE id=?", "ii",
                       (int64_t)s->flag, id)) {
        return sql_storage_error(e, e->master);
    }
    if (!s->flag) {
        sql_provider_close(e, id);
        SQL_RAISE(e, 33057, 1, NULL);
    }
    return true;
}

bool sql_do_drop_provider(sql_engine *e, const sql_stmt *s)
{
    int64_t id = provider_id(e, s->slot[SQL_NAME]);
    if (id == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0, "SELECT 1 FROM credentials WHERE provider_id=?", "i", id) ==
        1) {
        return SQL_RAISE(e, 33044, 1, NULL);
    }
    sql_provider_close(e, id);
    if (!sql_store_run(e->master, "DELETE FROM providers WHERE id=?", "i", id)) {
        return sql_storage_error(e, e->master);
    }
    SQL_RAISE(e, 33058, 1, NULL);
    return true;
}

/* ---- credentials ---- */

/* Seals the SECRET with the key of the instance; an empty result if there is no SECRET. */
static bool seal_secret(sql_engine *e, const sql_stmt *s, sql_buf *sealed)
{
    const char *text = sql_option_value(s, "SECRET");
    if (text == NULL) {
        return true;
    }
    sql_buf secret = {0};
    sql_buf_puts(&secret, text);
    bool ok = sql_seal(e->service_master_key, NULL, &secret, sealed);
    sql_buf_free(&secret);
    return ok || SQL_RAISE(e, 15209, 1, NULL);
}

bool sql_do_create_credential(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    const char *identity = sql_option_value(s, "IDENTITY");
    int64_t provider = 0;
    sql_buf sealed = {0};
    bool ok = false;
    if (identity == NULL) {
        return SQL_RAISE(e, 102, 1, "WITH");
    }
    if (s->slot[SQL_PROVIDER] != NULL && (provider = provider_id(e, s->slot[SQL_PROVIDER])) == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0, "SELECT 1 FROM credentials WHERE name=?", "t", name) == 1) {
        return SQL_RAISE(e, 15530, 1, "credential", name);
    }
    if (!seal_secret(e, s, &sealed)) {
        goto done;
    }
    ok = sql_store_run(e->master,
                       "INSERT INTO credentials SELECT coalesce(max(id), 65535)+1, ?, ?, ?,"
                       " nullif(?,0), ?, ? FROM credentials",
                       "ttbiii", name, identity, sealed.p, sealed.len, provider, host_unix_time(),
                       host_unix_time()) ||
         sql_storage_error(e, e->master);
done:
    sql_buf_free(&sealed);
    return ok;
}

static int64_t credential_id(sql_engine *e, const char *name)
{
    int64_t id = sql_store_int(e->master, 0, "SELECT id FROM credentials WHERE name=?", "t", name);
    if (id == 0) {
        SQL_RAISE(e, 15151, 1, "credential", name);
    }
    return id;
}

bool sql_do_alter_credential(sql_engine *e, const sql_stmt *s)
{
    int64_t id = credential_id(e, s->slot[SQL_NAME]);
    const char *identity = sql_option_value(s, "IDENTITY");
    sql_buf sealed = {0};
    if (id == 0) {
        return false;
    }
    if (identity == NULL) {
        return SQL_RAISE(e, 102, 1, "WITH");
    }
    /* As documented, ALTER without a SECRET removes it. */
    bool ok = seal_secret(e, s, &sealed) &&
              (sql_store_run(e->master,
                             "UPDATE credentials SET identity=?, secret=?, modified=? WHERE id=?",
                             "tbii", identity, sealed.p, sealed.len, host_unix_time(), id) ||
               sql_storage_error(e, e->master));
    sql_sessions_close(e, 0, id);
    sql_buf_free(&sealed);
    return ok;
}

bool sql_do_drop_credential(sql_engine *e, const sql_stmt *s)
{
    int64_t id = credential_id(e, s->slot[SQL_NAME]);
    if (id == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0, "SELECT 1 FROM login_credentials WHERE credential_id=?", "i",
                      id) == 1) {
        return SQL_RAISE(e, 33249, 1, s->slot[SQL_NAME]);
    }
    return sql_store_run(e->master, "DELETE FROM credentials WHERE id=?", "i", id) ||
           sql_storage_error(e, e->master);
}

/* ---- logins ---- */

/* A login FROM ASYMMETRIC KEY is used for the key at start-up. Passwords are neither stored nor
 * checked, because ekmsql has no network. */
bool sql_do_create_login(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    sql_key key = {0};
    bool ok = false;
    if (sql_store_int(e->master, 0, "SELECT 1 FROM logins WHERE name=?", "t", name) == 1) {
        return SQL_RAISE(e, 15025, 1, name);
    }
    if (s->slot[SQL_KEY] != NULL &&
        !sql_key_get(e, e->master, SQL_ASYMMETRIC, s->slot[SQL_KEY], &key)) {
        goto done;
    }
    if (s->slot[SQL_KEY] == NULL && sql_option_value(s, "PASSWORD") == NULL) {
        SQL_RAISE(e, 102, 1, "WITH");
        goto done;
    }
    ok = sql_store_run(e->master, "INSERT INTO logins(name, key_id) VALUES(?, nullif(?,0))", "ti",
                       name, key.id) ||
         sql_storage_error(e, e->master);
done:
    sql_key_free(&key);
    return ok;
}

static int64_t login_id(sql_engine *e, const char *name)
{
    int64_t id = sql_store_int(e->master, 0, "SELECT id FROM logins WHERE name=?", "t", name);
    if (id == 0) {
        SQL_RAISE(e, 15151, 1, "login", name);
    }
    return id;
}

/* There is nothing to alter: passwords and policies are not stored. */
bool sql_do_alter_login(sql_engine *e, const sql_stmt *s)
{
    return login_id(e, s->slot[SQL_NAME]) != 0;
}

bool sql_do_login_add_credential(sql_engine *e, const sql_stmt *s)
{
    int64_t login = login_id(e, s->slot[SQL_NAME]);
    int64_t credential = login == 0 ? 0 : credential_id(e, s->slot[SQL_CREDENTIAL]);
    if (credential == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0, "SELECT 1 FROM login_credentials WHERE credential_id=?", "i",
                      credential) == 1) {
        return SQL_RAISE(e, 33042, 1, NULL);
    }
    int64_t provider =
        sql_store_int(e->master, 0, "SELECT coalesce(provider_id,0) FROM credentials WHERE id=?",
                      "i", credential);
    if (provider != 0 && sql_login_has_credential(e, login, provider)) {
        return SQL_RAISE(e, 33043, 1, s->slot[SQL_CREDENTIAL]);
    }
    return sql_store_run(e->master, "INSERT INTO login_credentials VALUES(?,?)", "ii", login,
                         credential) ||
           sql_storage_error(e, e->master);
}

bool sql_do_login_drop_credential(sql_engine *e, const sql_stmt *s)
{
    int64_t login = login_id(e, s->slot[SQL_NAME]);
    int64_t credential = login == 0 ? 0 : credential_id(e, s->slot[SQL_CREDENTIAL]);
    if (credential == 0) {
        return false;
    }
    if (sql_store_int(e->master, 0,
                      "SELECT 1 FROM login_credentials WHERE login_id=? AND credential_id=?", "ii",
                      login, credential) != 1) {
        return SQL_RAISE(e, 33045, 1, NULL);
    }
    sql_sessions_close(e, 0, credential);
    return sql_store_run(e->master, "DELETE FROM login_credentials WHERE credential_id=?", "i",
                         credential) ||
           sql_storage_error(e, e->master);
}

bool sql_do_drop_login(sql_engine *e, const sql_stmt *s)
{
    int64_t id = login_id(e, s->slot[SQL_NAME]);
    if (id == 0) {
        return false;
    }
    for (size_t i = 0; i <= e->impersonations; i++) {
        if (e->logins[i] == id || id == 1) {
            return sql_error_text(e, "The login '%s' cannot be dropped: it is in use.",
                                  s->slot[SQL_NAME]);
        }
    }
    int64_t credential = sql_store_int(
        e->master, 0, "SELECT credential_id FROM login_credentials WHERE login_id=?", "i", id);
    if (credential != 0) {
        sql_sessions_close(e, 0, credential);
    }
    return (sql_store_run(e->master, "DELETE FROM login_credentials WHERE login_id=?", "i", id) &&
            sql_store_run(e->master, "DELETE FROM logins WHERE id=?", "i", id)) ||
           sql_storage_error(e, e->master);
}
