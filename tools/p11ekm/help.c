/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm --help, made from the tables of verbs and options.
 */
#include "tools/p11ekm/verbs.h"

#include <stdio.h>

static void print_options(const cli_option *options)
{
    for (; options->name != NULL; options++) {
        char left[40];
        snprintf(left, sizeof left, "%s %s", options->name, options->value ? options->value : "");
        fprintf(cli_stdout(), "  %-22s %s%s\n", left, options->help,
                options->required ? " (needed)" : "");
    }
}

static void print_verb_line(const cli_verb *verb)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s %s", verb->group ? verb->group : "", verb->group ? " " : "",
             verb->name, verb->operands);
    fprintf(cli_stdout(), "  %-32s %s\n", left, verb->help);
}

void cli_print_help(const cli_verb *verb)
{
    if (verb == NULL) {
        fprintf(cli_stdout(), "usage: p11ekm [options] VERB [options] [operand]\n\nverbs:\n");
        for (verb = cli_verbs; verb->name != NULL; verb++) {
            print_verb_line(verb);
        }
    } else {
        fprintf(cli_stdout(), "usage: p11ekm [options] ");
        print_verb_line(verb);
        if (verb->options->name != NULL) {
            fprintf(cli_stdout(), "\noptions:\n");
            print_options(verb->options);
        }
    }
    fprintf(cli_stdout(), "\nglobal options:\n");
    print_options(cli_global_options);
    fprintf(cli_stdout(),
            "\nThe manual is p11ekm(1). Exit status: 0 done, 1 failed, 2 wrong use.\n");
}
