/* SPDX-License-Identifier: Apache-2.0
 *
 * The statements ekmsql knows: one list, from which the parser takes the syntax and the executor
 * the handler. X(ID, handler, options allowed in a list, pattern). In a pattern:
 *
 *   WORD     the keyword or punctuation      <slot>  an identifier        'slot'  a string
 *   #slot    an integer                      ^       sets the flag        [ ... ] optional, taken
 *   *part    a part with a grammar of its own                                     by its first word
 *
 * Where several patterns match, the longest wins.
 */
#ifndef EKMSQL_SQL_STATEMENTS_H
#define EKMSQL_SQL_STATEMENTS_H

#define SQL_KEY_OPTIONS     "ALGORITHM PROVIDER_KEY_NAME CREATION_DISPOSITION"
#define SQL_BACKUP_OPTIONS  "ENCRYPTION ALGORITHM SERVER_KEY INIT FORMAT COMPRESSION CHECKSUM STATS"
#define SQL_RESTORE_OPTIONS "REPLACE RECOVERY CHECKSUM STATS"

#define SQL_STATEMENTS(X)                                                                       \
    X(CONFIGURE, configure, "", "sp_configure 'text' , #number")                                \
    X(EXEC_CONFIGURE, configure, "", "EXEC sp_configure 'text' , #number")                      \
    X(EXECUTE_CONFIGURE, configure, "", "EXECUTE sp_configure 'text' , #number")                \
    X(RECONFIGURE, reconfigure, "", "RECONFIGURE [ WITH OVERRIDE ]")                            \
    X(CREATE_PROVIDER, create_provider, "",                                                     \
      "CREATE CRYPTOGRAPHIC PROVIDER <name> FROM FILE = 'text'")                                \
    X(ALTER_PROVIDER, alter_provider, "",                                                       \
      "ALTER CRYPTOGRAPHIC PROVIDER <name> FROM FILE = 'text'")                                 \
    X(ENABLE_PROVIDER, enable_provider, "", "ALTER CRYPTOGRAPHIC PROVIDER <name> ENABLE ^")     \
    X(DISABLE_PROVIDER, enable_provider, "", "ALTER CRYPTOGRAPHIC PROVIDER <name> DISABLE")     \
    X(DROP_PROVIDER, drop_provider, "", "DROP CRYPTOGRAPHIC PROVIDER <name>")                   \
    X(CREATE_CREDENTIAL, create_credential, "IDENTITY SECRET",                                  \
      "CREATE CREDENTIAL <name> WITH *options [ FOR CRYPTOGRAPHIC PROVIDER <provider> ]")       \
    X(ALTER_CREDENTIAL, alter_credential, "IDENTITY SECRET",                                    \
      "ALTER CREDENTIAL <name> WITH *options")                                                  \
    X(DROP_CREDENTIAL, drop_credential, "", "DROP CREDENTIAL <name>")                           \
    X(CREATE_LOGIN, create_login, "PASSWORD CHECK_POLICY CHECK_EXPIRATION DEFAULT_DATABASE",    \
      "CREATE LOGIN <name> WITH *options")                                                      \
    X(CREATE_KEY_LOGIN, create_login, "", "CREATE LOGIN <name> FROM ASYMMETRIC KEY <key>")      \
    X(ALTER_LOGIN, alter_login, "PASSWORD CHECK_POLICY CHECK_EXPIRATION DEFAULT_DATABASE",      \
      "ALTER LOGIN <name> WITH *options")                                                       \
    X(LOGIN_ADD, login_add_credential, "", "ALTER LOGIN <name> ADD CREDENTIAL <credential>")    \
    X(LOGIN_DROP, login_drop_credential, "", "ALTER LOGIN <name> DROP CREDENTIAL <credential>") \
    X(DROP_LOGIN, drop_login, "", "DROP LOGIN <name>")                                          \
    X(EXECUTE_AS, execute_as, "", "EXECUTE AS LOGIN = 'text'")                                  \
    X(EXEC_AS, execute_as, "", "EXEC AS LOGIN = 'text'")                                        \
    X(REVERT, revert, "", "REVERT")                                                             \
    X(CREATE_ASYMMETRIC, create_asymmetric_key, SQL_KEY_OPTIONS,                                \
      "CREATE ASYMMETRIC KEY <name> FROM PROVIDER <provider> [ WITH *options ]")                \
    X(ALTER_ASYMMETRIC, alter_asymmetric_key, "PROVIDER_KEY_NAME",                              \
      "ALTER ASYMMETRIC KEY <name> WITH *options")                                              \
    X(DROP_ASYMMETRIC, drop_asymmetric_key, "",                                                 \
      "DROP ASYMMETRIC KEY <name> [ REMOVE PROVIDER KEY ^ ]")                                   \
    X(CREATE_SYMMETRIC, create_symmetric_key, SQL_KEY_OPTIONS,                                  \
      "CREATE SYMMETRIC KEY <name> FROM PROVIDER <provider> [ WITH *options ]")                 \
    X(CREATE_NATIVE, create_native_key, "ALGORITHM",                                            \
      "CREATE SYMMETRIC KEY <name> WITH *options ENCRYPTION BY ASYMMETRIC KEY <key>")           \
    X(ALTER_SYMMETRIC, alter_symmetric_key, "PROVIDER_KEY_NAME",                                \
      "ALTER SYMMETRIC KEY <name> WITH *options")                                               \
    X(DROP_SYMMETRIC, drop_symmetric_key, "",                                                   \
      "DROP SYMMETRIC KEY <name> [ REMOVE PROVIDER KEY ^ ]")                                    \
    X(OPEN_KEY, open_key, "", "OPEN SYMMETRIC KEY <name> DECRYPTION BY ASYMMETRIC KEY <key>")   \
    X(CLOSE_KEY, close_key, "", "CLOSE SYMMETRIC KEY <name>")                                   \
    X(CLOSE_KEYS, close_key, "", "CLOSE ALL SYMMETRIC KEYS")                                    \
    X(CREATE_DATABASE, create_database, "", "CREATE DATABASE <name>")                           \
    X(DROP_DATABASE, drop_database, "", "DROP DATABASE <name>")                                 \
    X(USE, use_database, "", "USE <name>")                                                      \
    X(CREATE_DEK, create_dek, "",                                                               \
      "CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = <algorithm> "                            \
      "ENCRYPTION BY SERVER ASYMMETRIC KEY <key>")                                              \
    X(REGENERATE_DEK, regenerate_dek, "",                                                       \
      "ALTER DATABASE ENCRYPTION KEY REGENERATE [ WITH ALGORITHM = <algorithm> ]")              \
    X(REWRAP_DEK, rewrap_dek, "",                                                               \
      "ALTER DATABASE ENCRYPTION KEY ENCRYPTION BY SERVER ASYMMETRIC KEY <key>")                \
    X(DROP_DEK, drop_dek, "", "DROP DATABASE ENCRYPTION KEY")                                   \
    X(ENCRYPTION_ON, set_encryption, "", "ALTER DATABASE <name> SET ENCRYPTION ON ^")           \
    X(ENCRYPTION_OFF, set_encryption, "", "ALTER DATABASE <name> SET ENCRYPTION OFF")           \
    X(SET_ONLINE, set_online, "", "ALTER DATABASE <name> SET ONLINE")                           \
    X(SET_OFFLINE, set_offline, "",                                                             \
      "ALTER DATABASE <name> SET OFFLINE [ WITH ROLLBACK IMMEDIATE ]")                          \
    X(BACKUP, backup_database, SQL_BACKUP_OPTIONS,                                              \
      "BACKUP DATABASE <name> TO DISK = 'text' [ WITH *options ]")                              \
    X(RESTORE, restore_database, SQL_RESTORE_OPTIONS,                                           \
      "RESTORE DATABASE <name> FROM DISK = 'text' [ WITH *options ]")                           \
    X(CREATE_TABLE, create_table, "", "CREATE TABLE <table> ( *columns )")                      \
    X(DROP_TABLE, drop_table, "", "DROP TABLE <table>")                                         \
    X(INSERT, insert_rows, "", "INSERT [ INTO ] <table> [ ( *names ) ] VALUES *rows")           \
    X(UPDATE, update_rows, "", "UPDATE <table> SET *assignments [ WHERE *conditions ]")         \
    X(SELECT, select_rows, "", "SELECT *select")                                                \
    X(PRINT, print_text, "", "PRINT *expression")                                               \
    X(DECLARE, declare, "", "DECLARE *variables")                                               \
    X(SET_NOCOUNT_ON, set_nocount, "", "SET NOCOUNT ON ^")                                      \
    X(SET_NOCOUNT_OFF, set_nocount, "", "SET NOCOUNT OFF")                                      \
    X(SET_VARIABLE, set_variable, "", "SET *assignment")

#define SQL_STATEMENT_ID(id, handler, options, pattern) SQL_ST_##id,
typedef enum sql_statement_id { SQL_STATEMENTS(SQL_STATEMENT_ID) SQL_ST_COUNT } sql_statement_id;
#undef SQL_STATEMENT_ID

#define SQL_SLOTS(X)            \
    X(NAME, "name")             \
    X(PROVIDER, "provider")     \
    X(CREDENTIAL, "credential") \
    X(KEY, "key") X(ALGORITHM, "algorithm") X(TABLE, "table") X(TEXT, "text") X(NUMBER, "number")

#define SQL_SLOT_ID(id, text) SQL_##id,
typedef enum sql_slot { SQL_SLOTS(SQL_SLOT_ID) SQL_SLOT_COUNT } sql_slot;
#undef SQL_SLOT_ID

#endif
