/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads and writes encrypted values: see values.h.
 */
#include "tools/p11ekm/values.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "tools/p11ekm/cli.h"

enum { FILE_LIMIT = 64 << 20, VALUE_LIMIT = 8192 };

core_status cli_file_read(const char *file, core_str *text, core_err *err)
{
    char piece[16384];
    bool standard = strcmp(file, "-") == 0;
    FILE *in = standard ? stdin : fopen(file, "rb");
    if (in == NULL) {
        return core_fail(err, ST_IO, "%s: cannot be opened; check the path and its permissions",
                         file);
    }
    text->limit = FILE_LIMIT;
    size_t got = 0, total = 0;
    while ((got = fread(piece, 1, sizeof piece, in)) > 0) {
        core_str_addn(text, piece, got);
        total += got;
    }
    bool failed = ferror(in) != 0;
    if (!standard) {
        (void)fclose(in);
    }
    if (failed) {
        return core_fail(err, ST_IO, "%s: cannot be read; check the disk it is on", file);
    }
    if (!text->failed) {
        return ST_OK;
    }
    /* A string fails if it would exceed its limit, or if there is no memory. */
    return total > FILE_LIMIT ? core_fail(err, ST_FORMAT, "%s: longer than 64 MiB; split it", file)
                              : ST_NO_MEMORY;
}

/* Accepts what PowerShell and SSMS save: UTF-16 little endian, or UTF-8, with a byte-order mark. */
static core_status to_utf8(const char *file, core_str *text, core_err *err)
{
    const uint8_t *bytes = (const uint8_t *)core_str_get(text);
    if (text->length < 2 || bytes[0] != 0xFF || bytes[1] != 0xFE) {
        return ST_OK;
    }
    size_t capacity = text->length / 2 * 3 + 1;
    char *utf8 = core_calloc(capacity, 1);
    core_status st = utf8 == NULL ? ST_NO_MEMORY
                                  : core_utf16_to_utf8(bytes + 2, text->length - 2, utf8, capacity);
    if (st == ST_OK) {
        core_str_free(text);
        text->limit = (size_t)FILE_LIMIT * 2;
        core_str_add(text, utf8);
    } else if (st != ST_NO_MEMORY) {
        st = core_fail(err, ST_FORMAT, "%s: not valid UTF-16; export it again", file);
    }
    core_free(utf8);
    return st == ST_OK && text->failed ? ST_NO_MEMORY : st;
}

/* Removes line ends and the mark of UTF-8: see values.h. */
static void strip(core_str *text)
{
    size_t to = 0;
    size_t from = text->length >= 3 && memcmp(text->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (; from < text->length; from++) {
        if (text->text[from] != '\n' && text->text[from] != '\r') {
            text->text[to++] = text->text[from];
        }
    }
    text->length = to;
    text->text[to] = '\0';
}

/* Takes the text of a member, which must exist and pass core_text_fault. */
static core_status take_text(const json_t *object, const char *name, size_t most_units,
                             const char **out, core_err *err)
{
    *out = json_string_value(json_object_get(object, name));
    if (*out == NULL || **out == '\0') {
        return core_fail(err, ST_FORMAT, "\"%s\" is missing or is no text", name);
    }
    const char *fault = core_text_fault(*out, most_units);
    return fault == NULL ? ST_OK : core_fail(err, ST_FORMAT, "\"%s\" %s", name, fault);
}

static core_status take_binary(const json_t *object, const char *name, cli_row *row, core_err *err)
{
    const char *hex = NULL;
    core_status st = take_text(object, name, SIZE_MAX, &hex, err);
    size_t length = st == ST_OK ? strlen(hex) / 2 + 1 : 0;
    if (st == ST_OK && length > VALUE_LIMIT) {
        st = core_fail(err, ST_FORMAT, "\"%s\" is longer than %d bytes", name, VALUE_LIMIT);
    }
    if (st != ST_OK) {
        return st;
    }
    row->block = core_calloc(length, 1);
    if (row->block == NULL) {
        return ST_NO_MEMORY;
    }
    if (core_unhex(hex, row->block, &length) != ST_OK) {
        return core_fail(err, ST_FORMAT, "\"%s\" is no hexadecimal", name);
    }
    row->value = row->block;
    row->value_len = length;
    return ST_OK;
}

/* Takes the digest of the value that this one replaces. Only an output of cmk rotate has it. */
static core_status take_replaces(const json_t *object, cli_row *row, core_err *err)
{
    static const char digits[] = "0123456789abcdef";
    if (json_object_get(object, "replaces") == NULL) {
        return ST_OK;
    }
    core_status st = take_text(object, "replaces", SIZE_MAX, &row->replaces, err);
    if (st == ST_OK && (strlen(row->replaces) != CLI_DIGEST_DIGITS ||
                        strspn(row->replaces, digits) != CLI_DIGEST_DIGITS)) {
        st = core_fail(err, ST_FORMAT, "\"replaces\" is no SHA-256 digest");
    }
    return st;
}

static core_status take_row(const json_t *object, cli_row_kind kind, cli_row *row, core_err *err)
{
    const struct {
        const char *name;
        const char **out;
        size_t most_units; /* as in the database's catalog views */
        bool of_values;    /* not required in the row of a master key */
    } members[] = {
        {"cmk", &row->cmk, CORE_NAME_UNITS, false},
        {"provider", &row->provider, CORE_NAME_UNITS, false},
        {"path", &row->path, CLI_PATH_UNITS, false},
        {"cek", &row->cek, CORE_NAME_UNITS, true},
        {"algorithm", &row->algorithm, CORE_NAME_UNITS, true},
    };
    core_status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < sizeof members / sizeof members[0]; i++) {
        if (kind == CLI_ROWS_VALUES || !members[i].of_values) {
            st = take_text(object, members[i].name, members[i].most_units, members[i].out, err);
        }
    }
    if (st == ST_OK && kind == CLI_ROWS_VALUES) {
        st = take_replaces(object, row, err);
    }
    if (st == ST_OK) {
        st = take_binary(object, kind == CLI_ROWS_VALUES ? "value" : "signature", row, err);
    }
    return st;
}

static core_status add_row(cli_rows *rows, cli_row_kind kind, const json_t *object, core_err *err)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
        cli_row *grown = core_realloc(rows->rows, capacity * sizeof rows->rows[0]);
        if (grown == NULL) {
            return ST_NO_MEMORY;
        }
        rows->rows = grown;
        rows->capacity = capacity;
    }
    cli_row row = {0};
    core_err inner = {0};
    core_status st = take_row(object, kind, &row, &inner);
    if (st != ST_OK) {
        core_free(row.block);
        return st == ST_NO_MEMORY
                   ? st
                   : core_fail(err, st, "object %zu: %s; p11ekm(1), FILES, has the query",
                               rows->count + 1, inner.text);
    }
    rows->rows[rows->count++] = row;
    return ST_OK;
}

static core_status take_value(cli_rows *rows, cli_row_kind kind, const json_t *value, core_err *err)
{
    if (!json_is_array(value)) {
        return add_row(rows, kind, value, err);
    }
    core_status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < json_array_size(value); i++) {
        st = add_row(rows, kind, json_array_get(value, i), err);
    }
    return st;
}

/* Parses JSON values that follow each other, with blanks between them. */
static core_status parse_all(const char *file, cli_row_kind kind, const core_str *text,
                             cli_rows *rows, core_err *err)
{
    core_status st = ST_OK;
    for (size_t at = 0; st == ST_OK;) {
        json_error_t problem;
        core_err inner = {0};
        at += strspn(text->text + at, " \t");
        if (at >= text->length) {
            break;
        }
        json_t *value = json_loadb(text->text + at, text->length - at,
                                   JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &problem);
        if (value == NULL && cli_json_failed()) {
            return ST_NO_MEMORY;
        }
        if (value == NULL) {
            return core_fail(err, ST_FORMAT, "%s: not JSON after object %zu: %s; export it again",
                             file, rows->count, problem.text);
        }
        at += (size_t)problem.position;
        if (json_array_append_new(rows->documents, value) != 0) {
            return ST_NO_MEMORY; /* the value is freed */
        }
        st = take_value(rows, kind, value, &inner);
        if (st != ST_OK && st != ST_NO_MEMORY) {
            st = core_fail(err, st, "%s: %s", file, inner.text);
        }
    }
    return st;
}

core_status cli_rows_parse(const char *file, cli_row_kind kind, core_str *text, cli_rows *rows,
                           core_err *err)
{
    memset(rows, 0, sizeof *rows);
    rows->documents = json_array();
    core_status st = rows->documents == NULL ? ST_NO_MEMORY : to_utf8(file, text, err);
    if (st == ST_OK && text->length > 0) {
        strip(text);
        st = parse_all(file, kind, text, rows, err);
    }
    if (st == ST_OK && rows->count == 0) {
        st = core_fail(err, ST_FORMAT, "%s: nothing in it; p11ekm(1), FILES, has the query", file);
    }
    if (st != ST_OK) {
        cli_rows_free(rows);
    }
    return st;
}

core_status cli_rows_read(const char *file, cli_row_kind kind, cli_rows *rows, core_err *err)
{
    core_str text = {0};
    memset(rows, 0, sizeof *rows);
    core_status st = cli_file_read(file, &text, err);
    if (st == ST_OK) {
        st = cli_rows_parse(file, kind, &text, rows, err);
    }
    core_str_free(&text);
    return st;
}

void cli_rows_free(cli_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        core_free(rows->rows[i].block);
    }
    core_free(rows->rows);
    json_decref(rows->documents);
    memset(rows, 0, sizeof *rows);
}

void cli_row_format(const cli_row *row, core_str *line)
{
    const struct {
        const char *name, *text;
    } members[] = {
        {"{\"cek\":", row->cek},
        {",\"cmk\":", row->cmk},
        {",\"provider\":", row->provider},
        {",\"path\":", row->path},
        {",\"algorithm\":", row->algorithm},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        core_str_add(line, members[i].name);
        core_str_json(line, members[i].text);
    }
    if (row->replaces != NULL) {
        core_str_addf(line, ",\"replaces\":\"%s\"", row->replaces);
    }
    core_str_add(line, ",\"value\":\"");
    cli_sql_binary(line, row->value, row->value_len);
    core_str_add(line, "\"}\n");
}

const cli_row *cli_rows_find(const cli_rows *rows, const char *cek, const char *cmk)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->rows[i].cek, cek) == 0 && strcmp(rows->rows[i].cmk, cmk) == 0) {
            return &rows->rows[i];
        }
    }
    return NULL;
}

/* Sorts by column encryption key, and the values of one key in the order of the file. */
static int compare_rows(const void *a, const void *b)
{
    const cli_row *left = *(cli_row *const *)a, *right = *(cli_row *const *)b;
    const int names = strcmp(left->cek, right->cek);
    return names != 0 ? names : left < right ? -1 : 1;
}

/* Refuses what SQL Server would refuse: a key has two values at most, with different master
 * keys. */
static core_status check_pair(const char *file, const cli_row *first, const cli_row *second,
                              core_err *err)
{
    if (strcmp(first->cmk, second->cmk) == 0) {
        return core_fail(err, ST_FORMAT,
                         "%s: it has two values of column encryption key \"%s\" under \"%s\"; take "
                         "one database at a time",
                         file, first->cek, first->cmk);
    }
    if (!first->leads) {
        return core_fail(err, ST_FORMAT,
                         "%s: it has three values of column encryption key \"%s\", which has two "
                         "at most; export it again",
                         file, first->cek);
    }
    return ST_OK;
}

core_status cli_rows_link(const char *file, cli_rows *rows, core_err *err)
{
    core_status st = ST_OK;
    cli_row **sorted = core_calloc(rows->count, sizeof *sorted);
    if (sorted == NULL) {
        return ST_NO_MEMORY;
    }
    for (size_t i = 0; i < rows->count; i++) {
        sorted[i] = &rows->rows[i];
        rows->rows[i].leads = true;
    }
    qsort(sorted, rows->count, sizeof *sorted, compare_rows);
    for (size_t i = 1; st == ST_OK && i < rows->count; i++) {
        if (strcmp(sorted[i - 1]->cek, sorted[i]->cek) == 0) {
            st = check_pair(file, sorted[i - 1], sorted[i], err);
            sorted[i]->leads = false;
            sorted[i - 1]->other = sorted[i];
            sorted[i]->other = sorted[i - 1];
        }
    }
    core_free(sorted);
    return st;
}
