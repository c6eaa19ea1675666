/* SPDX-License-Identifier: Apache-2.0
 *
 * The output of cmk rotate: see rotate.h. An existing file is read and verified before anything
 * is written to it. It is written through the descriptor that was opened first, so that the file
 * cannot be exchanged in between.
 */
#include "tools/p11ekm/rotate.h"

#include <string.h>

#include "cmk/name.h"
#include "core/crypto.h"
#include "core/platform.h"

core_status cli_rotation_row(const cli_rotation *r, const cli_row *old, const uint8_t *value,
                             size_t length, char *digest, cli_row *row)
{
    uint8_t hash[CLI_DIGEST_DIGITS / 2];
    core_status st = core_sha256(old->value, old->value_len, NULL, 0, NULL, 0, hash);
    if (st != ST_OK) {
        return st;
    }
    core_hex(hash, sizeof hash, digest);
    *row = (cli_row){.cek = old->cek,
                     .cmk = r->new_cmk,
                     .provider = CMK_PROVIDER_NAME,
                     .path = core_str_get(&r->to),
                     .algorithm = CMK_ALGORITHM,
                     .replaces = digest,
                     .value = value,
                     .value_len = length};
    return ST_OK;
}

static core_status refuse(const cli_rotation *r, const char *why, core_err *err)
{
    return core_fail(err, ST_FORMAT,
                     "%s: it is not the output of this rotation, and is left as it is: %s; name a "
                     "new file by --output",
                     r->file, why);
}

/* Row `i` of the output must be equal to the row that this rotation would write, except for the
 * value. */
static core_status prove_row(const cli_rotation *r, const cli_row *row, size_t i, core_err *err)
{
    char digest[CLI_DIGEST_DIGITS + 1], why[256];
    cli_row wanted;
    if (i >= r->chosen_count) {
        return refuse(r, "it has more values than the export", err);
    }
    const cli_row *old = &r->old.rows[r->chosen[i]];
    core_status st = cli_rotation_row(r, old, NULL, 0, digest, &wanted);
    if (st != ST_OK) {
        return st;
    }
    const bool same = row->replaces != NULL && strcmp(row->replaces, digest) == 0;
    if (strcmp(row->cek, wanted.cek) == 0 && strcmp(row->cmk, wanted.cmk) == 0 &&
        strcmp(row->path, wanted.path) == 0 && strcmp(row->provider, wanted.provider) == 0 &&
        strcmp(row->algorithm, wanted.algorithm) == 0 && same) {
        return ST_OK;
    }
    (void)snprintf(why, sizeof why, "line %zu, \"%.128s\", %s", i + 1, row->cek,
                   same ? "has another name, key or path" : "does not replace this export's value");
    return refuse(r, why, err);
}

/* A key path contains a name, which may have been given to another key since the value was made:
 * the key that has the name now must have signed the value. */
static core_status prove_value(const cli_rotation *r, const cli_row *row, size_t i, core_err *err)
{
    char why[512];
    core_err cause = {0};
    const core_status st = cmk_verify_cek(r->store.store, core_str_get(&r->to), row->algorithm,
                                          row->value, row->value_len, &cause);
    if (st == ST_FORMAT || st == ST_SIGNATURE_INVALID) {
        (void)snprintf(
            why, sizeof why,
            "line %zu, \"%.128s\", has a value that key \"%.128s\" did not sign: the key "
            "was made again since, or the value was changed",
            i + 1, row->cek, r->to_key.name);
        return refuse(r, why, err);
    }
    return st == ST_OK ? st
                       : core_fail(err, st, "%s: line %zu, \"%.128s\": %s", r->file, i + 1,
                                   row->cek, core_err_text(&cause, st));
}

core_status cli_rotation_prove(const cli_rotation *r, const cli_rows *rows, core_err *err)
{
    core_status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < rows->count; i++) {
        st = prove_row(r, &rows->rows[i], i, err);
    }
    for (size_t i = 0; st == ST_OK && i < rows->count; i++) {
        st = prove_value(r, &rows->rows[i], i, err);
    }
    return st;
}

/* Every complete line must give the same bytes when it is parsed and formatted again, and must
 * be verified. */
static core_status prove_lines(cli_rotation *r, const char *text, size_t length, core_err *err)
{
    core_str copy = {.limit = length + 1}, again = {.limit = length + 1};
    core_err why = {0};
    core_str_addn(&copy, text, length);
    core_status st = copy.failed ? ST_NO_MEMORY
                                 : cli_rows_parse(r->file, CLI_ROWS_VALUES, &copy, &r->done, &why);
    if (st != ST_OK && st != ST_NO_MEMORY) {
        st = refuse(r, "it holds something else", err);
    }
    for (size_t i = 0; st == ST_OK && i < r->done.count; i++) {
        cli_row_format(&r->done.rows[i], &again);
    }
    if (st == ST_OK && (again.failed || again.length != length ||
                        memcmp(core_str_get(&again), text, length) != 0)) {
        st = refuse(r, "it holds something else", err);
    }
    if (st == ST_OK) {
        st = cli_rotation_prove(r, &r->done, err);
    }
    core_str_free(&copy);
    core_str_free(&again);
    return st;
}

/* An incomplete last line must be the beginning of the next row. The rest of its value is not
 * known, but it must be hexadecimal. */
static core_status prove_tail(const cli_rotation *r, const char *tail, core_err *err)
{
    char digest[CLI_DIGEST_DIGITS + 1];
    core_str line = {0};
    cli_row row;
    const size_t next = r->done.count, length = strlen(tail);
    core_status st = ST_FORMAT;
    if (next < r->chosen_count) {
        st = cli_rotation_row(r, &r->old.rows[r->chosen[next]], NULL, 0, digest, &row);
        cli_row_format(&row, &line);
        st = st == ST_OK && line.failed ? ST_NO_MEMORY : st;
    }
    if (st == ST_OK) {
        const size_t head = line.length - strlen("\"}\n");
        const char *rest = length > head ? tail + head : "";
        const char *end = rest + strspn(rest, "0123456789abcdef");
        if (strncmp(tail, core_str_get(&line), length < head ? length : head) != 0 ||
            strncmp("\"}\n", end, strlen(end)) != 0) {
            st = ST_FORMAT;
        }
    }
    core_str_free(&line);
    return st == ST_FORMAT ? refuse(r, "its last line is cut off, and none of this rotation", err)
                           : st;
}

static core_status prove(cli_rotation *r, core_str *text, core_err *err)
{
    const char *end = text->text == NULL ? NULL : strrchr(text->text, '\n');
    if (end == NULL || strlen(text->text) != text->length) {
        return refuse(r, text->length == 0 ? "it is empty" : "it holds something else", err);
    }
    const size_t whole = (size_t)(end - text->text) + 1;
    core_status st = prove_lines(r, text->text, whole, err);
    if (st == ST_OK && whole < text->length) {
        st = prove_tail(r, text->text + whole, err);
    }
    if (st == ST_OK && core_file_moved(r->output, r->file)) {
        st = refuse(r, "another file has its name now", err);
    }
    if (st == ST_OK && whole < text->length) {
        /* Write the verified lines without the incomplete one to a new file, and append to that
         * file. */
        (void)fclose(r->output);
        r->output = NULL;
        st = core_file_replace(r->file, text->text, whole, err);
        r->output = st == ST_OK ? core_file_append(r->file, err) : NULL;
        st = st == ST_OK && r->output == NULL ? ST_IO : st;
    }
    return st;
}

/* The lock is on a separate file, because on Windows other processes cannot read a locked file.
 * A lock on a file that was removed since does not count: the run that removed it has just
 * ended. Never remove a file that this process has not locked: it may belong to another run. An
 * empty lock file that is left over is locked and removed by the next run. */
core_status cli_rotation_lock(cli_rotation *r, core_err *err)
{
    core_str_addf(&r->lock_path, "%s.lock", r->file);
    if (r->lock_path.failed) {
        return core_fail(err, ST_NO_MEMORY, "out of memory for the name of a lock file");
    }
    const char *path = core_str_get(&r->lock_path);
    core_status st = core_lock_file_open(path, &r->lock, err);
    if (st == ST_OK && (!core_lock_file_try(r->lock) || core_lock_file_moved(r->lock, path))) {
        core_lock_file_close(r->lock);
        r->lock = CORE_NO_LOCK_FILE;
        st = core_fail(err, ST_IO,
                       "%s: cannot be locked: another run may be writing it; wait until that ends, "
                       "or name another file by --output",
                       r->file);
    }
    return st;
}

void cli_rotation_unlock(cli_rotation *r)
{
    if (r->lock != CORE_NO_LOCK_FILE) {
        (void)remove(core_str_get(
            &r->lock_path)); /* remove it while the lock is held: no other run can have it */
    }
    core_lock_file_close(r->lock);
    r->lock = CORE_NO_LOCK_FILE;
    core_str_free(&r->lock_path);
}

core_status cli_rotation_resume(cli_rotation *r, core_err *err)
{
    core_str text = {0};
    bool there = false;
    core_status st = core_file_look(r->file, &there, err);
    if (st != ST_OK || !there) {
        return st;
    }
    core_err why = {0};
    r->output = core_file_append(r->file, &why);
    if (r->output == NULL) {
        return core_fail(err, why.status, "%s", why.text);
    }
    st = cli_file_read(r->file, &text, err);
    if (st == ST_OK) {
        st = prove(r, &text, err);
    }
    core_str_free(&text);
    return st;
}

core_status cli_rotation_write(cli_rotation *r, const cli_row *row, core_err *err)
{
    core_str line = {0};
    core_status st = ST_OK;
    cli_row_format(row, &line);
    if (line.failed) {
        st = ST_NO_MEMORY;
    } else if (r->output != NULL) {
        st = fwrite(core_str_get(&line), line.length, 1, r->output) == 1
                 ? ST_OK
                 : core_fail(err, ST_IO, "%s: cannot be written; make room", r->file);
    } else {
        core_err why = {0};
        st = core_file_create(r->file, core_str_get(&line), line.length, err);
        if (st == ST_OK) {
            r->output = core_file_append(r->file, &why);
            st = r->output == NULL ? core_fail(err, why.status, "%s", why.text) : ST_OK;
        }
    }
    core_str_free(&line);
    return st;
}

core_status cli_rotation_close(cli_rotation *r, core_err *err)
{
    FILE *file = r->output;
    r->output = NULL;
    return file == NULL || fclose(file) == 0
               ? ST_OK
               : core_fail(err, ST_IO, "%s: cannot be written; make room", r->file);
}
