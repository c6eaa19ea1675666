/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm key list and key show: the keys on the token, including retired ones.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/session.h"

#include "pkcs11/uri.h"

static const char *const uses[] = {"encrypt", "decrypt", "sign", "wrap", "unwrap"};

static json_t *key_object(const tok_key_info *info)
{
    char algorithm[32];
    json_t *item = json_object();
    json_t *can = json_array();
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        if ((info->can & (1U << i)) != 0) {
            json_array_append_new(can, json_string(uses[i]));
        }
    }
    json_object_set_new(item, "name", cli_json_text(cli_key_plain_name(info)));
    json_object_set_new(item, "thumbprint",
                        info->has_thumb ? cli_json_hex(info->thumb, sizeof info->thumb)
                                        : json_null());
    json_object_set_new(item, "algorithm",
                        json_string(cli_key_algorithm(info, algorithm, sizeof algorithm)));
    json_object_set_new(item, "usable_by_sql_server",
                        json_boolean(info->algorithm != CORE_ALG_COUNT && !info->retired));
    json_object_set_new(item, "bits", info->bits_unknown ? json_null() : json_integer(info->bits));
    json_object_set_new(item, "can", can);
    json_object_set_new(item, "extractable", json_boolean(info->extractable));
    json_object_set_new(item, "sensitive", json_boolean(info->sensitive));
    json_object_set_new(item, "never_extractable", json_boolean(info->never_extractable));
    json_object_set_new(item, "retired", json_boolean(info->retired));
    json_object_set_new(item, "unprotected", json_boolean(info->unprotected));
    json_object_set_new(item, "dates_unreadable", json_boolean(info->dates_unreadable));
    json_object_set_new(item, "label", cli_json_text(info->name));
    json_object_set_new(item, "id", cli_json_hex(info->id, info->id_len));
    json_object_set_new(item, "start_date",
                        info->start_date ? json_integer(info->start_date) : json_null());
    json_object_set_new(item, "end_date",
                        info->end_date ? json_integer(info->end_date) : json_null());
    return item;
}

static void add_row(core_str *out, const tok_key_info *info)
{
    char algorithm[32], thumb[2 * TOK_THUMB_LEN + 1];
    core_hex(info->thumb, sizeof info->thumb, thumb);
    core_str_addf(out, "%-32s  %-16s %s%s%s\n", info->has_thumb ? thumb : "-",
                  cli_key_algorithm(info, algorithm, sizeof algorithm),
                  cli_show(cli_key_plain_name(info)).text, info->retired ? "  retired" : "",
                  info->unprotected ? "  UNPROTECTED" : "");
}

static const char *const why_words[] = {
    [TOK_IGNORED_UNPROTECTED] = "unprotected", [TOK_IGNORED_UNREADABLE] = "unreadable"};

static json_t *ignored_object(const tok_ignored_key *ignored)
{
    json_t *item = json_object();
    json_object_set_new(item, "name", cli_json_text(ignored->name));
    json_object_set_new(item, "class", json_string(ignored->secret ? "secret" : "private"));
    json_object_set_new(item, "why", json_string(why_words[ignored->why]));
    json_object_set_new(item, "text", cli_json_text(ignored->text));
    return item;
}

/* Adds the objects on the token that are ignored. */
static void add_ignored(cli_call *call, const cli_keys *keys)
{
    json_t *list = call->json ? json_array() : NULL;
    for (size_t i = 0; i < keys->ignored_count; i++) {
        const tok_ignored_key *ignored = &keys->ignored[i];
        if (call->json) {
            json_array_append_new(list, ignored_object(ignored));
        } else {
            core_str_addf(&call->text, "%-32s  %-16s %s  ignored, %s: %s\n", "-",
                          ignored->secret ? "secret key" : "private key",
                          cli_show(ignored->name).text, why_words[ignored->why],
                          cli_show(ignored->text).text);
        }
    }
    if (call->json) {
        json_object_set_new(call->doc, "ignored", list);
    }
}

core_status cli_key_list(cli_call *call, core_err *err)
{
    cli_session session = {0};
    cli_keys keys = {0};
    json_t *list = NULL;
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = cli_keys_list(&session, &keys, err);
    }
    if (st != ST_OK) {
        goto done;
    }
    if (call->json) {
        call->doc = json_object();
        list = json_array();
        json_object_set_new(call->doc, "token",
                            cli_json_text(tok_token_info_of(session.token)->label));
        json_object_set_new(call->doc, "keys", list);
    }
    for (size_t i = 0; i < keys.count; i++) {
        const tok_key_info *info = tok_key_info_of(keys.keys[i]);
        if (call->json) {
            json_array_append_new(list, key_object(info));
        } else {
            add_row(&call->text, info);
        }
    }
    add_ignored(call, &keys);
    if (!call->json && keys.count == 0 && keys.ignored_count == 0) {
        core_str_addf(&call->text, "no keys on token \"%s\"\n",
                      tok_token_info_of(session.token)->label);
    }
done:
    cli_keys_free(&keys);
    cli_session_close(&session);
    return st;
}

static void add_date(core_str *out, const char *name, uint32_t date)
{
    if (date != 0) {
        core_str_addf(out, "%-14s %04u-%02u-%02u\n", name, date / 10000, date / 100 % 100,
                      date % 100);
    }
}

static void add_all(core_str *out, const tok_key_info *info, const char *uri)
{
    char algorithm[32], thumb[2 * TOK_THUMB_LEN + 1], id[2 * sizeof info->id + 1];
    core_hex(info->thumb, sizeof info->thumb, thumb);
    core_hex(info->id, info->id_len, id);
    core_str_addf(out, "%-14s %s\n", "name", cli_show(cli_key_plain_name(info)).text);
    core_str_addf(out, "%-14s %s\n", "thumbprint",
                  info->identified ? thumb : "unknown: the token does not let the key encrypt");
    core_str_addf(out, "%-14s %s, %u bits%s%s\n", "algorithm",
                  cli_key_algorithm(info, algorithm, sizeof algorithm), info->bits,
                  info->bits_unknown ? " at least: the token does not tell its length" : "",
                  info->algorithm == CORE_ALG_COUNT ? " (unknown to SQL Server)" : "");
    core_str_addf(out, "%-14s ", "may");
    cli_add_set(out, info->can, uses, sizeof uses / sizeof uses[0]);
    core_str_addf(out, "\n%-14s %s%s%s\n", "protection",
                  info->sensitive ? "sensitive" : "NOT SENSITIVE: its value can be read",
                  info->extractable ? ", EXTRACTABLE" : ", not extractable",
                  info->never_extractable ? " and never was" : "");
    if (info->unprotected) {
        core_str_addf(out, "%-14s %s\n", "", "UNPROTECTED: CKA_PRIVATE is not TRUE");
    }
    core_str_addf(out, "%-14s %s\n", "state",
                  info->retired ? "retired: hidden from SQL Server, kept on the token" : "in use");
    if (info->dates_unreadable) {
        core_str_addf(out, "%-14s %s\n", "valid", "unknown: the token refuses to tell its dates");
    }
    add_date(out, "valid from", info->start_date);
    add_date(out, "valid to", info->end_date);
    core_str_addf(out, "%-14s %s\n", "label", cli_show(info->name).text);
    core_str_addf(out, "%-14s %s\n", "id", id);
    core_str_addf(out, "%-14s %s\n", "uri", uri);
}

core_status cli_key_show(cli_call *call, core_err *err)
{
    cli_session session = {0};
    cli_keys keys = {0};
    tok_key *key = NULL;
    core_str uri_text = {0};
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = cli_keys_list(&session, &keys, err);
    }
    if (st == ST_OK) {
        st = cli_keys_find(&keys, call->operands[0], CLI_ANY_KEY, &key, err);
    }
    if (st == ST_OK) {
        tok_token_info token = *tok_token_info_of(session.token);
        tok_key_info info = *tok_key_info_of(key);
        const tok_uri uri = {.token = token.label,
                             .object = info.name,
                             .id = info.id,
                             .id_len = info.id_len,
                             .has_id = info.id_len > 0};
        tok_uri_format(&uri, &uri_text);
        call->text.failed = call->text.failed || uri_text.failed;
        if (call->json) {
            call->doc = key_object(&info);
            json_object_set_new(call->doc, "uri", cli_json_text(core_str_get(&uri_text)));
            if (info.rsa) {
                json_object_set_new(call->doc, "modulus",
                                    cli_json_hex(info.modulus, info.modulus_len));
                json_object_set_new(call->doc, "exponent",
                                    cli_json_hex(info.exponent, info.exponent_len));
            }
        } else {
            add_all(&call->text, &info, core_str_get(&uri_text));
        }
    }
    core_str_free(&uri_text);
    cli_keys_free(&keys);
    cli_session_close(&session);
    return st;
}
