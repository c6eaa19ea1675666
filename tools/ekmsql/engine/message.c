/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL Server's messages by number, with their texts as documented; %1, %2 … stand for the
 * arguments. What is printed is what sqlcmd prints. Texts for messages are formatted here, too.
 */
#include "tools/ekmsql/engine/engine.h"

#include "tools/ekmsql/base/host.h"

#include <stdarg.h>
#include <string.h>

#define OWN_NUMBER 50000

typedef struct message {
    int number;
    int level;
    const char *text;
} message;

#define CODE " Provider error code: %2. (%3)"
static const message messages[] = {
    {0, 15, "ekmsql does not implement the statement '%1'."},
    {102, 15, "Incorrect syntax near '%1'."},
    {105, 15, "Unclosed quotation mark after the character string '%1'."},
    {113, 15, "Missing end comment mark '*/'."},
    {134, 15,
     "The variable name '%1' has already been declared. Variable names must be unique within a "
     "query batch."},
    {137, 15, "Must declare the scalar variable \"%1\"."},
    {174, 15, "The %1 function requires %2 argument(s)."},
    {195, 15, "'%1' is not a recognized built-in function name."},
    {207, 16, "Invalid column name '%1'."},
    {208, 16, "Invalid object name '%1'."},
    {213, 16, "Column name or number of supplied values does not match table definition."},
    {245, 16, "Conversion failed when converting the %1 value '%2' to data type %3."},
    {257, 16,
     "Implicit conversion from data type %1 to %2 is not allowed. Use the CONVERT function to run "
     "this query."},
    {515, 16,
     "Cannot insert the value NULL into column '%1', table '%2'; column does not allow nulls. "
     "INSERT fails."},
    {911, 16, "Database '%1' does not exist. Make sure that the name is entered correctly."},
    {942, 14, "Database '%1' cannot be opened because it is offline."},
    {945, 14,
     "Database '%1' cannot be opened due to inaccessible files or insufficient memory or disk "
     "space. See the SQL Server errorlog for details."},
    {1801, 16, "Database '%1' already exists. Choose a different database name."},
    {2714, 16, "There is already an object named '%1' in the database."},
    {3013, 16, "%1 DATABASE is terminating abnormally."},
    {3101, 16, "Exclusive access could not be obtained because the database is in use."},
    {3159, 16,
     "The tail of the log for the database \"%1\" has not been backed up. Use BACKUP LOG WITH "
     "NORECOVERY to backup the log if it contains work you do not want to lose. Use the WITH "
     "REPLACE or WITH STOPAT clause of the RESTORE statement to just overwrite the contents of the "
     "log."},
    {3201, 16, "Cannot open backup device '%1'. Operating system error %2."},
    {3241, 16,
     "The media family on device '%1' is incorrectly formed. SQL Server cannot process this media "
     "family."},
    {3701, 11, "Cannot drop the %1 '%2', because it does not exist or you do not have permission."},
    {3702, 16, "Cannot drop database \"%1\" because it is currently in use."},
    {5701, 10, "Changed database context to '%1'."},
    {8152, 16, "String or binary data would be truncated."},
    {15025, 16, "The server principal '%1' already exists."},
    {15123, 16, "The configuration option '%1' does not exist, or it may be an advanced option."},
    {15129, 16, "'%1' is not a valid value for configuration option '%2'."},
    {15151, 16,
     "Cannot find the %1 '%2', because it does not exist or you do not have permission."},
    {15209, 16, "An error occurred during encryption."},
    {15282, 16,
     "A key with name '%1' or user defined unique identifier already exists or you do not have "
     "permissions to create it."},
    {15315, 16, "The key '%1' is not open. Please open the key before using it."},
    {15406, 16,
     "Cannot execute as the server principal because the principal \"%1\" does not exist, this "
     "type of principal cannot be impersonated, or you do not have permission."},
    {15457, 0,
     "Configuration option '%1' changed from %2 to %3. Run the RECONFIGURE statement to install."},
    {15466, 16, "An error occurred during decryption."},
    {15530, 16, "The %1 with name \"%2\" already exists."},
    {33022, 16, "Cannot obtain cryptographic provider properties. Provider error code: %1."},
    {33023, 16, "The %1 is too long. Maximum allowed length is %2 bytes."},
    {33024, 16,
     "Cryptographic provider %1 '%2' in dll is different from the guid recorded in system catalog "
     "for provider with id %3."},
    {33025, 16, "Invalid cryptographic provider property: %1."},
    {33026, 16, "Cryptographic provider with guid '%1' already exists."},
    {33027, 16, "Cannot load library '%1'. See errorlog for more information."},
    {33028, 16, "Cannot open session for cryptographic provider '%1'." CODE},
    {33029, 16, "Cannot initialize cryptographic provider. Provider error code: %1. (%2)"},
    {33030, 16, "Cryptographic provider is not available."},
    {33031, 16, "Cryptographic provider '%1' is in disabled."},
    {33032, 16,
     "SQL Crypto API version '%1' implemented by provider is not supported. Supported version is "
     "'%2'."},
    {33033, 16, "Specified key type or option '%1' is not supported by the provider."},
    {33034, 16, "Cannot specify algorithm for existing key."},
    {33035, 16, "Cannot create key '%1' in the provider." CODE},
    {33036, 10, "Cannot drop the key with thumbprint '%1' in the provider."},
    {33037, 16, "Cannot export %1 from the provider." CODE},
    {33039, 16, "Invalid algorithm '%1'." CODE},
    {33040, 16, "Cryptographic provider key cannot be encrypted by password or other key."},
    {33042, 16, "Cannot add credential because it is already mapped to a login."},
    {33043, 16,
     "Cannot add credential '%1' because there is already a credential for the same provider "
     "specified for the login."},
    {33044, 16,
     "Cannot drop cryptographic provider because there is credential referencing this provider."},
    {33045, 16, "Cannot drop credential because it is not mapped to this login."},
    {33046, 16,
     "Server principal '%1' has no credential associated with cryptographic provider '%2'."},
    {33047, 16, "Fail to obtain or decrypt secret for credential '%1'."},
    {33049, 16, "Key with %1 '%4' does not exist in the provider or access is denied." CODE},
    {33050, 16,
     "Cannot create key '%1' in the provider. Provider does not allow specifying key names."},
    {33051, 16, "Invalid algorithm id: %1." CODE},
    {33053, 16,
     "Extensible Key Management is disabled or not supported on this edition of SQL Server. Use "
     "sp_configure 'EKM provider enabled' to enable it."},
    {33057, 10,
     "Cryptographic provider is now disabled. However users who have an open cryptographic session "
     "with the provider can still use it. Restart the server to disable the provider for all "
     "users."},
    {33058, 10,
     "Cryptographic provider is now dropped. However users who have an open cryptographic session "
     "with the provider can still use it. Restart the server to drop the provider for all users."},
    {33071, 16, "This command requires %1 to be disabled. Disable the %1 and rerun this command."},
    {33082, 16, "Cannot find Cryptographic provider library with guid '%1'."},
    {33083, 16,
     "Cannot create %1 for %2 '%3' because it is not supported by the extensible key management "
     "provider '%4'."},
    {33084, 16,
     "The OPEN SYMMETRIC KEY statement cannot reference a symmetric key created from an Extensible "
     "Key Management (EKM) provider. Symmetric keys created from an EKM provider are opened "
     "automatically for principals who can successfully authenticate with the cryptographic "
     "provider."},
    {33085, 16, "One or more methods cannot be found in cryptographic provider library '%1'."},
    {33087, 16, "%1 property of the key returned by EKM provider doesn't match the expected value"},
    {33088, 16, "The algorithm: %1 is not supported for EKM operations by SQL Server"},
    {33089, 16,
     "Key validation failed since an attempt to get algorithm info for that key failed. Provider "
     "error code: %1. (%2)"},
    {33102, 16,
     "Cannot encrypt a system database. Database encryption operations cannot be performed for "
     "'master', 'model', 'tempdb', 'msdb', or 'resource' databases."},
    {33103, 16, "A database encryption key already exists for this database."},
    {33104, 16, "A database encryption key does not exist for this database."},
    {33105, 16,
     "Cannot drop the database encryption key because it is currently in use. Database encryption "
     "needs to be turned off to be able to drop the database encryption key."},
    {33106, 16,
     "Cannot change database encryption state because no database encryption key is set."},
    {33107, 16, "Cannot enable database encryption because it is already enabled."},
    {33108, 16, "Cannot disable database encryption because it is already disabled."},
    {33111, 16, "Cannot find server asymmetric key with thumbprint '%1'."},
    {33121, 16,
     "The asymmetric key '%1' does not have a login associated with it. Create a login and "
     "credential for this key to automatically access the extensible key management provider "
     "'%2'."},
    {33126, 16, "Database encryption key is corrupted and cannot be read."},
    {33127, 16,
     "The asymmetric key cannot be dropped because it is used by one or more databases to encrypt "
     "a Database Encryption Key."},
    {33249, 16, "Cannot drop the credential '%1' because it is being used."},
    {OWN_NUMBER, 16, "%1"},
};

static const char *const code_meanings[] = {
    "Success",          "Failure",        "Insufficient Buffer",
    "Not Supported",    "Not Found",      "Authentication Failure",
    "Invalid Argument", "Provider Error",
};

static const message *find(int number)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (messages[i].number == number) {
            return &messages[i];
        }
    }
    return &messages[sizeof messages / sizeof messages[0] - 1];
}

static void fill(sql_buf *out, const char *text, const char *const *args)
{
    size_t count = 0;
    while (args[count] != NULL) {
        count++;
    }
    for (; *text != 0; text++) {
        size_t which = text[0] == '%' ? (size_t)(text[1] - '1') : count;
        if (text[0] == '%' && which < count) {
            sql_buf_puts(out, args[which]);
            text++;
        } else {
            sql_buf_add(out, text, 1);
        }
    }
}

bool sql_raise(sql_engine *e, int number, int state, const char *const *args)
{
    const message *m = find(number);
    sql_buf text = {0};
    fill(&text, m->text, args);
    if (m->level > 10) {
        printf("Msg %d, Level %d, State %d, Server ekmsql, Line %d\n",
               number == 0 ? OWN_NUMBER : number, m->level, state, e->line);
        sql_errorlog(e, "Error: %d, Severity: %d, State: %d. %s", number, m->level, state,
                     sql_buf_text(&text));
        e->errors++;
    }
    puts(sql_buf_text(&text));
    sql_buf_free(&text);
    return false;
}

bool sql_error_text(sql_engine *e, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return SQL_RAISE(e, OWN_NUMBER, 1, text);
}

bool sql_storage_error(sql_engine *e, sqlite3 *db)
{
    return sql_error_text(e, "ekmsql cannot read or write the instance's files: %s",
                          db == NULL ? "cannot open" : sqlite3_errmsg(db));
}

void sql_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

const char *sql_code_text(sql_engine *e, uint32_t code)
{
    return sql_format(e, "%u", (unsigned)code);
}

const char *sql_code_meaning(uint32_t code)
{
    return code < sizeof code_meanings / sizeof code_meanings[0]
               ? code_meanings[code]
               : "Provider Error - Consult EKM Provider for details";
}

void sql_errorlog(sql_engine *e, const char *format, ...)
{
    FILE *log = fopen(sql_path(e, "ERRORLOG"), "ab");
    if (log == NULL) {
        return;
    }
    char when[32];
    host_time_text(host_unix_time(), when, sizeof when);
    fprintf(log, "%s ", when);
    va_list args;
    va_start(args, format);
    vfprintf(log, format, args);
    va_end(args);
    fputc('\n', log);
    fclose(log);
}

const char *sql_format(sql_engine *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *text = sql_arena_alloc(e->arena, size);
    if (n >= 0) {
        vsnprintf(text, size, format, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

const char *sql_path(sql_engine *e, const char *name)
{
    return sql_format(e, "%s/%s", e->dir, name);
}
