/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm cmk rotate: wraps the encrypted values of an export with a new master key, inside the
 * token. The administrator names both keys; the export only says which values there are. The new
 * values are written in the order of the export, so that an interrupted run can be resumed. When
 * all are written, the T-SQL is written: ADD VALUE to run now, DROP VALUE to run when every
 * client reads with the new key. The old values stay valid until then.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/rotate.h"

#include <stdio.h>
#include <string.h>

#include "cmk/name.h"
#include "core/platform.h"

const cli_option cli_cmk_rotate_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--from", "KEY", true, "name or key path of the old master key on the token"},
    {"--to", "KEY", true, "name or key path of the new master key on the token"},
    {"--to-cmk", "NAME", true, "name of the new column master key in the database"},
    {"--from-cmk", "NAME", false, "take the values of this column master key only"},
    {"--output", "FILE", true,
     "new file for the new values, or an unfinished one of this rotation"},
    {"--add", "FILE", true, "new file for the T-SQL that adds the new values"},
    {"--drop", "FILE", true, "new file for the T-SQL that later drops the old values"},
    {"--jobs", "N", false, "rewrap so many values at a time, 1 to 64; default: 1"},
    {"--software", NULL, false, "unwrap and wrap in this machine's memory, not in the token"},
    CLI_END_OPTIONS,
};

/* Checks the names, which are used in T-SQL, and that the new files do not exist, before the
 * token is used. */
static core_status check_options(cli_rotation *r, core_err *err)
{
    cli_call *call = r->call;
    const char *add = cli_value(call, "--add"), *drop = cli_value(call, "--drop");
    r->file = cli_value(call, "--output");
    r->new_cmk = cli_value(call, "--to-cmk");
    r->old_cmk = cli_value(call, "--from-cmk");
    core_status st = cli_rotation_jobs(r, err);
    if (st == ST_OK) {
        st = cli_name_check(call, "--to-cmk", r->new_cmk, err);
    }
    if (st == ST_OK && r->old_cmk != NULL) {
        st = cli_name_check(call, "--from-cmk", r->old_cmk, err);
    }
    if (st == ST_OK &&
        (strcmp(add, drop) == 0 || strcmp(add, r->file) == 0 || strcmp(drop, r->file) == 0)) {
        st = cli_usage(call, err, "--output, --add and --drop name one file twice");
    }
    if (st == ST_OK) {
        st = core_file_absent(add, err);
    }
    return st == ST_OK ? core_file_absent(drop, err) : st;
}

/* Adds a row to the chosen ones, which must all have the same master key. */
static core_status choose_row(cli_rotation *r, size_t i, core_err *err)
{
    const cli_row *row = &r->old.rows[i];
    const cli_row *first = r->chosen_count == 0 ? row : &r->old.rows[r->chosen[0]];
    if (strcmp(row->cmk, first->cmk) != 0) {
        return core_fail(err, ST_KEY_AMBIGUOUS,
                         "the export has values of \"%s\" and \"%s\"; give --from-cmk", first->cmk,
                         row->cmk);
    }
    if (strcmp(row->path, first->path) != 0 || strcmp(row->provider, first->provider) != 0) {
        return core_fail(err, ST_FORMAT,
                         "the export has two key paths of \"%s\", %.100s and %.100s; take one "
                         "database at a time",
                         row->cmk, first->path, row->path);
    }
    if (row->other != NULL) {
        return core_fail(
            err, ST_FORMAT,
            "column encryption key \"%s\" has values of \"%s\" and \"%s\", and can have "
            "two only; end the rotation that is under way first (DROP VALUE)",
            row->cek, row->cmk, row->other->cmk);
    }
    r->chosen[r->chosen_count++] = i;
    return ST_OK;
}

/* Chooses the rows: those of --from-cmk, or all rows if they have one master key. */
static core_status choose(cli_rotation *r, core_err *err)
{
    core_status st = cli_rows_link(r->call->operands[0], &r->old, err);
    r->chosen = core_calloc(r->old.count, sizeof *r->chosen);
    if (st == ST_OK && r->chosen == NULL) {
        st = ST_NO_MEMORY;
    }
    for (size_t i = 0; st == ST_OK && i < r->old.count; i++) {
        if (r->old_cmk == NULL || strcmp(r->old.rows[i].cmk, r->old_cmk) == 0) {
            st = choose_row(r, i, err);
        }
    }
    if (st == ST_OK && r->chosen_count == 0) {
        st = core_fail(err, ST_FORMAT, "the export has no value of \"%s\"; correct --from-cmk",
                       r->old_cmk);
    }
    if (st != ST_OK) {
        return st;
    }
    r->old_cmk = r->old.rows[r->chosen[0]].cmk;
    return strcmp(r->old_cmk, r->new_cmk) != 0
               ? ST_OK
               : cli_usage(r->call, err, "--to-cmk is the column master key of the old values");
}

/* Finds both keys as they are on the token now. */
static core_status find_keys(cli_rotation *r, core_err *err)
{
    const tok_token *token = r->store.session.token;
    core_status st = cli_key_path(r->call, token, cli_value(r->call, "--from"), &r->from, err);
    if (st == ST_OK) {
        st = cli_key_path(r->call, token, cli_value(r->call, "--to"), &r->to, err);
    }
    if (st == ST_OK) {
        st = cmk_describe_key(r->store.store, core_str_get(&r->from), &r->from_key, err);
    }
    if (st == ST_OK) {
        st = cmk_describe_key(r->store.store, core_str_get(&r->to), &r->to_key, err);
    }
    if (st == ST_OK && memcmp(r->from_key.thumb, r->to_key.thumb, TOK_THUMB_LEN) == 0) {
        st = cli_usage(r->call, err, "--from and --to are the same key");
    }
    return st;
}

static void add_statements(const cli_rotation *r, const cli_row *row, core_str *add, core_str *drop)
{
    core_str_add(add, "ALTER COLUMN ENCRYPTION KEY ");
    cli_sql_name(add, row->cek);
    core_str_add(add, " ADD VALUE\n(COLUMN_MASTER_KEY = ");
    cli_sql_name(add, row->cmk);
    core_str_add(add, ", ALGORITHM = N'" CMK_ALGORITHM "', ENCRYPTED_VALUE = ");
    cli_sql_binary(add, row->value, row->value_len);
    core_str_add(add, ");\n");
    core_str_add(drop, "ALTER COLUMN ENCRYPTION KEY ");
    cli_sql_name(drop, row->cek);
    core_str_add(drop, " DROP VALUE (COLUMN_MASTER_KEY = ");
    cli_sql_name(drop, r->old_cmk);
    core_str_add(drop, ");\n");
}

/* Makes the T-SQL from the file as it is now on the disk, verified again: the T-SQL drops old
 * values, so it must not contain a value that cannot be decrypted. */
static core_status write_sql(cli_rotation *r, core_err *err)
{
    cli_rows made = {0};
    core_str add = {.limit = (size_t)64 << 20}, drop = {.limit = (size_t)64 << 20};
    core_status st = cli_rows_read(r->file, CLI_ROWS_VALUES, &made, err);
    if (st == ST_OK) {
        st = cli_rotation_prove(r, &made, err);
    }
    if (st == ST_OK && made.count != r->chosen_count) {
        st = core_fail(err, ST_FORMAT,
                       "%s: it has %zu of %zu values: another program cut it off; run this again",
                       r->file, made.count, r->chosen_count);
    }
    core_str_add(&drop, "-- Run this only when every client reads with the new column master key.\n"
                        "-- Then nothing needs the old one any more, except old backups.\n");
    for (size_t i = 0; st == ST_OK && i < made.count; i++) {
        add_statements(r, &made.rows[i], &add, &drop);
    }
    if (st == ST_OK) {
        st = cli_sql_write(cli_value(r->call, "--add"), &add, err);
    }
    if (st == ST_OK) {
        st = cli_sql_write(cli_value(r->call, "--drop"), &drop, err);
        if (st != ST_OK) {
            (void)remove(cli_value(r->call, "--add")); /* it would stop the next run */
        }
    }
    core_str_free(&add);
    core_str_free(&drop);
    cli_rows_free(&made);
    return st;
}

static json_t *key_document(const tok_key_info *key, const char *path)
{
    return json_pack("{s:o,s:o,s:o}", "name", cli_json_text(key->name), "thumbprint",
                     cli_json_hex(key->thumb, TOK_THUMB_LEN), "path", cli_json_text(path));
}

static void add_key(cli_call *call, const char *word, const tok_key_info *key, const char *path)
{
    char thumb[2 * TOK_THUMB_LEN + 1];
    core_hex(key->thumb, TOK_THUMB_LEN, thumb);
    core_str_addf(&call->text, "%-4s \"%s\", thumbprint %s\n     %s\n", word,
                  cli_show(key->name).text, thumb, path);
}

static void report(cli_rotation *r)
{
    cli_call *call = r->call;
    const char *from = core_str_get(&r->from), *to = core_str_get(&r->to);
    if (call->json) {
        call->doc = json_pack("{s:o,s:o,s:I,s:I}", "from", key_document(&r->from_key, from), "to",
                              key_document(&r->to_key, to), "rewrapped", (json_int_t)r->fresh,
                              "resumed", (json_int_t)r->done.count);
        return;
    }
    add_key(call, "from", &r->from_key, from);
    add_key(call, "to", &r->to_key, to);
    core_str_addf(&call->text, "%zu values rewrapped, %zu were done before\n", r->fresh,
                  r->done.count);
}

core_status cli_cmk_rotate(cli_call *call, core_err *err)
{
    cli_rotation r = {.call = call, .lock = CORE_NO_LOCK_FILE};
    core_status st = check_options(&r, err);
    if (st == ST_OK) {
        st = cli_rows_read(call->operands[0], CLI_ROWS_VALUES, &r.old, err);
    }
    if (st == ST_OK) {
        st = choose(&r, err);
    }
    if (st == ST_OK) {
        st = cli_store_open(call, &r.store, err);
    }
    if (st == ST_OK) {
        st = find_keys(&r, err);
    }
    if (st == ST_OK) {
        st = cli_rotation_lock(&r, err);
    }
    if (st == ST_OK) {
        st = cli_rotation_resume(&r, err);
    }
    if (st == ST_OK) {
        st = cli_rotation_rewrap(&r, err);
    }
    if (st == ST_OK) {
        st = write_sql(&r, err);
    }
    if (st == ST_OK) {
        report(&r);
    }
    if (r.output != NULL) {
        (void)fclose(r.output);
    }
    cli_rotation_unlock(&r);
    cli_rows_free(&r.old);
    cli_rows_free(&r.done);
    core_free(r.chosen);
    core_str_free(&r.from);
    core_str_free(&r.to);
    cli_store_close(&r.store);
    return st;
}
