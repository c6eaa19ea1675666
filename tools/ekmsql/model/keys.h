/* SPDX-License-Identifier: Apache-2.0
 *
 * Asymmetric and symmetric keys in a database's own catalogue: EKM keys, which are names for keys
 * in a provider, and native symmetric keys, which are protected by an EKM asymmetric key.
 */
#ifndef EKMSQL_MODEL_KEYS_H
#define EKMSQL_MODEL_KEYS_H

#include "tools/ekmsql/provider/session.h"

#define SQL_ASYMMETRIC 'A'
#define SQL_SYMMETRIC  'S'
#define SQL_KEY_GUID   16

typedef struct sql_key {
    int64_t id;
    char kind;
    char name[129];
    char algorithm[scp_MaxAlgTag / 2 + 1];
    int64_t bits;
    sql_buf thumb;         /* EKM keys; a symmetric key's GUID is its first 16 bytes */
    sql_buf provider_guid; /* empty: a native key */
    char provider_key[scp_MaxKeyName * 2];
    sql_buf encryptor; /* native keys: the thumbprint of the asymmetric key, and what it wrapped */
    sql_buf wrapped;
} sql_key;

/* A native symmetric key that OPEN SYMMETRIC KEY decrypted. */
struct sql_open_key {
    uint8_t guid[SQL_KEY_GUID];
    sql_buf material;
    sql_open_key *next;
};

/* Makes the table of keys where it is missing. */
bool sql_keys_prepare(sqlite3 *db);
/* By name, with message 15151 where there is none. */
bool sql_key_get(sql_engine *e, sqlite3 *db, char kind, const char *name, sql_key *key);
/* Without a message. */
bool sql_key_by_id(sqlite3 *db, char kind, int64_t id, sql_key *key);
bool sql_key_by_thumb(sqlite3 *db, char kind, const uint8_t *thumb, size_t len, sql_key *key);
void sql_key_free(sql_key *key);
/* The kind as its column has it. */
const char *sql_key_kind(char kind);

/* The provider and the caller's session for an EKM key; false with the message reported. */
bool sql_key_session(sql_engine *e, const sql_key *key, sql_provider **p, sql_crypto_session **s);
/* Encrypt or decrypt by an EKM key in the caller's session; 15209 or 15466 on failure. */
bool sql_key_encrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out);
bool sql_key_decrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out);
/* 15209 or 15466 with the provider's code below. */
bool sql_crypt_error(sql_engine *e, int number, SqlCpError code);

const sql_open_key *sql_key_opened(const sql_engine *e, const uint8_t guid[SQL_KEY_GUID]);
/* False where it is not open. */
bool sql_key_close(sql_engine *e, const uint8_t *guid);
void sql_keys_close_all(sql_engine *e);

#endif
