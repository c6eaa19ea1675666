/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted values in and out: see values.h.
 */
#include "tools/p11ekm/values.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

enum { FILE_LIMIT = 64 << 20, VALUE_LIMIT = 8192 };

static core_status read_all(const char *file, core_str *text, core_err *err)
{
    char piece[16384];
    bool standard = strcmp(file, "-") == 0;
    FILE *in = standard ? stdin : fopen(file, "rb");
    if (in == NULL) {
        return core_fail(err, ST_IO, "%s: cannot be opened; check the path and its rights", file);
    }
    text->limit = FILE_LIMIT;
    size_t got = 0;
    while ((got = fread(piece, 1, sizeof piece, in)) > 0) {
        core_str_addn(text, piece, got);
    }
    bool failed = ferror(in) != 0;
    if (!standard) {
        (void)fclose(in);
    }
    if (failed) {
        return core_fail(err, ST_IO, "%s: cannot be read", file);
    }
    return text->failed ? core_fail(err, ST_FORMAT, "%s: longer than 64 MiB; split it", file)
                        : ST_OK;
}

/* What PowerShell and SSMS save: UTF-16 little endian, or UTF-8, with a byte-order mark. */
static core_status to_utf8(const char *file, core_str *text, core_err *err)
{
    const uint8_t *bytes = (const uint8_t *)core_str_get(text);
    if (text->length < 2 || bytes[0] != 0xFF || bytes[1] != 0xFE) {
        return ST_OK;
    }
    size_t room = text->length / 2 * 3 + 1;
    char *utf8 = core_calloc(room, 1);
    core_status st =
        utf8 == NULL ? ST_NO_MEMORY : core_utf16_to_utf8(bytes + 2, text->length - 2, utf8, room);
    if (st == ST_OK) {
        core_str_free(text);
        text->limit = (size_t)FILE_LIMIT * 2;
        core_str_add(text, utf8);
    } else {
        st = core_fail(err, ST_FORMAT, "%s: not valid UTF-16; export it again", file);
    }
    core_free(utf8);
    return st;
}

/* Line ends and the mark of UTF-8 go: see values.h. */
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
}

static core_status take_text(const json_t *object, const char *name, char **out, core_err *err)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL || text[0] == '\0') {
        return core_fail(err, ST_FORMAT, "\"%s\" is missing or is no text", name);
    }
    *out = core_strdup(text);
    return *out == NULL ? ST_NO_MEMORY : ST_OK;
}

static void free_row(cli_row *row)
{
    char *const texts[] = {row->cek, row->cmk, row->provider, row->path, row->algorithm};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        core_free(texts[i]);
    }
    core_free(row->value);
    memset(row, 0, sizeof *row);
}

static core_status take_row(const json_t *object, cli_row *row, core_err *err)
{
    const struct {
        const char *name;
        char **out;
    } members[] = {
        {"cek", &row->cek},
        {"cmk", &row->cmk},
        {"provider", &row->provider},
        {"path", &row->path},
        {"algorithm", &row->algorithm},
    };
    core_status st = ST_OK;
    char *hex = NULL;
    for (size_t i = 0; st == ST_OK && i < sizeof members / sizeof members[0]; i++) {
        st = take_text(object, members[i].name, members[i].out, err);
    }
    if (st == ST_OK) {
        st = take_text(object, "value", &hex, err);
    }
    if (st == ST_OK) {
        row->value_len = VALUE_LIMIT;
        row->value = core_calloc(VALUE_LIMIT, 1);
        st = row->value == NULL ? ST_NO_MEMORY : core_unhex(hex, row->value, &row->value_len);
        if (st != ST_OK) {
            st = core_fail(err, ST_FORMAT, "\"value\" is no hexadecimal of at most %d bytes",
                           VALUE_LIMIT);
        } else {
            uint8_t *fitted = core_realloc(row->value, row->value_len);
            row->value = fitted == NULL ? row->value : fitted;
        }
    }
    core_free(hex);
    return st;
}

static core_status add_row(cli_rows *rows, const json_t *object, core_err *err)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? 16 : rows->room * 2;
        cli_row *grown = core_realloc(rows->rows, room * sizeof rows->rows[0]);
        if (grown == NULL) {
            return ST_NO_MEMORY;
        }
        rows->rows = grown;
        rows->room = room;
    }
    cli_row row = {0};
    core_err inner = {0};
    core_status st = take_row(object, &row, &inner);
    if (st != ST_OK) {
        free_row(&row);
        return core_fail(err, st, "object %zu: %s; p11ekm(1), FILES, has the query",
                         rows->count + 1, inner.text);
    }
    rows->rows[rows->count++] = row;
    return ST_OK;
}

static core_status take_value(cli_rows *rows, const json_t *value, core_err *err)
{
    if (!json_is_array(value)) {
        return add_row(rows, value, err);
    }
    core_status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < json_array_size(value); i++) {
        st = add_row(rows, json_array_get(value, i), err);
    }
    return st;
}

core_status cli_rows_read(const char *file, cli_rows *rows, core_err *err)
{
    core_str text = {0};
    size_t at = 0;
    core_err inner = {0};
    memset(rows, 0, sizeof *rows);
    core_status st = read_all(file, &text, err);
    if (st == ST_OK) {
        st = to_utf8(file, &text, err);
    }
    if (st != ST_OK) {
        goto done;
    }
    strip(&text);
    while (st == ST_OK) {
        json_error_t problem;
        while (at < text.length && (text.text[at] == ' ' || text.text[at] == '\t')) {
            at++;
        }
        if (at == text.length) {
            break;
        }
        json_t *value = json_loadb(text.text + at, text.length - at,
                                   JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &problem);
        if (value == NULL) {
            st = core_fail(err, ST_FORMAT, "%s: not JSON behind object %zu: %s", file, rows->count,
                           problem.text);
            break;
        }
        at += (size_t)problem.position;
        st = take_value(rows, value, &inner);
        if (st != ST_OK) {
            st = core_fail(err, st, "%s: %s", file, inner.text);
        }
        json_decref(value);
    }
    if (st == ST_OK && rows->count == 0) {
        st =
            core_fail(err, ST_FORMAT, "%s: no values in it; p11ekm(1), FILES, has the query", file);
    }
done:
    if (st != ST_OK) {
        cli_rows_free(rows);
    }
    core_str_free(&text);
    return st;
}

void cli_rows_free(cli_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free_row(&rows->rows[i]);
    }
    core_free(rows->rows);
    memset(rows, 0, sizeof *rows);
}

core_status cli_row_write(FILE *file, const char *name, const cli_row *row, core_err *err)
{
    core_str line = {0};
    core_str_add(&line, "{\"cek\":");
    core_str_json(&line, row->cek);
    core_str_add(&line, ",\"cmk\":");
    core_str_json(&line, row->cmk);
    core_str_add(&line, ",\"provider\":");
    core_str_json(&line, row->provider);
    core_str_add(&line, ",\"path\":");
    core_str_json(&line, row->path);
    core_str_add(&line, ",\"algorithm\":");
    core_str_json(&line, row->algorithm);
    core_str_add(&line, ",\"value\":\"");
    cli_sql_binary(&line, row->value, row->value_len);
    core_str_add(&line, "\"}\n");
    bool written = !line.failed && fputs(core_str_get(&line), file) >= 0 && fflush(file) == 0;
    core_str_free(&line);
    return written ? ST_OK : core_fail(err, ST_IO, "%s: cannot be written; make room", name);
}

bool cli_rows_have(const cli_rows *rows, const char *cek, const char *cmk)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->rows[i].cek, cek) == 0 && strcmp(rows->rows[i].cmk, cmk) == 0) {
            return true;
        }
    }
    return false;
}

static void add_doubled(core_str *out, const char *text, char twice)
{
    for (; *text != '\0'; text++) {
        core_str_addn(out, text, 1);
        if (*text == twice) {
            core_str_addn(out, text, 1);
        }
    }
}

void cli_sql_name(core_str *out, const char *name)
{
    core_str_add(out, "[");
    add_doubled(out, name, ']');
    core_str_add(out, "]");
}

void cli_sql_text(core_str *out, const char *text)
{
    core_str_add(out, "N'");
    add_doubled(out, text, '\'');
    core_str_add(out, "'");
}

void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length)
{
    char hex[3];
    core_str_add(out, "0x");
    for (size_t i = 0; i < length; i++) {
        core_hex(bytes + i, 1, hex);
        core_str_add(out, hex);
    }
}
