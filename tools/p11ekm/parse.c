/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: global options anywhere, a verb of one or two words, then its options and
 * operands. `--name value` and `--name=value` are the same; `--` ends the options. No option
 * takes a PIN or another secret, because command lines are visible to every user of a machine.
 */
#include "tools/p11ekm/verbs.h"

#include <string.h>

typedef struct parser {
    int argc;
    char **argv;
    int at;
    bool no_more_options;
    const char *group; /* the first word of a verb of two words */
    cli_call *call;
} parser;

static core_status refuse(parser *p, core_err *err, const char *what, const char *word)
{
    const cli_verb *verb = p->call->verb;
    const char *group = verb != NULL ? verb->group : NULL;
    p->call->usage = true;
    return core_fail(err, ST_INVALID_ARGUMENT, "%s: %s; see p11ekm %s%s%s%s--help", word, what,
                     group != NULL ? group : "", group != NULL ? " " : "",
                     verb != NULL ? verb->name : "", verb != NULL ? " " : "");
}

static core_status parse_option(parser *p, core_err *err)
{
    const char *word = p->argv[p->at++];
    size_t length = strcspn(word, "=");
    const cli_option *options = cli_global_options;
    const char **values = p->call->global;
    int i = cli_option_index(options, word, length);
    if (i < 0 && p->call->verb != NULL) {
        options = p->call->verb->options;
        values = p->call->own;
        i = cli_option_index(options, word, length);
    }
    if (i < 0) {
        return refuse(p, err,
                      p->call->verb == NULL ? "not an option that stands before a verb"
                                            : "this verb has no such option",
                      word);
    }
    if (values[i] != NULL) {
        return refuse(p, err, "given twice", options[i].name);
    }
    if (options[i].value == NULL) {
        values[i] = "";
        return word[length] == '=' ? refuse(p, err, "takes no value", options[i].name) : ST_OK;
    }
    if (word[length] == '=') {
        values[i] = word + length + 1;
    } else if (p->at < p->argc) {
        values[i] = p->argv[p->at++];
    } else {
        return refuse(p, err, "a value is missing", options[i].name);
    }
    return ST_OK;
}

static bool is_group(const char *word)
{
    for (const cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        if (verb->group != NULL && strcmp(verb->group, word) == 0) {
            return true;
        }
    }
    return false;
}

static const cli_verb *find_verb(const char *group, const char *name)
{
    for (const cli_verb *verb = cli_verbs; verb->name != NULL; verb++) {
        bool same_group = group == NULL ? verb->group == NULL
                                        : verb->group != NULL && strcmp(verb->group, group) == 0;
        if (same_group && strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}

static core_status parse_word(parser *p, core_err *err)
{
    const char *word = p->argv[p->at++];
    cli_call *call = p->call;
    if (call->verb != NULL) {
        if (call->operand_count >= call->verb->operand_count) {
            return refuse(p, err, "one operand too many", word);
        }
        call->operands[call->operand_count++] = word;
        return ST_OK;
    }
    if (p->group == NULL && is_group(word)) {
        p->group = word;
        return ST_OK;
    }
    call->verb = find_verb(p->group, word);
    return call->verb == NULL ? refuse(p, err, "no such verb", word) : ST_OK;
}

static core_status check_complete(parser *p, core_err *err)
{
    const cli_call *call = p->call;
    if (cli_value(call, "--help") != NULL || cli_value(call, "--version") != NULL) {
        return ST_OK;
    }
    if (call->verb == NULL) {
        return refuse(p, err, p->group == NULL ? "a verb is missing" : "a second word is missing",
                      p->group == NULL ? "p11ekm" : p->group);
    }
    if (call->operand_count < call->verb->operand_count) {
        return refuse(p, err, "an operand is missing", call->verb->operands);
    }
    for (int i = 0; call->verb->options[i].name != NULL; i++) {
        if (call->verb->options[i].required && call->own[i] == NULL) {
            return refuse(p, err, "this option is needed", call->verb->options[i].name);
        }
    }
    return ST_OK;
}

/* True if errors are to be printed as a document. Works for a command line that cannot be
 * parsed. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

core_status cli_parse(int argc, char **argv, cli_call *call, core_err *err)
{
    parser p = {.argc = argc, .argv = argv, .at = 1, .call = call};
    core_status st = ST_OK;
    while (st == ST_OK && p.at < argc) {
        const char *word = argv[p.at];
        if (!p.no_more_options && strcmp(word, "--") == 0) {
            p.no_more_options = true;
            p.at++;
        } else if (!p.no_more_options && word[0] == '-' && word[1] != '\0') {
            st = parse_option(&p, err);
        } else {
            st = parse_word(&p, err);
        }
    }
    call->json = st == ST_OK ? cli_value(call, "--json") != NULL : wants_json(argc, argv);
    return st == ST_OK ? check_complete(&p, err) : st;
}
