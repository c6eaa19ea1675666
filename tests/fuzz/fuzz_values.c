/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the JSON file that the DBA and the Security Administrator exchange. Accepted rows
 * are written and read again unchanged. A document that jansson accepts by its strictest rules is
 * accepted or refused as an independent check of it says. Each name, quoted for T-SQL, is exactly
 * one token of T-SQL. The first byte of the input chooses the kind of rows.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/p11ekm/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUE_MOST = 8191 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* A file in memory with these bytes. */
static const char *file_of(const void *bytes, size_t size)
{
    static char path[32];
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("values", 0);
    check(fd >= 0 && ftruncate(fd, 0) == 0);
    check(pwrite(fd, bytes, size, 0) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool same_row(const cli_row *a, const cli_row *b)
{
    return same_text(a->cek, b->cek) && same_text(a->cmk, b->cmk) &&
           same_text(a->provider, b->provider) && same_text(a->path, b->path) &&
           same_text(a->algorithm, b->algorithm) && same_text(a->replaces, b->replaces) &&
           a->value_len == b->value_len && memcmp(a->value, b->value, a->value_len) == 0;
}

static void written_and_read_again(const cli_rows *rows)
{
    cli_rows again;
    core_str text = {.limit = (size_t)1 << 24};

    for (size_t i = 0; i < rows->count; i++)
        cli_row_format(&rows->rows[i], &text);
    check(!text.failed && core_utf8_valid(core_str_get(&text), text.length));
    check(cli_rows_read(file_of(core_str_get(&text), text.length), CLI_ROWS_VALUES, &again, NULL) ==
          ST_OK);
    check(again.count == rows->count);
    for (size_t i = 0; i < rows->count; i++) {
        check(same_row(&rows->rows[i], &again.rows[i]));
        const cli_row *found = cli_rows_find(rows, again.rows[i].cek, again.rows[i].cmk);
        check(found != NULL && found <= &rows->rows[i]);
    }
    cli_rows_free(&again);
    core_str_free(&text);
}

/* Parses a quoted text as T-SQL does: it ends at the first closing character that is not
 * doubled. */
static void quoted_once(const core_str *quoted, const char *open, char close, const char *text)
{
    const char *at = core_str_get(quoted);
    check(!quoted->failed && strncmp(at, open, strlen(open)) == 0);
    for (at += strlen(open); *at != close || at[1] == close; at++, text++) {
        check(*at != '\0' && (unsigned char)*at >= 0x20 && *at == *text);
        if (*at == close)
            at++;
    }
    check(at[1] == '\0' && *text == '\0');
}

static void quoted(const char *text)
{
    core_str name = {0}, string = {0};

    if (text == NULL)
        return;
    cli_sql_name(&name, text);
    quoted_once(&name, "[", ']', text);
    cli_sql_text(&string, text);
    quoted_once(&string, "N'", '\'', text);
    core_str_free(&name);
    core_str_free(&string);
}

/* U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 in UTF-8. */
static bool turns_text(const unsigned char *c)
{
    return (c[0] == 0xd8 && c[1] == 0x9c) ||
           (c[0] == 0xe2 && c[1] == 0x80 &&
            (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae))) ||
           (c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

static bool is_text(const json_t *object, const char *name, unsigned most_units)
{
    const unsigned char *c =
        (const unsigned char *)json_string_value(json_object_get(object, name));
    unsigned units = 0;
    if (c == NULL || *c == '\0')
        return false;
    for (; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0) ||
            (*c == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) || turns_text(c) ||
            (*c == '$' && c[1] == '('))
            return false;
        units += *c >= 0xf0 ? 2 : (*c & 0xc0) != 0x80; /* counted at each first byte */
    }
    return units <= most_units;
}

/* Absent, or a digest. */
static bool is_digest(const json_t *object)
{
    const json_t *member = json_object_get(object, "replaces");
    const char *text = json_string_value(member);
    return member == NULL ||
           (text != NULL && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64);
}

static bool is_row(const json_t *object, bool values)
{
    const char *hex = json_string_value(json_object_get(object, values ? "value" : "signature"));

    if (!is_text(object, "cmk", 128) || !is_text(object, "provider", 128) ||
        !is_text(object, "path", 4000) ||
        (values && (!is_text(object, "cek", 128) || !is_text(object, "algorithm", 128) ||
                    !is_digest(object))) ||
        hex == NULL || *hex == '\0')
        return false;
    const size_t written = strlen(hex); /* the limit applies to the written form, with 0x */
    if (hex[0] == '0' && (hex[1] == 'x' || hex[1] == 'X'))
        hex += 2;
    return written / 2 <= VALUE_MOST && strlen(hex) % 2 == 0 &&
           strspn(hex, "0123456789abcdefABCDEF") == strlen(hex);
}

/* 1: all rows are valid, 0: not, -1: no document by the strictest rules, so no verdict. */
static int check_document(const uint8_t *data, size_t size, bool values)
{
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    int good = document == NULL ? -1 : 1;

    if (json_is_array(document))
        for (size_t i = 0; i < json_array_size(document); i++)
            good = good && is_row(json_array_get(document, i), values);
    else if (document != NULL)
        good = is_row(document, values);
    if (json_is_array(document) && json_array_size(document) == 0)
        good = 0;
    json_decref(document);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cli_rows rows;
    core_err err = {.status = ST_OK};

    if (size == 0)
        return 0;
    const bool values = data[0] % 2 == 0;
    data++;
    size--;
    const core_status st = cli_rows_read(
        file_of(data, size), values ? CLI_ROWS_VALUES : CLI_ROWS_MASTER_KEYS, &rows, &err);
    const int good = check_document(data, size, values);
    check(good < 0 || (good == 1) == (st == ST_OK));
    check((st == ST_OK) == (rows.count > 0));
    if (st != ST_OK) {
        check(st == ST_FORMAT && err.text[0] != '\0' && rows.rows == NULL);
        return 0;
    }
    for (size_t i = 0; i < rows.count; i++) {
        const cli_row *row = &rows.rows[i];
        check(row->value_len <= VALUE_MOST && (row->cek != NULL) == values);
        quoted(row->cek);
        quoted(row->cmk);
        quoted(row->provider);
        quoted(row->path);
    }
    if (values)
        written_and_read_again(&rows);
    cli_rows_free(&rows);
    return 0;
}
