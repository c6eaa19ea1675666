/* SPDX-License-Identifier: Apache-2.0
 *
 * Databases. Each has a header file, NAME.header, and a data file, NAME.G.mdf, where G is a
 * generation number in the header. A new version of the data file (encrypted, decrypted,
 * restored) has a new generation; it takes effect when a new header replaces the old one by a
 * rename. The header also has the wrapped database encryption key. master has neither file nor
 * key.
 *
 * The asymmetric and symmetric keys in the catalog of a database: EKM keys, which are names of
 * keys in a provider, and native symmetric keys, which are protected by an EKM asymmetric key.
 */
#ifndef EKMSQL_MODEL_MODEL_H
#define EKMSQL_MODEL_MODEL_H

#include "tools/ekmsql/provider/provider.h"

#define SQL_MAX_DEK 32

typedef struct sql_dbheader {
    int64_t generation;
    bool encrypted;     /* the pages are encrypted */
    char algorithm[17]; /* of the DEK; empty: no DEK */
    sql_buf wrapped;    /* the DEK, wrapped by the encryptor */
    sql_buf encryptor;  /* thumbprint of the encryptor */
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
    sql_buf dek; /* the DEK, in memory while the database is open; empty until it is needed */
    sql_database *next;
};

/* Opens at start-up every database that is not OFFLINE. If its key is not available, the
 * database becomes RECOVERY_PENDING and the reason is printed. */
void sql_databases_start(sql_engine *e);
void sql_databases_stop(sql_engine *e);

sql_database *sql_database_find(const sql_engine *e, const char *name);
/* Also reports the reason if the database is not ONLINE. */
sql_database *sql_database_online(sql_engine *e, const char *name);
const char *sql_database_state(const sql_database *d);
bool sql_database_open(sql_engine *e, sql_database *d);
void sql_database_close(sql_database *d);
/* True if the current database can be written; otherwise reports the message. */
bool sql_database_writable(sql_engine *e);
/* True if the DEK of any database is wrapped by this key. */
bool sql_database_uses(const sql_engine *e, const sql_buf *thumb);
/* Adds a database, whose files exist, to the catalog and the list. */
sql_database *sql_database_register(sql_engine *e, const char *name);
bool sql_database_name_ok(sql_engine *e, const char *name);

const char *sql_header_path(sql_engine *e, const char *name);
const char *sql_data_path(sql_engine *e, const char *name, int64_t generation);
/* Replaces the header file, by which h takes effect. */
bool sql_header_write(sql_engine *e, const char *name, const sql_dbheader *h);
void sql_header_print(sql_buf *out, const sql_dbheader *h);
bool sql_header_parse(const char *text, sql_dbheader *h);
void sql_header_copy(sql_dbheader *to, const sql_dbheader *from);
void sql_header_free(sql_dbheader *h);
/* Writes a new data file as h describes it (and sets its generation in h), and then replaces the
 * header by h. */
bool sql_database_switch(sql_engine *e, sql_database *d, sql_dbheader *h, const sql_buf *dek);

/* ---- the database encryption key ---- */

/* Unwraps a key as start-up does: finds the server key by its thumbprint, its login, and the
 * credential of the login. `name` gets the name of the key, if it is not NULL. */
bool sql_server_unwrap(sql_engine *e, const sql_buf *thumb, const sql_buf *wrapped, sql_buf *out);
/* Wraps with the server key of this name; `thumb` gets its thumbprint. */
bool sql_server_wrap(sql_engine *e, const char *key, const sql_buf *in, sql_buf *wrapped,
                     sql_buf *thumb);
/* Unwraps d->dek if it is not in memory. */
bool sql_dek_load(sql_engine *e, sql_database *d);
/* Makes a new DEK for the header, wrapped by the server key. */
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
    sql_buf thumb;         /* of EKM keys; the first 16 bytes are the GUID of a symmetric key */
    sql_buf provider_guid; /* empty: a native key */
    char provider_key[scp_MaxKeyName * 2];
    sql_buf encryptor; /* of native keys: the thumbprint of the asymmetric key, and the key wrapped
                          by it */
    sql_buf wrapped;
} sql_key;

/* A native symmetric key that OPEN SYMMETRIC KEY decrypted. */
struct sql_open_key {
    uint8_t guid[SQL_KEY_GUID];
    sql_buf material;
    sql_open_key *next;
};

/* Creates the table of keys if it does not exist. */
bool sql_keys_prepare(sqlite3 *db);
/* Finds a key by name; reports message 15151 if there is none. */
bool sql_key_get(sql_engine *e, sqlite3 *db, char kind, const char *name, sql_key *key);
/* The same by id, without a message. */
bool sql_key_by_id(sqlite3 *db, char kind, int64_t id, sql_key *key);
bool sql_key_by_thumb(sqlite3 *db, char kind, const uint8_t *thumb, size_t len, sql_key *key);
void sql_key_free(sql_key *key);
/* The name of the kind in its column. */
const char *sql_key_kind(char kind);

/* The provider and the session of the caller for an EKM key; false if a message was reported. */
bool sql_key_session(sql_engine *e, const sql_key *key, sql_provider **p, sql_crypto_session **s);
/* Encrypt or decrypt with an EKM key in the session of the caller; report 15209 or 15466 on
 * failure. */
bool sql_key_encrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out);
bool sql_key_decrypt(sql_engine *e, const sql_key *key, const sql_buf *in, sql_buf *out);

const sql_open_key *sql_key_opened(const sql_engine *e, const uint8_t guid[SQL_KEY_GUID]);
/* False if it is not open. */
bool sql_key_close(sql_engine *e, const uint8_t *guid);
void sql_keys_close_all(sql_engine *e);

#endif
