/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that are exchanged between the two roles: encrypted column encryption keys as JSON
 * objects, in an array (the result of the query of the DBA with FOR JSON) or one after the other.
 * The format is described in p11ekm(1), FILES. The files contain no secret.
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
 * master key, with its signature as value (cek and algorithm are NULL then). A row does not own
 * its texts and value; those of cli_rows belong to its documents and to `block`. */
typedef struct cli_row {
    const char *cek, *cmk, *provider, *path, *algorithm;
    const char *replaces; /* SHA-256 of the value that this one replaces, lower-case hexadecimal;
                             NULL if there is none */
    const uint8_t *value;
    size_t value_len;
    uint8_t *block;
    const struct cli_row
        *other; /* the second value of the same key, or NULL; set by cli_rows_link */
    bool leads; /* it is the first value of its key; set by cli_rows_link */
} cli_row;

typedef enum cli_row_kind { CLI_ROWS_VALUES, CLI_ROWS_MASTER_KEYS } cli_row_kind;

typedef struct cli_rows {
    cli_row *rows;
    size_t count, capacity;
    json_t *documents; /* holds the texts of the rows */
} cli_rows;

/* Reads a file ("-": standard input) of UTF-8, or of UTF-16 with its mark. Ignores line ends,
 * also inside a string: sqlcmd breaks long lines anywhere. ST_IO; ST_FORMAT with the number of
 * the object. Release with cli_rows_free. */
CORE_MUST_USE core_status cli_rows_read(const char *file, cli_row_kind kind, cli_rows *rows,
                                        core_err *err);
/* The same for text in memory; `file` names it in errors. Changes *text. */
CORE_MUST_USE core_status cli_rows_parse(const char *file, cli_row_kind kind, core_str *text,
                                         cli_rows *rows, core_err *err);
void cli_rows_free(cli_rows *rows);
/* Links the two values of each key (`other`, `leads`). ST_FORMAT: two values with one master
 * key, or a third value. */
CORE_MUST_USE core_status cli_rows_link(const char *file, cli_rows *rows, core_err *err);
/* Appends one object and a line end. */
void cli_row_format(const cli_row *row, core_str *line);
/* The row of this column encryption key and master key, or NULL. */
const cli_row *cli_rows_find(const cli_rows *rows, const char *cek, const char *cmk);
/* Reads a whole file ("-": standard input) of at most 64 MiB. ST_IO, ST_FORMAT. */
CORE_MUST_USE core_status cli_file_read(const char *file, core_str *text, core_err *err);
/* Writes a new file, completely or not at all. ST_IO if the name exists already. */
CORE_MUST_USE core_status cli_file_write(const char *path, const core_str *text, core_err *err);

/* tsql.c: append [name], N'text' and 0x... as T-SQL, with ] and ' doubled. */
void cli_sql_name(core_str *out, const char *name);
void cli_sql_text(core_str *out, const char *text);
void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length);
/* Writes T-SQL to a new file. If it is not all ASCII, the file begins with the byte-order mark
 * of UTF-8; without it sqlcmd and SSMS read it in the code page of their machine. */
CORE_MUST_USE core_status cli_sql_write(const char *path, const core_str *sql, core_err *err);

#endif
