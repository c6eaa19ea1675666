/* SPDX-License-Identifier: Apache-2.0
 *
 * A small ODBC application in C, like an application that uses Always Encrypted: it connects, loads
 * a key store provider, configures it, runs one statement and prints the result. Tests run it and
 * compare its output, one fact on each line:
 *
 *   status TEXT            a line of the provider's answer to a Read
 *   row VALUE|VALUE...     integers in decimal, text in UTF-8, binaries as 0x..., NULL
 *   rows N                 how many rows an INSERT made
 *   diag STATE TEXT        a diagnostic record
 *
 * Exit status: 0, 1 after a failed ODBC call (the diag lines say why), 2 for wrong usage.
 */
#include <iconv.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sql.h>
#include <sqlext.h>

#define SQL_COPT_SS_CEKEYSTOREPROVIDER 1251
#define SQL_COPT_SS_CEKEYSTOREDATA     1252

#define TEXT_SIZE      4096
#define MAX_PARAMETERS 16

/* The driver's interface: the provider's name, followed by its data. */
struct keystore_data {
    SQLWCHAR *name;
    unsigned size;
    char data[TEXT_SIZE];
};

struct options {
    const char *connection;
    const char *module;
    const char *provider;
    const char *data;
    int prepare;
    int load_first;
};

struct parameter {
    SQLSMALLINT c_type;
    SQLSMALLINT sql_type;
    SQLULEN column_size;
    SQLLEN size;
    union {
        SQLINTEGER number;
        unsigned char bytes[TEXT_SIZE];
    } value;
};

struct session {
    SQLHENV env;
    SQLHDBC dbc;
    SQLHSTMT stmt;
    struct parameter parameters[MAX_PARAMETERS];
};

static int succeeded(SQLSMALLINT kind, SQLHANDLE handle, SQLRETURN code)
{
    SQLCHAR state[6], text[TEXT_SIZE];
    SQLINTEGER native;
    SQLSMALLINT n, len;

    if (!SQL_SUCCEEDED(code)) {
        for (n = 1; SQL_SUCCEEDED(SQLGetDiagRec(kind, handle, n, state, &native, text,
                                                (SQLSMALLINT)sizeof text, &len));
             n++)
            printf("diag %s %s\n", (char *)state, (char *)text);
        if (n == 1)
            printf("diag none code %d\n", code);
    }
    return SQL_SUCCEEDED(code);
}

/* Converts between character sets; returns the number of bytes written. */
static size_t convert(const char *to, const char *from, const void *in, size_t in_len, void *out,
                      size_t size)
{
    iconv_t cd = iconv_open(to, from);
    char *in_at = (char *)(uintptr_t)in, *out_at = out;
    size_t left = size;

    if (cd == (iconv_t)-1 || iconv(cd, &in_at, &in_len, &out_at, &left) == (size_t)-1) {
        fprintf(stderr, "cannot convert %s to %s\n", from, to);
        exit(2);
    }
    iconv_close(cd);
    return size - left;
}

static size_t from_hex(const char *hex, unsigned char *out, size_t size)
{
    size_t n;
    unsigned byte;

    for (n = 0; n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (unsigned char)byte;
    return n;
}

/* Reads "int=7", "nvarchar(40)=text", "varbinary(16)=00ff"; without "=" it is NULL. */
static int read_parameter(const char *text, struct parameter *parameter)
{
    const char *given = strchr(text, '=');
    unsigned char *bytes = parameter->value.bytes;
    unsigned size = 0;

    parameter->size = SQL_NULL_DATA;
    if (given != NULL)
        given++;
    if (strncmp(text, "int", 3) == 0) {
        parameter->c_type = SQL_C_SLONG;
        parameter->sql_type = SQL_INTEGER;
        if (given != NULL) {
            parameter->value.number = (SQLINTEGER)strtol(given, NULL, 10);
            parameter->size = sizeof parameter->value.number;
        }
    } else if (sscanf(text, "nvarchar(%u)", &size) == 1) {
        parameter->c_type = SQL_C_WCHAR;
        parameter->sql_type = SQL_WVARCHAR;
        if (given != NULL)
            parameter->size =
                (SQLLEN)convert("UTF-16LE", "UTF-8", given, strlen(given), bytes, TEXT_SIZE);
    } else if (sscanf(text, "varbinary(%u)", &size) == 1) {
        parameter->c_type = SQL_C_BINARY;
        parameter->sql_type = SQL_VARBINARY;
        if (given != NULL)
            parameter->size = (SQLLEN)from_hex(given, bytes, TEXT_SIZE);
    } else {
        return 0;
    }
    parameter->column_size = size;
    return 1;
}

static int bind_parameters(struct session *session, int count, char **texts)
{
    for (int n = 0; n < count; n++) {
        struct parameter *p = &session->parameters[n];
        SQLRETURN code;

        if (n == MAX_PARAMETERS || !read_parameter(texts[n], p)) {
            fprintf(stderr, "parameter %s is not understood\n", texts[n]);
            return 0;
        }
        code = SQLBindParameter(session->stmt, (SQLUSMALLINT)(n + 1), SQL_PARAM_INPUT, p->c_type,
                                p->sql_type, p->column_size, 0, &p->value, TEXT_SIZE, &p->size);
        if (!succeeded(SQL_HANDLE_STMT, session->stmt, code))
            return 0;
    }
    return 1;
}

static int load_provider(SQLHDBC dbc, const struct options *options)
{
    SQLRETURN code;

    if (options->module == NULL)
        return 1;
    code = SQLSetConnectAttr(dbc, SQL_COPT_SS_CEKEYSTOREPROVIDER,
                             (SQLPOINTER)(uintptr_t)options->module, SQL_NTS);
    return succeeded(SQL_HANDLE_DBC, dbc, code);
}

/* Writes the provider's configuration and reads its status. */
static int configure_provider(SQLHDBC dbc, const struct options *options)
{
    SQLWCHAR name[128];
    struct keystore_data data = {.name = name};
    SQLINTEGER len;
    SQLRETURN code;
    size_t n;

    if (options->data == NULL)
        return 1;
    n = convert("UTF-16LE", "UTF-8", options->provider, strlen(options->provider), name,
                sizeof name - sizeof *name);
    name[n / sizeof *name] = 0;
    data.size = (unsigned)strlen(options->data);
    memcpy(data.data, options->data, data.size);
    code = SQLSetConnectAttr(dbc, SQL_COPT_SS_CEKEYSTOREDATA, &data, SQL_IS_POINTER);
    if (!succeeded(SQL_HANDLE_DBC, dbc, code))
        return 0;
    data.size = sizeof data.data;
    code = SQLGetConnectAttr(dbc, SQL_COPT_SS_CEKEYSTOREDATA, &data, SQL_IS_POINTER, &len);
    if (!succeeded(SQL_HANDLE_DBC, dbc, code))
        return 0;
    data.data[data.size < TEXT_SIZE ? data.size : TEXT_SIZE - 1] = '\0';
    for (char *rest = data.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line != '\0')
            printf("status %s\n", line);
    }
    return 1;
}

static int connect_session(struct session *session, const struct options *options)
{
    SQLRETURN code;

    SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &session->env);
    SQLSetEnvAttr(session->env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0);
    SQLAllocHandle(SQL_HANDLE_DBC, session->env, &session->dbc);
    if (options->load_first && !load_provider(session->dbc, options))
        return 0;
    code = SQLDriverConnect(session->dbc, NULL, (SQLCHAR *)(uintptr_t)options->connection, SQL_NTS,
                            NULL, 0, NULL, SQL_DRIVER_NOPROMPT);
    if (!succeeded(SQL_HANDLE_DBC, session->dbc, code) ||
        (!options->load_first && !load_provider(session->dbc, options)))
        return 0;
    SQLAllocHandle(SQL_HANDLE_STMT, session->dbc, &session->stmt);
    return configure_provider(session->dbc, options);
}

static int read_cell(SQLHSTMT stmt, SQLUSMALLINT n, FILE *out)
{
    unsigned char value[TEXT_SIZE];
    char text[2 * TEXT_SIZE];
    SQLLEN type = 0, size = 0;
    SQLINTEGER number = 0;
    SQLRETURN code;

    SQLColAttribute(stmt, n, SQL_DESC_CONCISE_TYPE, NULL, 0, NULL, &type);
    if (type == SQL_INTEGER)
        code = SQLGetData(stmt, n, SQL_C_SLONG, &number, sizeof number, &size);
    else if (type == SQL_WVARCHAR)
        code = SQLGetData(stmt, n, SQL_C_WCHAR, value, (SQLLEN)sizeof value, &size);
    else
        code = SQLGetData(stmt, n, SQL_C_BINARY, value, (SQLLEN)sizeof value, &size);
    if (!succeeded(SQL_HANDLE_STMT, stmt, code))
        return 0;
    if (size == SQL_NULL_DATA) {
        fputs("NULL", out);
    } else if (type == SQL_INTEGER) {
        fprintf(out, "%d", number);
    } else if (type == SQL_WVARCHAR) {
        size_t len = convert("UTF-8", "UTF-16LE", value, (size_t)size, text, sizeof text);

        fprintf(out, "%.*s", (int)len, text);
    } else {
        fputs("0x", out);
        for (SQLLEN i = 0; i < size; i++)
            fprintf(out, "%02x", value[i]);
    }
    return 1;
}

/* Prints the current row; prints nothing if a cell cannot be read. */
static int print_row(SQLHSTMT stmt, SQLSMALLINT columns)
{
    char *row = NULL;
    size_t size;
    FILE *out = open_memstream(&row, &size);
    int ok = out != NULL;

    for (SQLSMALLINT n = 1; ok && n <= columns; n++) {
        if (n > 1)
            fputc('|', out);
        ok = read_cell(stmt, (SQLUSMALLINT)n, out);
    }
    if (out != NULL)
        fclose(out);
    if (ok)
        printf("row %s\n", row);
    free(row);
    return ok;
}

static int print_rows(SQLHSTMT stmt, SQLSMALLINT columns)
{
    SQLRETURN code;

    while ((code = SQLFetch(stmt)) != SQL_NO_DATA) {
        if (!succeeded(SQL_HANDLE_STMT, stmt, code) || !print_row(stmt, columns))
            return 0;
    }
    return 1;
}

static int run(SQLHSTMT stmt, const char *sql, int prepare)
{
    SQLCHAR *text = (SQLCHAR *)(uintptr_t)sql;
    SQLSMALLINT columns = 0;
    SQLLEN rows = 0;
    SQLRETURN code;

    if (prepare && !succeeded(SQL_HANDLE_STMT, stmt, SQLPrepare(stmt, text, SQL_NTS)))
        return 0;
    code = prepare ? SQLExecute(stmt) : SQLExecDirect(stmt, text, SQL_NTS);
    if (!succeeded(SQL_HANDLE_STMT, stmt, code))
        return 0;
    SQLNumResultCols(stmt, &columns);
    if (columns > 0)
        return print_rows(stmt, columns);
    SQLRowCount(stmt, &rows);
    printf("rows %ld\n", (long)rows);
    return 1;
}

static int read_options(int argc, char **argv, struct options *options)
{
    int letter;

    while ((letter = getopt(argc, argv, "c:m:p:d:PL")) != -1) {
        switch (letter) {
        case 'c':
            options->connection = optarg;
            break;
        case 'm':
            options->module = optarg;
            break;
        case 'p':
            options->provider = optarg;
            break;
        case 'd':
            options->data = optarg;
            break;
        case 'P':
            options->prepare = 1;
            break;
        case 'L':
            options->load_first = 1;
            break;
        default:
            return 0;
        }
    }
    return options->connection != NULL && optind < argc;
}

int main(int argc, char **argv)
{
    struct options options = {.provider = "PKCS11_KEY_STORE"};
    static struct session session;
    int ok;

    setlocale(LC_ALL, "C.UTF-8");
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: odbc_client -c CONNECTION [-m MODULE] [-L] [-p PROVIDER] [-d DATA] [-P] "
                "SQL [PARAMETER...]\n"
                "  -L  load the provider before connecting\n"
                "  -P  SQLPrepare and SQLExecute, not SQLExecDirect\n");
        return 2;
    }
    ok = connect_session(&session, &options) &&
         bind_parameters(&session, argc - optind - 1, argv + optind + 1) &&
         run(session.stmt, argv[optind], options.prepare);
    if (session.stmt != NULL)
        SQLFreeHandle(SQL_HANDLE_STMT, session.stmt);
    SQLDisconnect(session.dbc);
    SQLFreeHandle(SQL_HANDLE_DBC, session.dbc);
    SQLFreeHandle(SQL_HANDLE_ENV, session.env);
    return ok ? 0 : 1;
}
