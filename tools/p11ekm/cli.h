/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm, the command line of administrators: what its files share. A verb (verbs.h) fills
 * call->text or, with --json, call->doc. main.c prints one of the two after the verb has
 * returned, so that a failure never prints a part of a document.
 */
#ifndef TOOLS_P11EKM_CLI_H
#define TOOLS_P11EKM_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/status.h"
#include "core/text.h"

/* The exit status, documented in p11ekm(1). */
enum { CLI_EXIT_OK = 0, CLI_EXIT_FAILED = 1, CLI_EXIT_USAGE = 2 };
enum { CLI_MAX_OPTIONS = 24, CLI_MAX_OPERANDS = 4, CLI_MAX_PIN = 256 };

/* An option of a verb; a table of them ends with a NULL name. */
typedef struct cli_option {
    const char *name;  /* "--token" */
    const char *value; /* name of its argument, "FILE"; NULL: it is a flag */
    bool required;
    const char *help;
} cli_option;

/* The options of all verbs that log in. */
#define CLI_TOKEN_OPTIONS                                                                          \
    {                                                                                              \
        "--token", "TOKEN", false, "alias of the configuration, PKCS#11 URI or label of the token" \
    }
#define CLI_LOGIN_OPTIONS                                                            \
    CLI_TOKEN_OPTIONS, {"--pin-file", "FILE", false, "read the PIN from this file"}, \
    {                                                                                \
        "--pin-fd", "N", false, "read the PIN from this open file descriptor"        \
    }
#define CLI_END_OPTIONS         \
    {                           \
        NULL, NULL, false, NULL \
    }

typedef struct cli_call cli_call;

typedef struct cli_verb {
    const char *group; /* "key" in `p11ekm key list`; NULL if the verb is one word */
    const char *name;
    const char *operands; /* for the usage line; "" if there are none */
    size_t operand_count;
    const cli_option *options; /* in addition to the global ones */
    const char *help;
    core_status (*run)(cli_call *call, core_err *err);
} cli_verb;

/* One run of the program. */
struct cli_call {
    const cli_verb *verb;
    const char *global[CLI_MAX_OPTIONS]; /* values, at the index of the option in its table */
    const char *own[CLI_MAX_OPTIONS];
    const char *operands[CLI_MAX_OPERANDS];
    size_t operand_count;
    bool json;
    bool findings; /* the verb has reported findings that make the exit status 1 */
    bool usage;    /* the command line was wrong: exit status 2 */
    core_str text; /* what is printed without --json */
    json_t *doc;   /* what is printed with --json; owned */
};

/* parse.c: fills *call from the command line. ST_INVALID_ARGUMENT with call->usage set. With --help
 * or --version call->verb may be NULL. */
CORE_MUST_USE core_status cli_parse(int argc, char **argv, cli_call *call, core_err *err);
/* help.c: prints the help of the program, or that of `verb`. */
void cli_print_help(const cli_verb *verb);

/* args.c */
extern const cli_option cli_global_options[], cli_login_options[], cli_no_options[];
/* Index of an option in a table, -1 if it is not there. `length` is that of `name`. */
int cli_option_index(const cli_option *options, const char *name, size_t length);
/* Value of an option of the verb or of a global option; "" for a flag, NULL if it was not given. */
const char *cli_value(const cli_call *call, const char *name);
/* Sets call->usage and fails with ST_INVALID_ARGUMENT and `text`: for errors of the command line
 * that only the verb can detect. */
core_status cli_usage(cli_call *call, core_err *err, const char *text);

/* output.c */
/* Call it first. Makes Jansson allocate by core_calloc, and redirects what a PKCS#11 module
 * writes to standard output to standard error. */
void cli_output_start(void);
/* The stream for results: the standard output of the process. stdout itself is standard error
 * from cli_output_start on. */
FILE *cli_stdout(void);
/* True if cli_stdout() is a terminal. */
bool cli_output_is_terminal(void);
/* True if an allocation for JSON failed. */
bool cli_json_failed(void);
/* True if no allocation for the output of the call failed, so that nothing of it is missing. */
bool cli_complete(const cli_call *call);
/* A JSON string of any bytes: if text from a token is not valid UTF-8, the invalid bytes become
 * '?'. */
json_t *cli_json_text(const char *text);
json_t *cli_json_hex(const uint8_t *bytes, size_t length);
/* Appends "a, b": the names whose bits are set in `set`. */
void cli_add_set(core_str *out, unsigned set, const char *const *names, size_t count);
/* Prints "N of M" on stderr, at most once a second. *told is the time of the last line. */
void cli_progress(uint64_t *told, size_t done, size_t total);
/* Prints the result of the call, or the error. Returns the exit status. */
int cli_finish(cli_call *call, core_status st, core_err *err);

/* pin.c: true if the configuration names a PIN file, or one for each member of a group. */
bool cli_pin_configured(const core_token_config *config);
/* Reads the PIN from --pin-file or --pin-fd, or without echo from the terminal. *given is false
 * (and *pin empty) if the configuration names the source of the PIN and no option does. */
CORE_MUST_USE core_status cli_pin_read(cli_call *call, const core_token_config *config,
                                       core_secret *pin, bool *given, core_err *err);
/* The same for a PIN that is to be stored: a person at the terminal types it twice. */
CORE_MUST_USE core_status cli_pin_read_new(cli_call *call, core_secret *pin, core_err *err);
/* Reads an open file descriptor, the value of the option, to its end, and adds a terminator.
 * ST_FORMAT if there are more than CLI_MAX_PIN bytes. */
CORE_MUST_USE core_status cli_read_descriptor(cli_call *call, const char *option, core_secret *out,
                                              core_err *err);

/* verb_key_life.c: the algorithm of this name; fails as cli_usage() with the list of names if
 * there is none. */
CORE_MUST_USE core_status cli_algorithm(cli_call *call, const char *name, core_algorithm *out,
                                        core_err *err);

#endif
