/* SPDX-License-Identifier: Apache-2.0
 *
 * What p11ekm prints: results on stdout, text or one JSON document; errors on stderr as object,
 * cause and next step, and with --json as a document {"error": ...} on stdout, too.
 */
#include "tools/p11ekm/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/platform.h"

static void print_options(const cli_option *options)
{
    for (; options->name != NULL; options++) {
        char left[40];
        snprintf(left, sizeof left, "%s %s", options->name, options->value ? options->value : "");
        printf("  %-22s %s%s\n", left, options->help, options->required ? " (needed)" : "");
    }
}

static void print_verb_line(const cli_verb *verb)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s %s", verb->group ? verb->group : "", verb->group ? " " : "",
             verb->name, verb->operands);
    printf("  %-32s %s\n", left, verb->help);
}

void cli_print_help(const cli_verb *verb)
{
    if (verb == NULL) {
        printf("usage: p11ekm [options] VERB [options] [operand]\n\nverbs:\n");
        for (verb = cli_verbs; verb->name != NULL; verb++) {
            print_verb_line(verb);
        }
    } else {
        printf("usage: p11ekm [options] ");
        print_verb_line(verb);
        if (verb->options->name != NULL) {
            printf("\noptions:\n");
            print_options(verb->options);
        }
    }
    printf("\nglobal options:\n");
    print_options(cli_global_options);
    printf("\nThe manual is p11ekm(1). Exit status: 0 done, 1 failed, 2 wrong use.\n");
}

json_t *cli_json_text(const char *text)
{
    if (core_utf8_valid(text, strlen(text))) {
        return json_string(text);
    }
    core_str cleaned = {0};
    for (; *text != '\0'; text++) {
        core_str_addn(&cleaned, (unsigned char)*text < 0x80 ? text : "?", 1);
    }
    json_t *value = json_string(core_str_get(&cleaned));
    core_str_free(&cleaned);
    return value;
}

json_t *cli_json_hex(const uint8_t *bytes, size_t length)
{
    char hex[2 * 1024 + 1];
    core_hex(bytes, length < sizeof hex / 2 ? length : sizeof hex / 2, hex);
    return json_string(hex);
}

void cli_add_set(core_str *out, unsigned set, const char *const *names, size_t count)
{
    const char *separator = "";
    for (size_t i = 0; i < count; i++) {
        if ((set & (1U << i)) != 0) {
            core_str_addf(out, "%s%s", separator, names[i]);
            separator = ", ";
        }
    }
}

/* Control characters that JSON allows as they are, but terminals and readers of lines do not. */
static void put_json(const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char *c = (const unsigned char *)text;
        if (c[0] == 0x7f) {
            fputs("\\u007f", stdout);
        } else if (c[0] == 0xc2 && c[1] < 0xa0) {
            printf("\\u%04x", (unsigned)c[1]);
            text++;
        } else if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) {
            printf("\\u20%02x", c[2] - 0x80U);
            text += 2;
        } else {
            fputc(c[0], stdout);
        }
    }
}

static void print_json(json_t *doc)
{
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_INDENT(2));
    put_json(text != NULL ? text : "{\"error\": {\"text\": \"out of memory\"}}");
    fputc('\n', stdout);
    free(text);
}

static void print_text(core_str *text)
{
    if (text->text != NULL) {
        core_text_clean(text->text, "\n\t");
        fputs(text->text, stdout);
    }
}

/* err->text names object, cause and next step; where nothing was said the table speaks. */
static void print_error(const cli_call *call, core_status st, const core_err *err)
{
    core_err shown = *err;
    core_text_clean(shown.text, ""); /* it may quote what a token or a file said */
    const char *text = shown.text[0] != '\0' ? shown.text : core_status_text(st);
    const char *next = core_status_next(st);
    fprintf(stderr, "p11ekm: %s: %s\n", core_status_name(st), text);
    if (!call->usage && next[0] != '\0' && strstr(text, next) == NULL) {
        fprintf(stderr, "  next: %s\n", next);
    }
    if (!call->json) {
        return;
    }
    json_t *doc = json_object();
    json_t *error = json_object();
    json_object_set_new(error, "name", json_string(core_status_name(st)));
    json_object_set_new(error, "code", json_integer(core_status_code(st)));
    json_object_set_new(error, "text", cli_json_text(text));
    json_object_set_new(error, "next", json_string(next));
    json_object_set_new(doc, "error", error);
    print_json(doc);
    json_decref(doc);
}

void cli_progress(uint64_t *told, size_t done, size_t total)
{
    uint64_t now = core_now_us();
    if (now - *told >= 1000000) {
        fprintf(stderr, "p11ekm: %zu of %zu\n", done, total);
        *told = now;
    }
}

int cli_finish(cli_call *call, core_status st, const core_err *err)
{
    int status = CLI_EXIT_OK;
    if (st == ST_OK && !call->json && call->text.failed) {
        st = ST_NO_MEMORY;
    }
    if (st != ST_OK) {
        print_error(call, st, err);
        status = call->usage ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
    } else if (call->json) {
        print_json(call->doc);
        status = call->doc == NULL ? CLI_EXIT_FAILED : CLI_EXIT_OK;
    } else {
        print_text(&call->text);
    }
    json_decref(call->doc);
    core_str_free(&call->text);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "p11ekm: the output could not be written\n");
        status = CLI_EXIT_FAILED;
    }
    return status == CLI_EXIT_OK && call->findings ? CLI_EXIT_FAILED : status;
}
