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

#include "core/status.h"
#include "core/text.h"

/* KEY_PATH of a column master key is nvarchar(4000); a digest is written as hexadecimal. */
enum { CLI_PATH_UNITS = 4000, CLI_DIGEST_DIGITS = 64 };

/* One encrypted value of a column encryption key and the master key it is encrypted with; or one
 * master key, whose value is its signature (cek and algorithm are NULL then). Texts and value
 * belong to somebody else, in cli_rows to its documents and to `block`. */
typedef struct cli_row {
    const char *cek, *cmk, *provider, *path, *algorithm;
    const char *replaces; /* SHA-256 of the value that this one replaces, lower-case hexadecimal;
                             NULL where there is none */
    const uint8_t *value;
    size_t value_len;
    uint8_t *block;
    const struct cli_row *other; /* the second value of the same key, NULL; cli_rows_link */
    bool leads;                  /* it is the first of its key; cli_rows_link */
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
/* The same of text that was read; `file` names it in errors. *text is changed. */
CORE_MUST_USE core_status cli_rows_parse(const char *file, cli_row_kind kind, core_str *text,
                                         cli_rows *rows, core_err *err);
void cli_rows_free(cli_rows *rows);
/* Finds the two values of a key (`other`, `leads`). ST_FORMAT: two values under one master key, or
 * a third value. */
CORE_MUST_USE core_status cli_rows_link(const char *file, cli_rows *rows, core_err *err);
/* One object and a line end, appended. */
void cli_row_format(const cli_row *row, core_str *line);
/* The row of this column encryption key and master key, NULL where there is none. */
const cli_row *cli_rows_find(const cli_rows *rows, const char *cek, const char *cmk);
/* All of a file ("-": standard input) of 64 MiB at most. ST_IO, ST_FORMAT. */
CORE_MUST_USE core_status cli_file_read(const char *file, core_str *text, core_err *err);
/* Writes a new file, whole or not at all; ST_IO where something has the name already. */
CORE_MUST_USE core_status cli_file_write(const char *path, const core_str *text, core_err *err);

/* tsql.c: T-SQL. [name], N'text' and 0x..., with what they need doubled. */
void cli_sql_name(core_str *out, const char *name);
void cli_sql_text(core_str *out, const char *text);
void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length);
/* Writes T-SQL to a new file. One that is not all ASCII gets the byte-order mark of UTF-8, without
 * which sqlcmd and SSMS read it in the code page of their machine. */
CORE_MUST_USE core_status cli_sql_write(const char *path, const core_str *sql, core_err *err);

#endif
