/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm cmk rotate: wraps the encrypted values of an export with a new master key, inside the
 * token. Each new value is written down before the next is begun, so that a run that was cut short
 * goes on where it stopped. Only when all are there the T-SQL is written: ADD VALUE for now, DROP
 * VALUE for when every client reads with the new key. The old values stay valid until then.
 */
#include "tools/p11ekm/cmk_ops.h"

#include <stdio.h>
#include <string.h>

#include "cmk/name.h"
#include "core/platform.h"

const cli_option cli_cmk_rotate_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--to", "KEY", true, "name or key path of the new master key on the token"},
    {"--to-cmk", "NAME", true, "name of the new column master key in the database"},
    {"--from", "KEY", false, "the old key on the token (default: the key path of the export)"},
    {"--from-cmk", "NAME", false, "take the values of this column master key only"},
    {"--output", "FILE", true, "the new encrypted values; an unfinished file is gone on with"},
    {"--add", "FILE", true, "new file for the T-SQL that adds the new values"},
    {"--drop", "FILE", true, "new file for the T-SQL that later drops the old values"},
    {"--software", NULL, false, "unwrap and wrap in this machine's memory, not in the token"},
    CLI_END_OPTIONS,
};

typedef struct rotation {
    cli_call *call;
    cli_store store;
    core_str from, to;  /* key paths */
    cli_rows old, done; /* the export; what --output has already */
    const char *old_cmk, *new_cmk;
    FILE *output;
    size_t fresh; /* values made in this run */
} rotation;

/* Which rows are meant: those of --from-cmk, or all where they have one master key. */
static core_status choose(rotation *r, core_err *err)
{
    r->old_cmk = cli_value(r->call, "--from-cmk");
    r->new_cmk = cli_value(r->call, "--to-cmk");
    const cli_row *first = NULL;
    for (size_t i = 0; i < r->old.count; i++) {
        const cli_row *row = &r->old.rows[i];
        if (r->old_cmk != NULL && strcmp(row->cmk, r->old_cmk) != 0) {
            continue;
        }
        first = first == NULL ? row : first;
        if (strcmp(row->cmk, first->cmk) != 0) {
            return core_fail(err, ST_KEY_AMBIGUOUS,
                             "the export has values of \"%s\" and \"%s\"; give --from-cmk",
                             first->cmk, row->cmk);
        }
    }
    if (first == NULL) {
        return core_fail(err, ST_NOT_FOUND, "the export has no value of \"%s\"", r->old_cmk);
    }
    r->old_cmk = first->cmk;
    if (strcmp(r->old_cmk, r->new_cmk) == 0) {
        return cli_usage(r->call, err, "--to-cmk is the column master key of the old values");
    }
    const char *from = cli_value(r->call, "--from");
    if (from == NULL && strcmp(first->provider, CMK_PROVIDER_NAME) != 0) {
        return core_fail(err, ST_FORMAT,
                         "the export is of key store %s, whose path \"%s\" says nothing here; name "
                         "the key on the token by --from",
                         first->provider, first->path);
    }
    core_status st =
        cli_key_path(r->store.session.token, from == NULL ? first->path : from, &r->from);
    return st == ST_OK ? cli_key_path(r->store.session.token, cli_value(r->call, "--to"), &r->to)
                       : st;
}

/* What an earlier run left: its last line may have been cut off, and all of it must be of this
 * rotation. */
static core_status resume(rotation *r, core_err *err)
{
    const char *file = cli_value(r->call, "--output");
    bool empty = true;
    core_status st = cli_file_mend(file, &empty, err);
    if (st != ST_OK || empty) {
        return st;
    }
    st = cli_rows_read(file, CLI_ROWS_VALUES, &r->done, err);
    for (size_t i = 0; st == ST_OK && i < r->done.count; i++) {
        const cli_row *row = &r->done.rows[i];
        if (strcmp(row->cmk, r->new_cmk) != 0 || strcmp(row->path, core_str_get(&r->to)) != 0 ||
            cli_rows_find(&r->old, row->cek, r->old_cmk) == NULL) {
            st = core_fail(err, ST_FORMAT,
                           "%s: it has values of another rotation; take another file", file);
        }
    }
    return st;
}

static core_status rewrap_row(rotation *r, const cli_row *row, core_err *err)
{
    uint8_t ecek[CLI_ECEK_MAX];
    size_t length = sizeof ecek;
    core_err why = {0};
    cmk_where where =
        cli_value(r->call, "--software") == NULL ? CMK_IN_TOKEN : CMK_SOFTWARE_ALLOWED;
    core_status st =
        cmk_rewrap_cek(r->store.store, core_str_get(&r->from), core_str_get(&r->to), row->algorithm,
                       row->value, row->value_len, where, ecek, &length, &why);
    if (st != ST_OK) {
        return core_fail(err, st, "column encryption key \"%s\": %s", row->cek,
                         why.text[0] == '\0' ? core_status_text(st) : why.text);
    }
    const cli_row fresh = {.cek = row->cek,
                           .cmk = r->new_cmk,
                           .provider = CMK_PROVIDER_NAME,
                           .path = core_str_get(&r->to),
                           .algorithm = CMK_ALGORITHM,
                           .value = ecek,
                           .value_len = length};
    st = cli_row_write(r->output, cli_value(r->call, "--output"), &fresh, err);
    r->fresh += st == ST_OK ? 1 : 0;
    return st;
}

static core_status rewrap_all(rotation *r, core_err *err)
{
    uint64_t told = core_now_us();
    r->output = core_file_append(cli_value(r->call, "--output"), err);
    core_status st = r->output == NULL ? ST_IO : ST_OK;
    for (size_t i = 0; st == ST_OK && i < r->old.count; i++) {
        const cli_row *row = &r->old.rows[i];
        if (strcmp(row->cmk, r->old_cmk) == 0 &&
            cli_rows_find(&r->done, row->cek, r->new_cmk) == NULL) {
            st = rewrap_row(r, row, err);
        }
        cli_progress(&told, i + 1, r->old.count);
    }
    if (r->output != NULL && fclose(r->output) != 0 && st == ST_OK) {
        st = core_fail(err, ST_IO, "%s: cannot be written; make room",
                       cli_value(r->call, "--output"));
    }
    r->output = NULL;
    return st;
}

/* From the file as it is now on the disk: what is not there is not in the T-SQL. */
static core_status write_sql(rotation *r, core_err *err)
{
    cli_rows made = {0};
    core_str add = {.limit = (size_t)64 << 20}, drop = {.limit = (size_t)64 << 20};
    core_status st = cli_rows_read(cli_value(r->call, "--output"), CLI_ROWS_VALUES, &made, err);
    core_str_add(&drop, "-- Run this only when every client reads with the new column master key.\n"
                        "-- Then nothing needs the old one any more, except old backups.\n");
    for (size_t i = 0; st == ST_OK && i < made.count; i++) {
        const cli_row *row = &made.rows[i];
        core_str_add(&add, "ALTER COLUMN ENCRYPTION KEY ");
        cli_sql_name(&add, row->cek);
        core_str_add(&add, " ADD VALUE\n(COLUMN_MASTER_KEY = ");
        cli_sql_name(&add, row->cmk);
        core_str_add(&add, ", ALGORITHM = N'" CMK_ALGORITHM "', ENCRYPTED_VALUE = ");
        cli_sql_binary(&add, row->value, row->value_len);
        core_str_add(&add, ");\n");
        core_str_add(&drop, "ALTER COLUMN ENCRYPTION KEY ");
        cli_sql_name(&drop, row->cek);
        core_str_add(&drop, " DROP VALUE (COLUMN_MASTER_KEY = ");
        cli_sql_name(&drop, r->old_cmk);
        core_str_add(&drop, ");\n");
    }
    if (st == ST_OK) {
        st = cli_file_write(cli_value(r->call, "--add"), &add, err);
    }
    if (st == ST_OK) {
        st = cli_file_write(cli_value(r->call, "--drop"), &drop, err);
        if (st != ST_OK) {
            (void)remove(cli_value(r->call, "--add")); /* it would be in the way of the next run */
        }
    }
    core_str_free(&add);
    core_str_free(&drop);
    cli_rows_free(&made);
    return st;
}

core_status cli_cmk_rotate(cli_call *call, core_err *err)
{
    rotation r = {.call = call};
    core_status st = cli_rows_read(call->operands[0], CLI_ROWS_VALUES, &r.old, err);
    if (st == ST_OK) {
        st = cli_store_open(call, &r.store, err);
    }
    if (st == ST_OK) {
        st = choose(&r, err);
    }
    if (st == ST_OK) {
        st = resume(&r, err);
    }
    if (st == ST_OK) {
        st = rewrap_all(&r, err);
    }
    if (st == ST_OK) {
        st = write_sql(&r, err);
    }
    if (st == ST_OK && call->json) {
        call->doc = json_pack("{s:I,s:I}", "rewrapped", (json_int_t)r.fresh, "resumed",
                              (json_int_t)r.done.count);
    } else if (st == ST_OK) {
        core_str_addf(&call->text, "%zu values wrapped anew, %zu were done before\n", r.fresh,
                      r.done.count);
    }
    cli_rows_free(&r.old);
    cli_rows_free(&r.done);
    core_str_free(&r.from);
    core_str_free(&r.to);
    cli_store_close(&r.store);
    return st;
}
