/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that cross the gap between the two roles: encrypted column encryption keys as JSON
 * objects, in an array (what the DBA's query with FOR JSON gives) or one behind the other. The
 * format is part of p11ekm(1), FILES. Nothing in them is secret.
 */
#ifndef TOOLS_P11EKM_VALUES_H
#define TOOLS_P11EKM_VALUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"
#include "core/text.h"

/* One encrypted value of a column encryption key and the master key it is encrypted with; or one
 * master key, whose value is its signature (cek and algorithm are NULL then). Texts and value
 * belong to somebody else, in cli_rows to its documents and to `block`. */
typedef struct cli_row {
    const char *cek, *cmk, *provider, *path, *algorithm;
    const uint8_t *value;
    size_t value_len;
    uint8_t *block;
} cli_row;

typedef enum cli_row_kind { CLI_ROWS_VALUES, CLI_ROWS_MASTER_KEYS } cli_row_kind;

typedef struct cli_rows {
    cli_row *rows;
    size_t count, room;
    json_t *documents; /* the rows' texts are in here */
} cli_rows;

/* Reads a file ("-": standard input), UTF-8 or UTF-16 with its mark. Line ends count for nothing,
 * also inside a string: sqlcmd breaks long lines anywhere. ST_IO, ST_FORMAT with the number of the
 * object. Release with cli_rows_free. */
CORE_MUST_USE core_status cli_rows_read(const char *file, cli_row_kind kind, cli_rows *rows,
                                        core_err *err);
void cli_rows_free(cli_rows *rows);
/* One object and a line end. And the same, written to a file at once. */
void cli_row_format(const cli_row *row, core_str *line);
CORE_MUST_USE core_status cli_row_write(FILE *file, const char *name, const cli_row *row,
                                        core_err *err);
/* The row of this column encryption key and master key, NULL where there is none. */
const cli_row *cli_rows_find(const cli_rows *rows, const char *cek, const char *cmk);
/* Writes a new file; ST_IO where it is there already. */
CORE_MUST_USE core_status cli_file_write(const char *path, const core_str *text, core_err *err);

/* Cuts a last line without its end off; *empty: nothing is left, or there is no such file. */
CORE_MUST_USE core_status cli_file_mend(const char *path, bool *empty, core_err *err);

/* T-SQL: [name], N'text' and 0x..., with what they need doubled. */
void cli_sql_name(core_str *out, const char *name);
void cli_sql_text(core_str *out, const char *text);
void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length);

#endif
