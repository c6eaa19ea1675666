/* SPDX-License-Identifier: Apache-2.0
 *
 * A rotation of a column master key: verb_rotate.c runs it, rotate_jobs.c makes the new values
 * and rotate_output.c writes them.
 *
 * The output has one line for each value, in the order of the export. Each line has the SHA-256
 * digest of the value that it replaces ("replaces"). An existing file is resumed only if every
 * byte of it belongs to such a line of this rotation, and the new key, as it is now, signed each
 * value.
 */
#ifndef TOOLS_P11EKM_ROTATE_H
#define TOOLS_P11EKM_ROTATE_H

#include <stdio.h>

#include "tools/p11ekm/cmk_ops.h"

typedef struct cli_rotation {
    cli_call *call;
    cli_store store;
    core_str from, to; /* key paths */
    tok_key_info from_key, to_key;
    cli_rows old;   /* the export */
    cli_rows done;  /* the values that --output already has */
    size_t *chosen; /* rows of the export that are rotated, in its order */
    size_t chosen_count;
    const char *old_cmk, *new_cmk;
    const char *file;   /* --output */
    core_str lock_path; /* FILE.lock */
    intptr_t lock;      /* that file, locked; CORE_NO_LOCK_FILE: not open */
    FILE *output;       /* open for appending; NULL before the first line of a new file */
    size_t fresh;       /* values made in this run */
    unsigned jobs;      /* values made at a time */
} cli_rotation;

/* Fills *row with the row of the output that replaces `old` by this value (NULL, 0: none yet).
 * `digest` is a buffer of CLI_DIGEST_DIGITS + 1 bytes, and belongs to the row. */
CORE_MUST_USE core_status cli_rotation_row(const cli_rotation *r, const cli_row *old,
                                           const uint8_t *value, size_t length, char *digest,
                                           cli_row *row);
/* Locks --output against other runs until cli_rotation_unlock, which accepts any r. ST_IO if
 * another run holds the lock. */
CORE_MUST_USE core_status cli_rotation_lock(cli_rotation *r, core_err *err);
void cli_rotation_unlock(cli_rotation *r);
/* Verifies that --output is a new file, or an incomplete output of this rotation. Fills r->done
 * with the first r->done.count of r->chosen. Does not change the file. ST_IO, ST_FORMAT,
 * ST_UNSAFE_FILE. */
CORE_MUST_USE core_status cli_rotation_resume(cli_rotation *r, core_err *err);
/* Verifies that these rows are the first rows of the output of this rotation: they replace the
 * right values, and the new key, as it is now, signed them. Calls the token. ST_FORMAT, ... */
CORE_MUST_USE core_status cli_rotation_prove(const cli_rotation *r, const cli_rows *rows,
                                             core_err *err);
/* Writes one line. After a failure the file may end in an incomplete line, which the next run
 * removes. */
CORE_MUST_USE core_status cli_rotation_write(cli_rotation *r, const cli_row *row, core_err *err);
CORE_MUST_USE core_status cli_rotation_close(cli_rotation *r, core_err *err);

/* rotate_jobs.c: sets r->jobs from --jobs. Fails as cli_usage() unless it is a number from 1 to
 * 64. */
CORE_MUST_USE core_status cli_rotation_jobs(cli_rotation *r, core_err *err);
/* Makes and writes the values that r->done lacks, r->jobs at a time, or fewer (with a line on
 * stderr) if the token has fewer sessions. Closes --output. All threads have ended when it
 * returns. Returns the failure of the first row that failed; all rows before it are written. */
CORE_MUST_USE core_status cli_rotation_rewrap(cli_rotation *r, core_err *err);

#endif
