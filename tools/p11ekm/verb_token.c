/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm token list: the tokens of the module, each with a URI that selects exactly this token.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/session.h"

#include <string.h>

#include "pkcs11/uri.h"

/* The flags that are reported, most serious first. */
static void add_state(core_str *out, const tok_token_info *info)
{
    const struct {
        bool set;
        const char *word;
    } states[] = {
        {!info->initialised, "not initialised"},  {!info->pin_set, "no user PIN"},
        {info->pin_locked, "PIN locked"},         {info->pin_last_try, "one PIN attempt left"},
        {info->pin_low, "wrong PINs were given"}, {info->pin_to_change, "PIN must be changed"},
        {info->protected_path, "PIN pad"},
    };
    const char *separator = "";
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (states[i].set) {
            core_str_addf(out, "%s%s", separator, states[i].word);
            separator = ", ";
        }
    }
    core_str_add(out, separator[0] == '\0' ? "ready" : "");
}

/* True if another token differs from this one by its slot only. */
static bool has_twin(const tok_token_info *tokens, size_t count, size_t which)
{
    size_t alike = 0;
    for (size_t i = 0; i < count; i++) {
        alike += strcmp(tokens[i].label, tokens[which].label) == 0 &&
                 strcmp(tokens[i].serial, tokens[which].serial) == 0;
    }
    return alike > 1;
}

static void add_uri(core_str *out, tok_token_info *tokens, size_t count, size_t which)
{
    tok_token_info *info = &tokens[which];
    const tok_uri uri = {.token = info->label, .serial = info->serial};
    core_str_free(out);
    tok_uri_format(&uri, out);
    if (has_twin(tokens, count, which)) {
        core_str_addf(out, ";slot-id=%llu", (unsigned long long)info->slot);
    }
}

static json_t *token_object(const tok_token_info *info, const char *uri, const char *state)
{
    json_t *item = json_object();
    json_object_set_new(item, "label", cli_json_text(info->label));
    json_object_set_new(item, "alias",
                        info->alias[0] == '\0' ? json_null() : cli_json_text(info->alias));
    json_object_set_new(item, "uri", cli_json_text(uri));
    json_object_set_new(item, "manufacturer", cli_json_text(info->manufacturer));
    json_object_set_new(item, "model", cli_json_text(info->model));
    json_object_set_new(item, "serial", cli_json_text(info->serial));
    json_object_set_new(item, "slot", json_integer((json_int_t)info->slot));
    json_object_set_new(item, "library", cli_json_text(info->library));
    json_object_set_new(item, "initialised", json_boolean(info->initialised));
    json_object_set_new(item, "state", json_string(state));
    return item;
}

core_status cli_token_list(cli_call *call, core_err *err)
{
    tok_context *context = NULL;
    tok_token_info *tokens = NULL;
    size_t count = 0;
    core_str uri = {0}, state = {0};
    json_t *list = NULL;
    core_status st = tok_context_open(cli_value(call, "--conf"), &context, err);
    if (st == ST_OK) {
        st = tok_token_list(context, &tokens, &count, err);
    }
    if (st != ST_OK) {
        goto done;
    }
    if (call->json) {
        call->doc = json_object();
        list = json_array();
        json_object_set_new(call->doc, "tokens", list);
    }
    for (size_t i = 0; i < count; i++) {
        add_uri(&uri, tokens, count, i);
        core_str_free(&state);
        add_state(&state, &tokens[i]);
        call->text.failed = call->text.failed || uri.failed || state.failed;
        if (call->json) {
            json_array_append_new(
                list, token_object(&tokens[i], core_str_get(&uri), core_str_get(&state)));
        } else {
            core_str_addf(&call->text, "%-20s %-12s %-12s %s\n  %s\n", tokens[i].label,
                          tokens[i].alias[0] == '\0' ? "-" : tokens[i].alias, tokens[i].model,
                          core_str_get(&state), core_str_get(&uri));
        }
    }
    if (!call->json && count == 0) {
        core_str_add(&call->text, "the module shows no token\n");
    }
done:
    core_str_free(&state);
    core_str_free(&uri);
    core_free(tokens);
    if (context != NULL) {
        tok_context_close(context);
    }
    return st;
}
