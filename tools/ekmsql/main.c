/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of ekmsql.
 */
#include "tools/ekmsql/script.h"

#include "tools/ekmsql/base/host.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define MAX_INPUTS    64
#define MAX_VARIABLES 64

typedef struct command_line {
    const char *dir;
    const char *query;
    const char *database;
    const char *login;
    const char *inputs[MAX_INPUTS];
    size_t ninputs;
    const char *variables[MAX_VARIABLES];
    size_t nvariables;
    bool stop_on_error;
    bool trace;
} command_line;

static const char usage[] =
    "ekmsql: plays SQL Server's side of Extensible Key Management (a test double)\n"
    "\n"
    "  ekmsql -S DIR [-d DATABASE] [-U LOGIN] [-v NAME=VALUE]... [-b] [-t] [-i FILE]... [-Q SQL]\n"
    "\n"
    "  -S DIR         the instance's folder: catalog, databases, ERRORLOG (made if missing)\n"
    "  -i FILE        run a script; may be given several times\n"
    "  -Q SQL         run these statements and exit\n"
    "  -d DATABASE    the database to begin in\n"
    "  -U LOGIN       the login to begin as (default sa); no password is asked for\n"
    "  -v NAME=VALUE  set the scripting variable $(NAME)\n"
    "  -b             stop at the first error, with exit code 1\n"
    "  -t             trace every call of the provider to stderr\n"
    "  -h, --version\n"
    "\n"
    "Without -i and -Q, statements are read from standard input; GO runs a batch.\n";

static bool add(const char **list, size_t *count, size_t cap, const char *value)
{
    if (*count == cap) {
        return false;
    }
    list[(*count)++] = value;
    return true;
}

static bool take_option(command_line *c, char option, const char *value)
{
    const struct {
        char option;
        const char **to;
    } texts[] = {{'S', &c->dir}, {'Q', &c->query}, {'d', &c->database}, {'U', &c->login}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].option == option) {
            *texts[i].to = value;
            return true;
        }
    }
    if (option == 'i') {
        return add(c->inputs, &c->ninputs, MAX_INPUTS, value);
    }
    return option == 'v' && strchr(value, '=') != NULL &&
           add(c->variables, &c->nvariables, MAX_VARIABLES, value);
}

static bool parse_arguments(int argc, char **argv, command_line *c)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (a[0] != '-' || a[1] == 0 || a[2] != 0) {
            return false;
        }
        if (a[1] == 'b') {
            c->stop_on_error = true;
        } else if (a[1] == 't') {
            c->trace = true;
        } else if (i + 1 == argc || !take_option(c, a[1], argv[++i])) {
            return false;
        }
    }
    return c->dir != NULL;
}

static void set_variables(sql_script *x, const command_line *c)
{
    for (size_t i = 0; i < c->nvariables; i++) {
        char *name = sql_strdup(c->variables[i]);
        char *value = strchr(name, '=');
        *value++ = 0;
        sql_script_set(x, name, value);
        OPENSSL_cleanse(value, strlen(value));
        free(name);
    }
}

static bool run(sql_engine *e, const command_line *c)
{
    sql_script *x = sql_script_new(e, c->stop_on_error);
    set_variables(x, c);
    bool ok = (c->login == NULL || sql_engine_login(e, c->login)) &&
              (c->database == NULL || sql_engine_use(e, c->database));
    for (size_t i = 0; ok && i < c->ninputs; i++) {
        ok = sql_script_run_file(x, c->inputs[i]);
    }
    if (ok && c->query != NULL) {
        ok = sql_script_run_text(x, c->query, strlen(c->query));
    }
    if (ok && c->ninputs == 0 && c->query == NULL) {
        ok = sql_script_interactive(x);
    }
    sql_script_free(x);
    return ok;
}

int main(int argc, char **argv)
{
    command_line c = {0};
    sql_engine e;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("ekmsql " P11EKM_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_arguments(argc, argv, &c)) {
        fputs(usage, stderr);
        return 2;
    }
    bool opened = sql_engine_open(&e, c.dir, c.trace);
    bool ok = opened && run(&e, &c);
    bool failed = !opened || (c.stop_on_error && (!ok || e.errors > 0));
    sql_engine_close(&e);
    return failed ? 1 : 0;
}
