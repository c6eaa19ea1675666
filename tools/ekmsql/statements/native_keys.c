/* SPDX-License-Identifier: Apache-2.0
 *
 * Native symmetric keys: AES keys of the engine, wrapped by an EKM asymmetric key. The provider
 * is called once, at OPEN SYMMETRIC KEY, and not for every value.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/base/host.h"
#include "tools/ekmsql/base/seal.h"
#include "tools/ekmsql/model/model.h"

#include <string.h>

#include <openssl/crypto.h>

static const struct {
    const char *name;
    size_t bytes;
} algorithms[] = {{"AES_128", 16}, {"AES_192", 24}, {"AES_256", 32}};

static bool new_material(sql_engine *e, const char *algorithm, sql_buf *material)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (algorithm != NULL && sql_same(algorithms[i].name, algorithm)) {
            uint8_t bytes[32];
            bool ok = sql_random(bytes, algorithms[i].bytes);
            sql_buf_set(material, bytes, algorithms[i].bytes);
            OPENSSL_cleanse(bytes, sizeof bytes);
            return ok || SQL_RAISE(e, 15209, 1, NULL);
        }
    }
    return sql_error_text(
        e, "ekmsql makes native symmetric keys of AES_128, AES_192 and AES_256 only");
}

bool sql_do_create_native_key(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_NAME];
    const char *algorithm = sql_option_value(s, "ALGORITHM");
    sql_key protector = {0};
    sql_buf material = {0};
    sql_buf wrapped = {0};
    uint8_t guid[SQL_KEY_GUID];
    bool ok = false;
    if (!sql_database_writable(e)) {
        return false;
    }
    sqlite3 *db = e->current->db;
    if (sql_store_int(db, 0, "SELECT 1 FROM ekmsql_keys WHERE kind='S' AND name=?", "t", name) ==
        1) {
        return SQL_RAISE(e, 15282, 1, name);
    }
    if (!sql_key_get(e, db, SQL_ASYMMETRIC, s->slot[SQL_KEY], &protector) ||
        !new_material(e, algorithm, &material) ||
        !sql_key_encrypt(e, &protector, &material, &wrapped) || !sql_random(guid, sizeof guid)) {
        goto done;
    }
    ok = sql_store_run(db,
                       "INSERT INTO ekmsql_keys(kind, name, algorithm, bits, thumb, encryptor,"
                       " wrapped, created) VALUES('S',?,?,?,?,?,?,?)",
                       "ttibbbi", name, algorithm, (int64_t)material.len * 8, guid, sizeof guid,
                       protector.thumb.p, protector.thumb.len, wrapped.p, wrapped.len,
                       host_unix_time()) ||
         sql_storage_error(e, db);
done:
    sql_key_free(&protector);
    sql_buf_free(&material);
    sql_buf_free(&wrapped);
    return ok;
}

bool sql_do_open_key(sql_engine *e, const sql_stmt *s)
{
    sql_key key = {0};
    sql_key protector = {0};
    sql_buf material = {0};
    bool ok = false;
    if (!sql_database_writable(e) ||
        !sql_key_get(e, e->current->db, SQL_SYMMETRIC, s->slot[SQL_NAME], &key)) {
        goto done;
    }
    if (key.provider_guid.len > 0) {
        SQL_RAISE(e, 33084, 1, NULL);
        goto done;
    }
    if (!sql_key_get(e, e->current->db, SQL_ASYMMETRIC, s->slot[SQL_KEY], &protector)) {
        goto done;
    }
    if (key.encryptor.len != protector.thumb.len ||
        memcmp(key.encryptor.p, protector.thumb.p, protector.thumb.len) != 0) {
        SQL_RAISE(e, 15466, 1, NULL);
        goto done;
    }
    ok = sql_key_opened(e, key.thumb.p) != NULL ||
         sql_key_decrypt(e, &protector, &key.wrapped, &material);
    if (ok && material.len > 0) {
        sql_open_key *opened = sql_alloc(sizeof *opened);
        memcpy(opened->guid, key.thumb.p, SQL_KEY_GUID);
        opened->material = material;
        material = (sql_buf){0};
        opened->next = e->open_keys;
        e->open_keys = opened;
    }
done:
    sql_key_free(&key);
    sql_key_free(&protector);
    sql_buf_free(&material);
    return ok;
}

bool sql_do_close_key(sql_engine *e, const sql_stmt *s)
{
    sql_key key = {0};
    if (s->slot[SQL_NAME] == NULL) {
        sql_keys_close_all(e);
        return true;
    }
    bool ok = sql_database_writable(e) &&
              sql_key_get(e, e->current->db, SQL_SYMMETRIC, s->slot[SQL_NAME], &key) &&
              (sql_key_close(e, key.thumb.p) || SQL_RAISE(e, 15315, 1, key.name));
    sql_key_free(&key);
    return ok;
}
