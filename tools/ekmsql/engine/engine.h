/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the instance: its catalog, its databases, the loaded providers, and the one SQL
 * session of the command; and its messages. Every statement handler gets it. Handlers and helpers
 * that can fail return false after they have reported the error by sql_raise.
 */
#ifndef EKMSQL_ENGINE_ENGINE_H
#define EKMSQL_ENGINE_ENGINE_H

#include "tools/ekmsql/base/store.h"
#include "tools/ekmsql/base/text.h"

#include <stdio.h>

#define SQL_IMPERSONATIONS 16 /* EXECUTE AS, nested */
#define SQL_SYSTEM_MASTER  1  /* database_id of master */

typedef struct sql_provider sql_provider;
typedef struct sql_crypto_session sql_crypto_session;
typedef struct sql_database sql_database;
typedef struct sql_open_key sql_open_key;
typedef struct sql_variable sql_variable;

typedef struct sql_engine {
    const char *dir;
    sqlite3 *master;                /* the catalog, and the database master */
    uint8_t service_master_key[32]; /* takes the role of the service master key */
    sql_provider *providers;
    sql_crypto_session *sessions;
    sql_database *databases;
    sql_database *current;
    sql_open_key *open_keys;
    sql_variable *variables; /* of the batch */
    sql_arena *arena;        /* of the batch */
    int64_t logins[SQL_IMPERSONATIONS];
    size_t impersonations; /* logins[impersonations] is in force */
    int line;              /* of the statement, for messages */
    bool trace;
    bool nocount;
    bool configured; /* a change waits for RECONFIGURE */
    unsigned errors;
} sql_engine;

/* Reports message number with its %1, %2, … filled from args, and returns false. Levels of 10 and
 * less are information: no number is printed and no error counted. */
bool sql_raise(sql_engine *e, int number, int state, const char *const *args);
#define SQL_RAISE(e, number, state, ...) \
    sql_raise((e), (number), (state), (const char *const[]){__VA_ARGS__, NULL})
/* Reports an error that SQL Server has no number for: Msg 50000 with a text of ekmsql. */
bool sql_error_text(sql_engine *e, const char *format, ...) SQL_PRINTF(2, 3);
bool sql_storage_error(sql_engine *e, sqlite3 *db);
void sql_print(const char *format, ...) SQL_PRINTF(1, 2);
/* "5" and "Authentication Failure" for messages with a provider's error code. */
const char *sql_code_text(sql_engine *e, uint32_t code);
const char *sql_code_meaning(uint32_t code);
/* Writes a line to the ERRORLOG of the instance. */
void sql_errorlog(sql_engine *e, const char *format, ...) SQL_PRINTF(2, 3);

/* An arena copy of a formatted text, for messages. */
const char *sql_format(sql_engine *e, const char *format, ...) SQL_PRINTF(2, 3);
/* dir/name, in the arena. */
const char *sql_path(sql_engine *e, const char *name);

#endif
