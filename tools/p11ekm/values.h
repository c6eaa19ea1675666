/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that cross the gap between the two roles: encrypted column encryption keys as JSON
 * objects, in an array (what the DBA's query with FOR JSON gives) or one behind the other. The
 * format is part of p11ekm(1), FILES. Nothing in them is secret.
 */
#ifndef TOOLS_P11EKM_VALUES_H
#define TOOLS_P11EKM_VALUES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"
#include "core/text.h"

/* One encrypted value of a column encryption key, and the master key it is encrypted with. */
typedef struct cli_row {
    char *cek, *cmk, *provider, *path, *algorithm;
    uint8_t *value;
    size_t value_len;
} cli_row;

typedef struct cli_rows {
    cli_row *rows;
    size_t count, room;
} cli_rows;

/* Reads a file ("-": standard input), UTF-8 or UTF-16 with its mark. Line ends count for nothing,
 * also inside a string: sqlcmd breaks long lines anywhere. ST_IO, ST_FORMAT with the number of the
 * object. Release with cli_rows_free. */
CORE_MUST_USE core_status cli_rows_read(const char *file, cli_rows *rows, core_err *err);
void cli_rows_free(cli_rows *rows);
/* Appends one object and a line end, and sees it through to the disk. */
CORE_MUST_USE core_status cli_row_write(FILE *file, const char *name, const cli_row *row,
                                        core_err *err);
/* Whether a row of the same column encryption key and master key is there. */
bool cli_rows_have(const cli_rows *rows, const char *cek, const char *cmk);

/* T-SQL: [name], N'text' and 0x..., with what they need doubled. */
void cli_sql_name(core_str *out, const char *name);
void cli_sql_text(core_str *out, const char *text);
void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length);

#endif
