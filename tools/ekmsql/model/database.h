/* SPDX-License-Identifier: Apache-2.0
 *
 * Databases. Each has a header file, NAME.header, and a data file, NAME.G.mdf, where G is a
 * generation that the header names: a data file written anew (encrypted, decrypted, restored) takes
 * effect when the header that names it replaces the old one, in one rename. The header also holds
 * the database encryption key as the provider wrapped it; master has neither file nor key.
 */
#ifndef EKMSQL_MODEL_DATABASE_H
#define EKMSQL_MODEL_DATABASE_H

#include "tools/ekmsql/engine/engine.h"

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

/* dek.c: the DEK and the page key. */
bool sql_dek_page_key(const sql_dbheader *h, const sql_buf *dek, uint8_t key[32]);
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

#endif
