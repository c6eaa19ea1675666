/* SPDX-License-Identifier: Apache-2.0
 *
 * Key paths: parsing, trusted paths, and the lookup of their token and key.
 */
#include "cmk/path.h"

#include <string.h>
#include "core/memory.h"
#include "core/text.h"
#include "pkcs11/key_list.h"

static core_status parse_fail(core_err *err, const char *why)
{
    return core_fail(err, ST_FORMAT,
                     "key path: %s; write pkcs11:token=TOKEN;object=KEY (p11ekm cmk list shows it)",
                     why);
}

/* The reason why a well-formed URI is not a key path; NULL: it is one. */
static const char *check_uri(const tok_uri *uri)
{
    if (uri->module_path != NULL || uri->module_name != NULL || uri->pin_source != NULL)
        return "it may not name a module or a PIN; the configuration names them";
    if (uri->slot_id != NULL || uri->slot_description != NULL || uri->slot_manufacturer != NULL ||
        uri->library_description != NULL || uri->library_manufacturer != NULL ||
        uri->library_version != NULL)
        return "slot and library attributes change with the machine and do not belong in it";
    if (uri->type != NULL && strcmp(uri->type, "private") != 0)
        return "a column master key is of type=private";
    if (uri->object == NULL && !uri->has_id)
        return "it names no key; object or id is missing";
    if ((uri->object != NULL && uri->object[0] == '\0') || (uri->has_id && uri->id_len == 0))
        return "object or id is empty";
    return NULL;
}

core_status cmk_path_parse(const char *path, tok_uri *out, core_err *err)
{
    core_err detail = {0};
    *out = (tok_uri){0};
    if (path[0] == '\0')
        return parse_fail(err, "it is empty");
    const core_status st = tok_uri_parse(path, out, &detail);
    if (st == ST_FORMAT)
        return parse_fail(err, core_err_text(&detail, st));
    if (st != ST_OK)
        return core_fail(err, st, "key path: %s", core_err_text(&detail, st));
    const char *why = check_uri(out);
    if (why == NULL)
        return ST_OK;
    tok_uri_free(out);
    return parse_fail(err, why);
}

bool cmk_path_trusted(const char *patterns, const char *path)
{
    return patterns == NULL || core_patterns_fit(patterns, path);
}

/* longer than any label on a token */
enum { NAME_UNITS = 2 * TOK_LABEL_MAX };

/* True if two texts are equal in lower case. Text that is not UTF-8, or is longer than NAME_UNITS,
 * is compared byte by byte. */
static bool equal_nocase(const char *a, const char *b)
{
    uint16_t wide_a[NAME_UNITS], wide_b[NAME_UNITS];
    size_t cb_a = sizeof wide_a, cb_b = sizeof wide_b;
    if (core_utf8_to_utf16(a, wide_a, &cb_a) != ST_OK ||
        core_utf8_to_utf16(b, wide_b, &cb_b) != ST_OK)
        return strcmp(a, b) == 0;
    if (cb_a != cb_b)
        return false;
    core_utf16_lower(wide_a, cb_a / 2);
    core_utf16_lower(wide_b, cb_b / 2);
    return memcmp(wide_a, wide_b, cb_a) == 0;
}

/* An attribute that the path does not have matches any value. */
static bool matches_nocase(const char *wanted, const char *value)
{
    return wanted == NULL || equal_nocase(wanted, value);
}

/* Refuses a path that matches a second present token if case is ignored. */
static core_status check_token_case(tok_context *ctx, const tok_uri *uri, core_err *err)
{
    tok_token_info *infos = NULL;
    size_t count = 0, matches = 0;
    const core_status st = tok_token_list(ctx, &infos, &count, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        if (matches_nocase(uri->token, infos[i].label) &&
            matches_nocase(uri->manufacturer, infos[i].manufacturer) &&
            matches_nocase(uri->serial, infos[i].serial) &&
            matches_nocase(uri->model, infos[i].model))
            matches++;
    core_free(infos);
    if (matches <= 1)
        return ST_OK;
    return core_fail(
        err, ST_TOKEN_AMBIGUOUS,
        "key path: %zu tokens match it when case is ignored; add the token's serial to "
        "the path",
        matches);
}

/* Finds the token by the token attributes of the URI. */
static core_status find_token(tok_context *ctx, const tok_uri *uri, tok_token **out, core_err *err)
{
    const tok_uri selector = {.token = uri->token,
                              .manufacturer = uri->manufacturer,
                              .serial = uri->serial,
                              .model = uri->model};
    core_str text = {.limit = 4096};
    tok_uri_format(&selector, &text);
    const core_status st = text.failed ? core_fail(err, ST_NO_MEMORY, "key path: out of memory")
                                       : tok_token_find(ctx, core_str_get(&text), out, err);
    core_str_free(&text);
    return st;
}

static bool names_token(const tok_uri *uri)
{
    return uri->token != NULL || uri->manufacturer != NULL || uri->serial != NULL ||
           uri->model != NULL;
}

core_status cmk_path_token(tok_context *ctx, tok_token *given, const tok_uri *uri, tok_token **out,
                           core_err *err)
{
    *out = NULL;
    if (!names_token(uri)) {
        if (given == NULL)
            return parse_fail(err, "it names no token");
        *out = tok_token_ref(given);
        return ST_OK;
    }
    tok_token *token = NULL;
    core_status st = find_token(ctx, uri, &token, err);
    if (st == ST_OK && token != given && tok_token_info_of(token)->alias[0] == '\0')
        st = core_fail(err, ST_POLICY,
                       "key path: token \"%s\" is not in the configuration; add a [token ALIAS] "
                       "section that names it",
                       tok_token_info_of(token)->label);
    if (st == ST_OK)
        st = check_token_case(ctx, uri, err);
    if (st == ST_OK)
        *out = token;
    else if (token != NULL)
        tok_token_release(token);
    return st;
}

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Ids are bytes, but a path may write them as letters. */
static bool id_matches_nocase(const tok_uri *uri, const tok_key_label *label)
{
    if (!uri->has_id)
        return true;
    if (uri->id_len != label->id_len)
        return false;
    size_t same = 0;
    while (same < uri->id_len && ascii_lower(uri->id[same]) == ascii_lower(label->id[same]))
        same++;
    return same == uri->id_len;
}

/* Refuses a path that matches a second key if case is ignored. Reads labels and ids only. */
static core_status check_key_case(tok_token *token, const tok_uri *uri, core_err *err)
{
    tok_key_label *labels = NULL;
    size_t count = 0, matches = 0;
    const core_status st = tok_key_labels(token, &labels, &count, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        if (matches_nocase(uri->object, labels[i].name) && id_matches_nocase(uri, &labels[i]))
            matches++;
    core_free(labels);
    if (matches <= 1)
        return ST_OK;
    return core_fail(err, ST_KEY_AMBIGUOUS,
                     "key path: %zu keys on token \"%s\" match it when case is ignored; rename all "
                     "but one, or add the key's id to the path",
                     matches, tok_token_info_of(token)->label);
}

core_status cmk_path_key(tok_token *token, const tok_uri *uri, tok_key **out, core_err *err)
{
    tok_key *key = NULL;
    *out = NULL;
    core_status st = tok_key_by_label_id(token, uri->object, uri->has_id ? uri->id : NULL,
                                         uri->id_len, &key, err);
    if (st != ST_OK)
        return st;
    st = check_key_case(token, uri, err);
    if (st == ST_OK)
        *out = key;
    else
        tok_key_release(key);
    return st;
}
