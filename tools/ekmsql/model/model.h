/* SPDX-License-Identifier: Apache-2.0
 *
 * Databases. Each has a header file, NAME.header, and a data file, NAME.G.mdf, where G is a
 * generation that the header names: a data file written anew (encrypted, decrypted, restored) takes
 * effect when the header that names it replaces the old one, in one rename. The header also holds
 * the database encryption key as the provider wrapped it; master has neither file nor key.
 *
 * Asymmetric and symmetric keys in a database's own catalogue: EKM keys, which are names for keys
 * in a provider, and native symmetric keys, which are protected by an EKM asymmetric key.
 */
#ifndef EKMSQL_MODEL_MODEL_H
#define EKMSQL_MODEL_MODEL_H

#include "tools/ekmsql/provider/provider.h"

#define SQL_MAX_DEK 32

typedef struct sql_dbheader {
    int64_t generation;
    bool encrypted;     /* the pages are */
    char algorithm[17]; /* of the DEK; empty: there is none */
    sql_buf wrapped;    /* the DEK under the encryptor's key */
    sql_buf encryptor;  /* its thumbprint */
    int64_t created;
    int64_t regenerated;
    int64_t set;
} sql_dbheader;

typedef enum sql_dbstate { SQL_ONLINE, SQL_OFFLINE, SQL_RECOVERY_PENDING } sql_dbstate;

struct sql_database {
    int64_t id;
    char name[129];
    sql_dbstate state;
    sqlite3 *db;
    sql_dbheader header;
    sql_buf dek; /* in memory while the database is open; empty until it is needed */
    sql_database *next;
};

/* Start-up opens every database that is not OFFLINE; one whose key cannot be had becomes
 * RECOVERY_PENDING, with the reason printed. */
void sql_databases_start(sql_engine *e);
void sql_databases_stop(sql_engine *e);

sql_database *sql_database_find(const sql_engine *e, const char *name);
/* Also reports why it is not ONLINE. */
sql_database *sql_database_online(sql_engine *e, const char *name);
const char *sql_database_state(const sql_database *d);
bool sql_database_open(sql_engine *e, sql_database *d);
void sql_database_close(sql_database *d);
/* The current database can be written; else the message is reported. */
bool sql_database_writable(sql_engine *e);
/* A DEK of some database is wrapped under this key. */
bool sql_database_uses(const sql_engine *e, const sql_buf *thumb);
/* Adds to the catalogue and the list; the files are there already. */
sql_database *sql_database_register(sql_engine *e, const char *name);
bool sql_database_name_ok(sql_engine *e, const char *name);

const char *sql_header_path(sql_engine *e, const char *name);
const char *sql_data_path(sql_engine *e, const char *name, int64_t generation);
/* Replaces the header file; then h is what counts. */
bool sql_header_write(sql_engine *e, const char *name, const sql_dbheader *h);
void sql_header_print(sql_buf *out, const sql_dbheader *h);
bool sql_header_parse(const char *text, sql_dbheader *h);
void sql_header_copy(sql_dbheader *to, const sql_dbheader *from);
void sql_header_free(sql_dbheader *h);
/* Writes the data anew as h wants it (its generation is set here) and makes h the header. */
bool sql_database_switch(sql_engine *e, sql_database *d, sql_dbheader *h, const sql_buf *dek);

/* ---- the database encryption key ---- */

/* Start-up's way to a wrapped key: the server key by thumbprint, its login, that login's
 * credential. name gets the key's name, where it is not NULL. */
bool sql_server_unwrap(sql_engine *e, const sql_buf *thumb, const sql_buf *wrapped, sql_buf *out);
/* Wraps with a server key by name; thumb gets the key's thumbprint. */
bool sql_server_wrap(sql_engine *e, const char *key, const sql_buf *in, sql_buf *wrapped,
                     sql_buf *thumb);
/* Makes d->dek available. */
bool sql_dek_load(sql_engine *e, sql_database *d);
/* A new DEK for the header, wrapped by the server key. */
bool sql_dek_new(sql_engine *e, const char *algorithm, const char *key, sql_dbheader *h,
                 sql_buf *dek);
int64_t sql_dek_bits(const char *algorithm);

/* ---- keys ---- */

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

const sql_open_key *sql_key_opened(const sql_engine *e, const uint8_t guid[SQL_KEY_GUID]);
/* False where it is not open. */
bool sql_key_close(sql_engine *e, const uint8_t *guid);
void sql_keys_close_all(sql_engine *e);

#endif
