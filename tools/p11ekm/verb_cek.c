/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm cek create, import, sql, verify: column encryption keys of Always Encrypted, as encrypted
 * values in files. `sql` needs no token, so that a DBA may run it.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/cmk_ops.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmk/name.h"
#include "core/platform.h"

#define WRAP_OPTIONS                                                                              \
    CLI_LOGIN_OPTIONS, {"--key", "KEY", true, "name or key path of the master key on the token"}, \
        {"--cmk", "NAME", true, "name of the column master key in the database"},                 \
    {                                                                                             \
        "--output", "FILE", false, "write the encrypted value to this new file"                   \
    }

const cli_option cli_cek_create_options[] = {
    WRAP_OPTIONS,
    {"--software", NULL, false, "make the key in this machine's memory, not in the token"},
    CLI_END_OPTIONS,
};
const cli_option cli_cek_import_options[] = {
    WRAP_OPTIONS,
    {"--cek-fd", "N", true, "read the key, 32 bytes or 64 hex digits, from this descriptor"},
    CLI_END_OPTIONS,
};
const cli_option cli_cek_sql_options[] = {
    {"--output", "FILE", false, "write the T-SQL to this new file"},
    CLI_END_OPTIONS,
};
const cli_option cli_cek_verify_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--key", "KEY", false, "the master key, where the exported path is not its path here"},
    CLI_END_OPTIONS,
};

/* An encrypted value that is being made. */
typedef struct cli_ecek {
    uint8_t bytes[CLI_ECEK_MAX];
    size_t length;
} cli_ecek;

typedef core_status (*make_ecek)(cli_call *call, cmk_store *store, const char *path, cli_ecek *out,
                                 core_err *err);

/* The object that cek create and import print: one line of the interchange format. */
static core_status deliver_value(cli_call *call, const char *path, cli_ecek *ecek, core_err *err)
{
    core_str line = {0};
    core_status st = ST_OK;
    const cli_row row = {.cek = call->operands[0],
                         .cmk = cli_value(call, "--cmk"),
                         .provider = CMK_PROVIDER_NAME,
                         .path = path,
                         .algorithm = CMK_ALGORITHM,
                         .value = ecek->bytes,
                         .value_len = ecek->length};
    cli_row_format(&row, &line);
    if (call->json && cli_value(call, "--output") == NULL) {
        call->doc = json_loads(core_str_get(&line), 0, NULL);
    } else {
        st = cli_deliver(call, "value", &line, err);
    }
    core_str_free(&line);
    return st;
}

static core_status make_value(cli_call *call, make_ecek make, core_err *err)
{
    cli_store store = {0};
    core_str path = {0};
    cli_ecek ecek = {.length = sizeof ecek.bytes};
    const char *file = cli_value(call, "--output");
    core_status st = cli_name_check(call, "column encryption key", call->operands[0], err);
    if (st == ST_OK) {
        st = cli_name_check(call, "--cmk", cli_value(call, "--cmk"), err);
    }
    if (st == ST_OK && file != NULL) {
        st = core_file_absent(file, err);
    }
    if (st == ST_OK) {
        st = cli_store_open(call, &store, err);
    }
    if (st == ST_OK) {
        st = cli_key_path(call, store.session.token, cli_value(call, "--key"), &path, err);
    }
    if (st == ST_OK) {
        st = make(call, store.store, core_str_get(&path), &ecek, err);
    }
    if (st == ST_OK) {
        st = deliver_value(call, core_str_get(&path), &ecek, err);
    }
    core_str_free(&path);
    cli_store_close(&store);
    return st;
}

static core_status create(cli_call *call, cmk_store *store, const char *path, cli_ecek *out,
                          core_err *err)
{
    cmk_where where = cli_value(call, "--software") == NULL ? CMK_IN_TOKEN : CMK_SOFTWARE_ALLOWED;
    return cmk_generate_cek(store, path, CMK_ALGORITHM, where, out->bytes, &out->length, err);
}

core_status cli_cek_create(cli_call *call, core_err *err)
{
    return make_value(call, create, err);
}

/* Converts 64 hexadecimal digits, with or without a line end, to 32 bytes; leaves 32 bytes as
 * they are. */
static core_status from_hex(core_secret *cek, core_err *err)
{
    uint8_t bytes[CMK_CEK_LEN];
    size_t length = cek->length;
    while (length > CMK_CEK_LEN && isspace(cek->data[length - 1])) {
        length--;
    }
    if (length == CMK_CEK_LEN) {
        cek->length = length;
        return ST_OK;
    }
    size_t capacity = sizeof bytes;
    cek->data[length] = 0;
    core_status st = core_unhex((const char *)cek->data, bytes, &capacity);
    if (st == ST_OK && capacity == sizeof bytes) {
        memcpy(cek->data, bytes, sizeof bytes);
        cek->length = sizeof bytes;
    } else {
        st = core_fail(
            err, ST_DATA_LENGTH,
            "the key is neither 32 bytes nor 64 hex digits; pass one of these by --cek-fd");
    }
    core_wipe(bytes, sizeof bytes);
    return st;
}

static core_status import(cli_call *call, cmk_store *store, const char *path, cli_ecek *out,
                          core_err *err)
{
    core_secret cek = {0};
    core_status st = cli_read_descriptor(call, "--cek-fd", &cek, err);
    if (st == ST_OK) {
        st = from_hex(&cek, err);
    }
    if (st == ST_OK) {
        st = cmk_encrypt_cek(store, path, CMK_ALGORITHM, cek.data, cek.length, out->bytes,
                             &out->length, err);
    }
    core_secret_close(&cek);
    return st;
}

core_status cli_cek_import(cli_call *call, core_err *err)
{
    return make_value(call, import, err);
}

static void add_value(core_str *sql, const cli_row *row)
{
    core_str_add(sql, "(COLUMN_MASTER_KEY = ");
    cli_sql_name(sql, row->cmk);
    core_str_add(sql, ", ALGORITHM = ");
    cli_sql_text(sql, row->algorithm);
    core_str_add(sql, ", ENCRYPTED_VALUE = ");
    cli_sql_binary(sql, row->value, row->value_len);
    core_str_add(sql, ")");
}

/* Prints a statement for each key. A key has two values during a rotation of its master key. */
core_status cli_cek_sql(cli_call *call, core_err *err)
{
    cli_rows rows = {0};
    core_str sql = {.limit = (size_t)64 << 20};
    const char *file = call->operands[0];
    core_status st = cli_rows_read(file, CLI_ROWS_VALUES, &rows, err);
    if (st == ST_OK) {
        st = cli_rows_link(file, &rows, err);
    }
    for (size_t i = 0; st == ST_OK && i < rows.count; i++) {
        const cli_row *row = &rows.rows[i];
        if (!row->leads) {
            continue;
        }
        core_str_add(&sql, "CREATE COLUMN ENCRYPTION KEY ");
        cli_sql_name(&sql, row->cek);
        core_str_add(&sql, " WITH VALUES\n");
        add_value(&sql, row);
        if (row->other != NULL) {
            core_str_add(&sql, ",\n");
            add_value(&sql, row->other);
        }
        core_str_add(&sql, ";\n");
    }
    if (st == ST_OK) {
        st = cli_sql_deliver(call, &sql, err);
    }
    core_str_free(&sql);
    cli_rows_free(&rows);
    return st;
}

core_status cli_cek_verify(cli_call *call, core_err *err)
{
    cli_store store = {0};
    cli_rows rows = {0};
    core_str key = {0};
    core_secret cek = {0};
    uint64_t told = core_now_us();
    core_status st = cli_rows_read(call->operands[0], CLI_ROWS_VALUES, &rows, err);
    if (st == ST_OK) {
        st = core_secret_open(&cek, CMK_CEK_LEN);
    }
    if (st == ST_OK) {
        st = cli_store_open(call, &store, err);
    }
    if (st == ST_OK) {
        call->doc = json_pack("{s:[]}", "results");
        if (cli_value(call, "--key") != NULL) {
            st = cli_key_path(call, store.session.token, cli_value(call, "--key"), &key, err);
        }
    }
    for (size_t i = 0; st == ST_OK && i < rows.count; i++) {
        core_err why = {0};
        const cli_row *row = &rows.rows[i];
        const char *path = key.length == 0 ? row->path : core_str_get(&key);
        core_status found = cmk_decrypt_cek(store.store, path, row->algorithm, row->value,
                                            row->value_len, cek.data, &why);
        core_wipe(cek.data, CMK_CEK_LEN);
        cli_finding(call, "cek", row->cek, found, &why);
        cli_progress(&told, i + 1, rows.count);
    }
    core_secret_close(&cek);
    core_str_free(&key);
    cli_rows_free(&rows);
    cli_store_close(&store);
    return st;
}
