/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm probe: tests what the token supports. The output has a fixed order and contains nothing
 * that differs between two tokens of one kind (no serial number, no slot), so that outputs can be
 * compared.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pkcs11/probe.h"

static const char *const states[] = {"yes", "no", "WRONG"};

static int compare_mechanisms(const void *a, const void *b)
{
    return strcmp(((const tok_mechanism *)a)->name, ((const tok_mechanism *)b)->name);
}

/* How OAEP is done on the token, under the current policy. */
static const struct {
    core_padding padding;
    const char *check;
} oaep[] = {{CORE_PAD_OAEP_SHA256, "oaep-sha256-decrypt"},
            {CORE_PAD_OAEP_SHA1, "oaep-sha1-decrypt"}};
enum { OAEP_COUNT = sizeof oaep / sizeof oaep[0] };

static bool passed(const tok_probe_item *items, size_t count, const char *check)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].name, check) == 0) {
            return items[i].state == TOK_PROBE_YES;
        }
    }
    return false;
}

static const char *oaep_strategy(const tok_probe_item *items, size_t count, const char *check,
                                 bool raw_allowed)
{
    if (passed(items, count, check)) {
        return "token";
    }
    if (!passed(items, count, "rsa-raw-decrypt")) {
        return "none";
    }
    return raw_allowed ? "raw" : "raw-not-allowed";
}

static void add_json(cli_call *call, const tok_token_info *token, bool raw_allowed,
                     const tok_probe_item *items, size_t item_count,
                     const tok_mechanism *mechanisms, size_t mechanism_count)
{
    json_t *checks = json_array();
    json_t *list = json_array();
    json_t *ways = json_object();
    for (size_t i = 0; i < OAEP_COUNT; i++) {
        json_object_set_new(
            ways, core_padding_name(oaep[i].padding),
            json_string(oaep_strategy(items, item_count, oaep[i].check, raw_allowed)));
    }
    for (size_t i = 0; i < item_count; i++) {
        json_array_append_new(checks, json_pack("{s:s,s:s,s:o}", "name", items[i].name, "result",
                                                states[items[i].state], "detail",
                                                cli_json_text(items[i].detail)));
    }
    for (size_t i = 0; i < mechanism_count; i++) {
        json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "name", mechanisms[i].name, "min",
                                              (json_int_t)mechanisms[i].min_bits, "max",
                                              (json_int_t)mechanisms[i].max_bits));
    }
    call->doc = json_object();
    json_object_set_new(call->doc, "manufacturer", cli_json_text(token->manufacturer));
    json_object_set_new(call->doc, "model", cli_json_text(token->model));
    json_object_set_new(call->doc, "library", cli_json_text(token->library));
    json_object_set_new(call->doc, "library_version",
                        json_sprintf("%u.%u", token->library_major, token->library_minor));
    json_object_set_new(call->doc, "cryptoki",
                        json_sprintf("%u.%u", token->cryptoki_major, token->cryptoki_minor));
    json_object_set_new(call->doc, "oaep", ways);
    json_object_set_new(call->doc, "checks", checks);
    json_object_set_new(call->doc, "mechanisms", list);
}

static void add_text(core_str *out, const tok_token_info *token, bool raw_allowed,
                     const tok_probe_item *items, size_t item_count,
                     const tok_mechanism *mechanisms, size_t mechanism_count)
{
    core_str_addf(out, "token      %s, %s\n", token->manufacturer, token->model);
    core_str_addf(out, "library    %s %u.%u, Cryptoki %u.%u\n", token->library,
                  token->library_major, token->library_minor, token->cryptoki_major,
                  token->cryptoki_minor);
    core_str_add(out, "\nOAEP, as the configuration has it done\n");
    for (size_t i = 0; i < OAEP_COUNT; i++) {
        core_str_addf(out, "  %-12s %s\n", core_padding_name(oaep[i].padding),
                      oaep_strategy(items, item_count, oaep[i].check, raw_allowed));
    }
    core_str_add(out, "\nchecks, by doing\n");
    for (size_t i = 0; i < item_count; i++) {
        core_str_addf(out, "  %-5s %s%s%s\n", states[items[i].state], items[i].name,
                      items[i].detail[0] == '\0' ? "" : "  ", items[i].detail);
    }
    core_str_addf(out, "\nmechanisms, as listed by the token (%zu)\n", mechanism_count);
    for (size_t i = 0; i < mechanism_count; i++) {
        core_str_addf(out, "  %-32s", mechanisms[i].name);
        if (mechanisms[i].max_bits != 0) {
            core_str_addf(out, " %" PRIu64 "..%" PRIu64, mechanisms[i].min_bits,
                          mechanisms[i].max_bits);
        }
        core_str_add(out, "\n");
    }
}

core_status cli_probe(cli_call *call, core_err *err)
{
    cli_session session = {0};
    tok_probe_item *items = NULL;
    tok_mechanism *mechanisms = NULL;
    size_t item_count = 0, mechanism_count = 0;
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = tok_probe(session.token, &items, &item_count, err);
    }
    if (st == ST_OK) {
        st = tok_mechanism_list(session.token, &mechanisms, &mechanism_count, err);
    }
    if (st != ST_OK) {
        goto done;
    }
    if (mechanism_count > 1) {
        qsort(mechanisms, mechanism_count, sizeof mechanisms[0], compare_mechanisms);
    }
    for (size_t i = 0; i < item_count; i++) {
        call->findings = call->findings || items[i].state == TOK_PROBE_WRONG;
    }
    const bool raw_allowed = tok_token_config(session.token)->rsa_raw;
    if (call->json) {
        add_json(call, tok_token_info_of(session.token), raw_allowed, items, item_count, mechanisms,
                 mechanism_count);
    } else {
        add_text(&call->text, tok_token_info_of(session.token), raw_allowed, items, item_count,
                 mechanisms, mechanism_count);
    }
done:
    core_free(mechanisms);
    core_free(items);
    cli_session_close(&session);
    return st;
}
