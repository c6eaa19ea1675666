/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm cmk create, list, sql, verify: column master keys of Always Encrypted. They use the
 * token only; the statements for the database are printed as T-SQL.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/cmk_ops.h"

#include <string.h>

#include "cmk/name.h"
#include "core/platform.h"

const cli_option cli_cmk_create_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--algorithm", "NAME", false, "RSA_2048, RSA_3072 (default) or RSA_4096"},
    CLI_END_OPTIONS,
};
const cli_option cli_cmk_sql_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--cmk", "NAME", true, "name of the column master key in the database"},
    {"--enclave", NULL, false, "allow enclave computations, with the signature they need"},
    {"--output", "FILE", false, "write the T-SQL to this new file"},
    CLI_END_OPTIONS,
};

static void report(cli_call *call, const tok_key *key, const char *path)
{
    char thumb[2 * TOK_THUMB_LEN + 1];
    const tok_key_info *info = tok_key_info_of(key);
    core_hex(info->thumb, TOK_THUMB_LEN, thumb);
    if (call->json) {
        call->doc = json_pack("{s:o,s:s,s:o}", "name", cli_json_text(info->name), "thumbprint",
                              thumb, "path", cli_json_text(path));
    } else {
        core_str_addf(&call->text, "column master key \"%s\" created, thumbprint %s\n  %s\n",
                      cli_show(info->name).text, thumb, path);
    }
}

core_status cli_cmk_create(cli_call *call, core_err *err)
{
    const char *algorithm = cli_value(call, "--algorithm");
    cli_session session = {0};
    tok_key *key = NULL;
    core_str path = {0};
    tok_key_spec spec = {
        .name = call->operands[0],
        .algorithm = CORE_ALG_RSA_3072,
        .can = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP,
        .persistent = true,
    };
    core_status st =
        algorithm == NULL ? ST_OK : cli_algorithm(call, algorithm, &spec.algorithm, err);
    if (st == ST_OK && !core_algorithm_is_rsa(spec.algorithm)) {
        return cli_usage(call, err, "--algorithm: a column master key is an RSA key");
    }
    if (st == ST_OK) {
        st = cli_name_check(call, "key", spec.name, err);
    }
    if (st == ST_OK) {
        st = cli_session_login(call, &session, err);
    }
    if (st == ST_OK) {
        st = cli_path_of(session.token, spec.name, &path);
    }
    if (st == ST_OK) {
        st = cli_audit_begin(&session, "CreateKey", spec.name, NULL, err);
    }
    if (st == ST_OK) {
        uint64_t started = core_now_us();
        st = tok_key_create(session.token, &spec, &key, err);
        st = cli_audit_key(&session, "CreateKey", spec.name, key, st, started, err);
    }
    if (st == ST_OK) {
        report(call, key, core_str_get(&path));
    }
    if (key != NULL) {
        tok_key_release(key);
    }
    core_str_free(&path);
    cli_session_close(&session);
    return st;
}

/* An RSA key that can open column encryption keys and sign. */
static bool is_cmk(const tok_key_info *info)
{
    return info->rsa && !info->retired && (info->can & TOK_CAN_SIGN) != 0 &&
           (info->can & (TOK_CAN_DECRYPT | TOK_CAN_UNWRAP)) != 0;
}

core_status cli_cmk_list(cli_call *call, core_err *err)
{
    cli_session session = {0};
    cli_keys keys = {0};
    json_t *list = NULL;
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = cli_keys_list(&session, &keys, err);
    }
    if (st == ST_OK && call->json) {
        list = json_array();
        call->doc = json_pack("{s:o}", "keys", list);
    }
    for (size_t i = 0; st == ST_OK && i < keys.count; i++) {
        const tok_key_info *info = tok_key_info_of(keys.keys[i]);
        char algorithm[32];
        core_str path = {0};
        if (!is_cmk(info)) {
            continue;
        }
        st = cli_path_of(session.token, info->name, &path);
        const char *tag = cli_key_algorithm(info, algorithm, sizeof algorithm);
        if (call->json) {
            json_array_append_new(list, json_pack("{s:o,s:s,s:o}", "name",
                                                  cli_json_text(info->name), "algorithm", tag,
                                                  "path", cli_json_text(core_str_get(&path))));
        } else {
            core_str_addf(&call->text, "%-24s %-10s %s\n", cli_show(info->name).text, tag,
                          core_str_get(&path));
        }
        core_str_free(&path);
    }
    cli_keys_free(&keys);
    cli_session_close(&session);
    return st;
}

/* Always makes the signature, so that a key that is missing or may not sign is reported here and
 * not when the DBA runs the statement. */
core_status cli_cmk_sql(cli_call *call, core_err *err)
{
    cli_store store = {0};
    core_str sql = {0}, path = {0};
    uint8_t signature[1024];
    size_t length = sizeof signature;
    const char *file = cli_value(call, "--output");
    core_status st = cli_name_check(call, "--cmk", cli_value(call, "--cmk"), err);
    if (st == ST_OK && file != NULL) {
        st = core_file_absent(file, err);
    }
    if (st == ST_OK) {
        st = cli_store_open(call, &store, err);
    }
    if (st == ST_OK) {
        st = cli_key_path(call, store.session.token, call->operands[0], &path, err);
    }
    if (st == ST_OK) {
        st = cmk_sign_metadata(store.store, core_str_get(&path), true, signature, &length, err);
    }
    if (st == ST_OK) {
        core_str_add(&sql, "CREATE COLUMN MASTER KEY ");
        cli_sql_name(&sql, cli_value(call, "--cmk"));
        core_str_add(&sql, " WITH (\n    KEY_STORE_PROVIDER_NAME = N'" CMK_PROVIDER_NAME
                           "',\n    KEY_PATH = ");
        cli_sql_text(&sql, core_str_get(&path));
        if (cli_value(call, "--enclave") != NULL) {
            core_str_add(&sql, ",\n    ENCLAVE_COMPUTATIONS (SIGNATURE = ");
            cli_sql_binary(&sql, signature, length);
            core_str_add(&sql, ")");
        }
        core_str_add(&sql, "\n);\n");
        st = cli_sql_deliver(call, &sql, err);
    }
    core_str_free(&sql);
    core_str_free(&path);
    cli_store_close(&store);
    return st;
}

/* A signature covers name and path as they are in the database. */
static core_status verify_row(const cli_store *store, const cli_row *row, core_err *err)
{
    if (strcmp(row->provider, CMK_PROVIDER_NAME) != 0) {
        return core_fail(err, ST_NOT_SUPPORTED,
                         "its key store is %s, not " CMK_PROVIDER_NAME "; verify it there",
                         row->provider);
    }
    return cmk_verify_metadata(store->store, row->path, true, row->value, row->value_len, err);
}

core_status cli_cmk_verify(cli_call *call, core_err *err)
{
    cli_store store = {0};
    cli_rows rows = {0};
    core_status st = cli_rows_read(call->operands[0], CLI_ROWS_MASTER_KEYS, &rows, err);
    if (st == ST_OK) {
        st = cli_store_open(call, &store, err);
    }
    if (st == ST_OK) {
        call->doc = json_pack("{s:[]}", "results");
    }
    for (size_t i = 0; st == ST_OK && i < rows.count; i++) {
        core_err why = {0};
        core_status found = verify_row(&store, &rows.rows[i], &why);
        cli_finding(call, "cmk", rows.rows[i].cmk, found, &why);
    }
    cli_rows_free(&rows);
    cli_store_close(&store);
    return st;
}
