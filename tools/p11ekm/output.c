/* SPDX-License-Identifier: Apache-2.0
 *
 * The output of p11ekm: results on stdout, as text or as one JSON document; errors on stderr as
 * object, cause and next step, and with --json also as a document {"error": ...} on stdout. A
 * PKCS#11 module may write to stdout, which would damage both, so its output is redirected to
 * stderr.
 */
#include "tools/p11ekm/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/platform.h"

static FILE *process_stdout; /* the standard output of the process; NULL: it was not redirected */

FILE *cli_stdout(void)
{
    return process_stdout != NULL ? process_stdout : stdout;
}

/* Does nothing if a test reads the output, or if stderr is closed. */
static void redirect_stdout(void)
{
    process_stdout = NULL;
    if (fileno(stdout) != STDOUT_FILENO || fflush(stdout) != 0)
        return;
    const int fd = dup(STDOUT_FILENO);
    if (fd > STDERR_FILENO)
        process_stdout = fdopen(fd, "w");
    if (process_stdout != NULL && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
        return;
    if (process_stdout != NULL)
        (void)fclose(process_stdout);
    else if (fd >= 0)
        (void)close(fd);
    process_stdout = NULL;
}

static bool json_failed;

bool cli_output_is_terminal(void)
{
    return isatty(fileno(cli_stdout())) != 0;
}

static void *json_allocate(size_t size)
{
    void *block = core_calloc(1, size);
    json_failed = json_failed || block == NULL;
    return block;
}

void cli_output_start(void)
{
    redirect_stdout();
    json_failed = false;
    json_set_alloc_funcs(json_allocate, core_free);
}

bool cli_json_failed(void)
{
    return json_failed;
}

bool cli_complete(const cli_call *call)
{
    return !call->text.failed && !json_failed && (!call->json || call->doc != NULL);
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

/* Escapes control characters that JSON allows unescaped, but terminals and line-based readers do
 * not handle. */
static void put_json(const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char *c = (const unsigned char *)text;
        if (c[0] == 0x7f) {
            fputs("\\u007f", cli_stdout());
        } else if (c[0] == 0xc2 && c[1] < 0xa0) {
            fprintf(cli_stdout(), "\\u%04x", (unsigned)c[1]);
            text++;
        } else if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) {
            fprintf(cli_stdout(), "\\u20%02x", c[2] - 0x80U);
            text += 2;
        } else {
            fputc(c[0], cli_stdout());
        }
    }
}

static void print_json(const char *text)
{
    put_json(text != NULL ? text : "{\"error\": {\"text\": \"out of memory\"}}");
    fputc('\n', cli_stdout());
}

static void print_text(core_str *text)
{
    if (text->text != NULL) {
        core_text_sanitize(text->text, "\n\t");
        fputs(text->text, cli_stdout());
    }
}

/* err->text names object, cause and next step; if it is empty, the text of the status table is
 * printed. */
static void print_error(const cli_call *call, core_status st, const core_err *err)
{
    const char *text = err->text[0] != '\0' ? err->text : core_status_text(st);
    const char *next = core_err_next(err, st);
    fprintf(stderr, "p11ekm: %s: %s\n", core_status_name(st), text);
    if (next[0] != '\0' && strstr(text, next) == NULL) {
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
    json_object_set_new(error, "next", cli_json_text(next));
    json_object_set_new(doc, "error", error);
    char *whole = json_failed ? NULL : json_dumps(doc, JSON_INDENT(2));
    print_json(whole);
    core_free(whole);
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

/* The status of a change, such as "key create", that succeeded although its result could not be
 * printed. */
static core_status fail_after_change(const cli_call *call, core_status st, const char *why,
                                     core_err *err)
{
    const char *group = call->verb->group;
    return core_fail(err, st, "%s%s%s is done, but its result %s", group == NULL ? "" : group,
                     group == NULL ? "" : " ", call->verb->name, why);
}

int cli_finish(cli_call *call, core_status st, core_err *err)
{
    char *document = st == ST_OK && call->json ? json_dumps(call->doc, JSON_INDENT(2)) : NULL;
    bool done = st == ST_OK;
    if (done && !cli_complete(call)) {
        st = fail_after_change(call, ST_NO_MEMORY, "does not fit into memory; free some", err);
    }
    if (st != ST_OK) {
        print_error(call, st, err);
    } else if (call->json) {
        print_json(document);
    } else {
        print_text(&call->text);
    }
    if (fflush(cli_stdout()) != 0 || ferror(cli_stdout())) {
        st = done ? fail_after_change(call, ST_IO,
                                      "cannot be written to standard output; make room", err)
                  : core_fail(err, ST_IO, "standard output: cannot be written; make room");
        fprintf(stderr, "p11ekm: %s: %s\n", core_status_name(st), err->text);
    }
    core_free(document);
    json_decref(call->doc);
    core_str_free(&call->text);
    if (st != ST_OK) {
        return call->usage ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
    }
    return call->findings ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
