/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm, the administrators' command line: what its files share. A verb (verbs.h) fills call->text
 * or, with --json, call->doc; main.c prints one of the two when the verb has returned, so that a
 * failure never leaves half a document.
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
    const char *value; /* what follows it, "FILE"; NULL: nothing does */
    bool required;
    const char *help;
} cli_option;

/* What all verbs that log in take. */
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
    const char *group; /* "key" in `p11ekm key list`; NULL where the verb is one word */
    const char *name;
    const char *operands; /* for the usage line; "" where there are none */
    size_t operand_count;
    const cli_option *options; /* beside the global ones */
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
    bool usage;    /* the failure is the caller's use of the command: exit status 2 */
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
/* The index of an option in a table, -1 where it is not there. `length`: of the name. */
int cli_option_index(const cli_option *options, const char *name, size_t length);
/* The value of an option of the verb or a global one ("" for a flag), NULL where not given. */
const char *cli_value(const cli_call *call, const char *name);
/* A failure of use that only the verb can see. */
core_status cli_usage(cli_call *call, core_err *err, const char *text);

/* output.c */
/* Before all else: JSON's memory comes from where ours does, and what a module writes to standard
 * output goes to standard error. */
void cli_output_start(void);
/* Where results are printed: standard output, which stdout is not any more. */
FILE *cli_stdout(void);
/* Whether that is a terminal. */
bool cli_output_is_terminal(void);
/* Whether JSON lacked memory for something. */
bool cli_json_failed(void);
/* Whether nothing of what is to be printed is missing for want of memory. */
bool cli_complete(const cli_call *call);
/* A JSON string whatever the bytes: text from a token that is no UTF-8 gets '?' in its place. */
json_t *cli_json_text(const char *text);
json_t *cli_json_hex(const uint8_t *bytes, size_t length);
/* "a, b" of the names whose bit is set in `set`, appended. */
void cli_add_set(core_str *out, unsigned set, const char *const *names, size_t count);
/* "N of M" on stderr, once a second at most; *told: when it was last said. */
void cli_progress(uint64_t *told, size_t done, size_t total);
/* Prints what the call produced, or the error; returns the exit status. */
int cli_finish(cli_call *call, core_status st, core_err *err);

/* pin.c: whether the configuration names a PIN file, or one for each token of a group. */
bool cli_pin_configured(const core_token_config *config);
/* The PIN from --pin-file, --pin-fd, or typed at the terminal without echo. *given is false
 * (and *pin empty) where the configuration says where it is and no option does. */
CORE_MUST_USE core_status cli_pin_read(cli_call *call, const core_token_config *config,
                                       core_secret *pin, bool *given, core_err *err);
/* For a PIN that is to be stored: at the terminal it is asked for twice. */
CORE_MUST_USE core_status cli_pin_read_new(cli_call *call, core_secret *pin, core_err *err);
/* All that an open file descriptor, the value of the option, has to give, with a terminator after
 * it. ST_FORMAT where that is longer than CLI_MAX_PIN bytes. */
CORE_MUST_USE core_status cli_read_descriptor(cli_call *call, const char *option, core_secret *out,
                                              core_err *err);

/* verb_key_life.c: the algorithm of a name, or wrong use with the names there are. */
CORE_MUST_USE core_status cli_algorithm(cli_call *call, const char *name, core_algorithm *out,
                                        core_err *err);

#endif
