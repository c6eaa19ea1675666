/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store of the cmk and cek verbs, and the output of their results: see cmk_ops.h.
 */
#include "tools/p11ekm/cmk_ops.h"

#include <string.h>

#include "pkcs11/uri.h"

core_status cli_store_open(cli_call *call, cli_store *store, core_err *err)
{
    core_secret pin = {0};
    bool given = false;
    core_status st = cli_session_find(call, &store->session, err);
    if (st == ST_OK) {
        st = cli_pin_read(call, tok_token_config(store->session.token), &pin, &given, err);
    }
    if (st == ST_OK) {
        st = cmk_store_open(cli_value(call, "--conf"), store->session.identity,
                            given ? (const char *)pin.data : NULL, given ? pin.length : 0,
                            &store->store, err);
    }
    core_secret_close(&pin);
    return st == ST_OK ? cmk_store_login(store->store, err) : st;
}

void cli_store_close(cli_store *store)
{
    cmk_store_close(store->store);
    store->store = NULL;
    cli_session_close(&store->session);
}

core_status cli_name_check(cli_call *call, const char *option, const char *name, core_err *err)
{
    const char *fault = core_text_fault(name, CORE_NAME_UNITS);
    if (fault == NULL) {
        return ST_OK;
    }
    call->usage = true;
    return core_fail(err, ST_INVALID_ARGUMENT, "%s \"%.128s\": it %s; " CORE_NAME_RULE, option,
                     name, fault);
}

core_status cli_path_of(const tok_token *token, const char *name, core_str *path)
{
    const tok_token_info *info = tok_token_info_of(token);
    char label[sizeof info->label], object[TOK_LABEL_MAX + 1] = "";
    memcpy(label, info->label, sizeof label);
    memcpy(object, name, strnlen(name, TOK_LABEL_MAX));
    const tok_uri uri = {.token = label, .object = object};
    tok_uri_format(&uri, path);
    return path->failed ? ST_NO_MEMORY : ST_OK;
}

core_status cli_key_path(cli_call *call, const tok_token *token, const char *name_or_path,
                         core_str *path, core_err *err)
{
    const bool is_path = tok_uri_is(name_or_path);
    const char *fault = is_path ? core_text_fault(name_or_path, CLI_PATH_UNITS) : NULL;
    if (!is_path && strlen(name_or_path) > TOK_LABEL_MAX) {
        fault = "is too long";
    }
    if (fault != NULL || name_or_path[0] == '\0') {
        call->usage = true;
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key \"%.128s\": it %s; name a key of p11ekm cmk list", name_or_path,
                         fault != NULL ? fault : "is empty");
    }
    if (!is_path) {
        return cli_path_of(token, name_or_path, path);
    }
    core_str_add(path, name_or_path);
    return path->failed ? ST_NO_MEMORY : ST_OK;
}

typedef core_status (*file_writer)(const char *path, const core_str *text, core_err *err);

static core_status deliver(cli_call *call, const char *name, const core_str *text,
                           file_writer write, core_err *err)
{
    const char *file = cli_value(call, "--output");
    if (text->failed) {
        return ST_NO_MEMORY;
    }
    if (file != NULL) {
        /* Write the answer before the file: if the answer fails, no file is left to stop the
         * next attempt. */
        if (call->json) {
            call->doc = json_pack("{s:o}", "file", cli_json_text(file));
        } else {
            core_str_addf(&call->text, "%s written\n", file);
        }
        return cli_complete(call) ? write(file, text, err) : ST_NO_MEMORY;
    }
    if (call->json) {
        call->doc = json_pack("{s:o}", name, cli_json_text(core_str_get(text)));
    } else {
        core_str_add(&call->text, core_str_get(text));
    }
    return ST_OK;
}

core_status cli_deliver(cli_call *call, const char *name, const core_str *text, core_err *err)
{
    return deliver(call, name, text, cli_file_write, err);
}

/* The program that reads standard output interprets the bytes in its own code page. */
core_status cli_sql_deliver(cli_call *call, const core_str *sql, core_err *err)
{
    if (!call->json && cli_value(call, "--output") == NULL && !cli_output_is_terminal() &&
        !core_text_is_ascii(core_str_get(sql))) {
        return cli_usage(call, err,
                         "a name is not all ASCII, and what reads this output may take it for "
                         "another; use --output, which marks the file as UTF-8");
    }
    return deliver(call, "sql", sql, cli_sql_write, err);
}

void cli_finding(cli_call *call, const char *what, const char *name, core_status st,
                 const core_err *err)
{
    const char *text = err->text[0] == '\0' ? core_status_text(st) : err->text;
    text = st == ST_OK ? "ok" : text;
    call->findings = call->findings || st != ST_OK;
    if (call->json) {
        json_array_append_new(json_object_get(call->doc, "results"),
                              json_pack("{s:o,s:s,s:o}", what, cli_json_text(name), "result",
                                        core_status_name(st), "text", cli_json_text(text)));
    } else if (st == ST_OK) {
        core_str_addf(&call->text, "ok    %s\n", name);
    } else {
        core_str_addf(&call->text, "FAIL  %s: %s\n", name, text);
    }
}
