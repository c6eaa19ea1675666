/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store for the cmk and cek verbs, and how they hand over what they made: see cmk_ops.h.
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

core_status cli_key_path(const tok_token *token, const char *name_or_path, core_str *path)
{
    if (tok_uri_is(name_or_path)) {
        core_str_add(path, name_or_path);
        return path->failed ? ST_NO_MEMORY : ST_OK;
    }
    tok_token_info info = *tok_token_about(token);
    char object[TOK_LABEL_MAX + 1] = "";
    memcpy(object, name_or_path, strnlen(name_or_path, TOK_LABEL_MAX));
    const tok_uri uri = {.token = info.label, .object = object};
    tok_uri_format(&uri, path);
    return path->failed ? ST_NO_MEMORY : ST_OK;
}

core_status cli_deliver(cli_call *call, const char *name, const core_str *text, core_err *err)
{
    const char *file = cli_value(call, "--output");
    if (text->failed) {
        return ST_NO_MEMORY;
    }
    if (file != NULL) {
        /* The answer first: a file that is there would be in the way of the next attempt. */
        if (call->json) {
            call->doc = json_pack("{s:o}", "file", cli_json_text(file));
        } else {
            core_str_addf(&call->text, "%s written\n", file);
        }
        return cli_complete(call) ? cli_file_write(file, text, err) : ST_NO_MEMORY;
    }
    if (call->json) {
        call->doc = json_pack("{s:o}", name, cli_json_text(core_str_get(text)));
    } else {
        core_str_add(&call->text, core_str_get(text));
    }
    return ST_OK;
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
