/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads check files and files of observations. See accept.h.
 */
#include "tools/accept/accept.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tools/ekmsql/base/host.h"

bool accept_lines_read(const char *path, accept_lines *out)
{
    uint8_t *data = NULL;
    size_t length = 0;
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};

    *out = (accept_lines){0};
    if (!host_file_read(path, &data, &length))
        return false;
    out->data = (char *)data;
    out->at = calloc(length + 2, sizeof *out->at);
    if (!out->at) {
        accept_lines_free(out);
        return false;
    }
    char *line = out->data;
    /* PowerShell 5.1 writes UTF-8 with a mark. */
    if (length >= sizeof mark && memcmp(data, mark, sizeof mark) == 0)
        line += sizeof mark;
    while (line && *line) {
        out->at[out->count++] = line;
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        char *last = line + strlen(line);
        if (last > line && last[-1] == '\r')
            last[-1] = '\0';
        line = end ? end + 1 : NULL;
    }
    return true;
}

void accept_lines_free(accept_lines *lines)
{
    free(lines->data);
    free(lines->at);
    *lines = (accept_lines){0};
}

const char *accept_check_value(const accept_check *check, const char *key, size_t index)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < check->lines.count && strncmp(check->lines.at[i], "--", 2) == 0; i++) {
        const char *line = check->lines.at[i] + 2;
        line += strspn(line, " ");
        if (strncmp(line, key, length) != 0 || strncmp(line + length, ": ", 2) != 0)
            continue;
        if (index == 0)
            return line + length + 2;
        index--;
    }
    return NULL;
}

bool accept_check_read(const char *path, accept_check *out)
{
    *out = (accept_check){0};
    if (!accept_lines_read(path, &out->lines))
        return false;
    out->id = accept_check_value(out, "id", 0);
    out->title = accept_check_value(out, "title", 0);
    out->settles = accept_check_value(out, "settles", 0);
    out->runs = accept_check_value(out, "runs", 0);
    out->otherwise = accept_check_value(out, "otherwise", 0);
    bool complete = out->id && out->title && out->settles && out->runs && out->otherwise;
    if (!complete)
        accept_check_free(out);
    return complete;
}

void accept_check_free(accept_check *check)
{
    accept_lines_free(&check->lines);
    *check = (accept_check){0};
}
