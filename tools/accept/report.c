/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the reports: report.md for people, report.json for programs. See accept.h.
 */
#include "tools/accept/accept.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/ekmsql/base/host.h"

enum { PATH_ROOM = 2048, MOST_CHECKS = 256, VERDICTS = ACCEPT_FAIL + 1 };

typedef struct text {
    char *data;
    size_t length, capacity;
    bool failed;
} text;

static void add(text *t, const char *more)
{
    size_t length = strlen(more);
    if (t->length + length + 1 > t->capacity) {
        size_t capacity = 2 * t->capacity + length + 1024;
        char *data = realloc(t->data, capacity);
        if (!data) {
            t->failed = true;
            return;
        }
        t->data = data;
        t->capacity = capacity;
    }
    memcpy(t->data + t->length, more, length + 1);
    t->length += length;
}

static void add_json(text *t, const char *key, const char *value)
{
    char escaped[8];
    add(t, "\"");
    add(t, key);
    add(t, "\":\"");
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at < ' ' || *at == '"' || *at == '\\')
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", *at);
        else
            (void)snprintf(escaped, sizeof escaped, "%c", *at);
        add(t, escaped);
    }
    add(t, "\"");
}

/* Appends a cell of a Markdown table. */
static void add_cell(text *t, const char *value)
{
    char one[3] = {0};
    add(t, " ");
    for (; *value; value++) {
        one[0] = *value;
        one[1] = '\0';
        if (*value == '|')
            memcpy(one, "\\|", 2);
        else if (*value == '\t')
            one[0] = ' ';
        add(t, one);
    }
    add(t, " |");
}

typedef struct report {
    const char *checks, *seen;
    char *names[MOST_CHECKS];
    size_t name_count;
    unsigned verdicts[VERDICTS];
    text markdown, json;
    bool failed;
} report;

static void note_name(void *context, const char *name)
{
    report *r = context;
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 4, ".sql") != 0)
        return;
    char *copy = r->name_count < MOST_CHECKS ? strdup(name) : NULL;
    if (copy)
        r->names[r->name_count++] = copy;
    else
        r->failed = true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_check(report *r, const accept_check *check, accept_verdict verdict, const char *why)
{
    const char *const values[] = {check->id, accept_verdict_name(verdict), check->title,
                                  check->settles, why};
    static const char *const keys[] = {"id", "verdict", "title", "settles", "why"};
    add(&r->markdown, "|");
    add(&r->json, r->json.length > 1 ? ",\n{" : "\n{");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        add_cell(&r->markdown, values[i]);
        add(&r->json, i > 0 ? "," : "");
        add_json(&r->json, keys[i], values[i]);
    }
    add(&r->markdown, "\n");
    add(&r->json, "}");
    r->verdicts[verdict]++;
}

static void evaluate_check(report *r, const char *name)
{
    char path[PATH_ROOM];
    char why[ACCEPT_REASON];
    accept_check check;
    accept_lines seen;
    (void)snprintf(path, sizeof path, "%s/%s", r->checks, name);
    if (!accept_check_read(path, &check)) {
        fprintf(stderr, "p11accept: %s: not readable, or a line of its header is missing\n", path);
        r->failed = true;
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%s.seen", r->seen, check.id);
    bool ran = accept_lines_read(path, &seen);
    add_check(r, &check, accept_judge(&check, ran ? &seen : NULL, why), why);
    accept_lines_free(&seen);
    accept_check_free(&check);
}

static void write_file(report *r, const char *out, const char *name, const text *content)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s/%s", out, name);
    if (content->failed || !content->data ||
        !host_file_write(path, content->data, content->length)) {
        fprintf(stderr, "p11accept: %s cannot be written\n", path);
        r->failed = true;
    }
}

int accept_report(const char *checks, const char *seen, const char *out)
{
    report r = {.checks = checks, .seen = seen};
    char line[256];
    if (!host_dir_each(checks, note_name, &r) || r.name_count == 0) {
        fprintf(stderr, "p11accept: %s holds no check\n", checks);
        r.failed = true;
    }
    qsort(r.names, r.name_count, sizeof r.names[0], by_name);
    add(&r.markdown, "# Acceptance report\n\n| id | verdict | check | settles | why |\n"
                     "| --- | --- | --- | --- | --- |\n");
    add(&r.json, "[");
    for (size_t i = 0; i < r.name_count; i++) {
        evaluate_check(&r, r.names[i]);
        free(r.names[i]);
    }
    add(&r.json, "\n]\n");
    (void)snprintf(line, sizeof line,
                   "%u passed, %u noted, %u skipped, %u known to differ, %u findings, %u failed",
                   r.verdicts[ACCEPT_PASS], r.verdicts[ACCEPT_NOTE], r.verdicts[ACCEPT_SKIP],
                   r.verdicts[ACCEPT_KNOWN_DIFFERENT], r.verdicts[ACCEPT_FINDING],
                   r.verdicts[ACCEPT_FAIL]);
    add(&r.markdown, "\n");
    add(&r.markdown, line);
    add(&r.markdown, "\n");
    write_file(&r, out, "report.md", &r.markdown);
    write_file(&r, out, "report.json", &r.json);
    puts(line);
    free(r.markdown.data);
    free(r.json.data);
    if (r.failed)
        return 3;
    return r.verdicts[ACCEPT_FAIL] ? 1 : r.verdicts[ACCEPT_FINDING] ? 2 : 0;
}
