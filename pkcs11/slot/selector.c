/* SPDX-License-Identifier: Apache-2.0
 *
 * Matches tokens against a selector: a label, or a PKCS#11 URI. Every attribute of the URI is
 * compared or refused, none is ignored: the selector decides to which token a PIN is sent.
 */
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "pkcs11/slot/selector.h"
#include "pkcs11/slot/slot_private.h"

/* Returns why the URI cannot select a token, or NULL if it can. */
static const char *refusal_reason(const tok_uri *uri)
{
    if (uri->object != NULL || uri->has_id || uri->type != NULL)
        return "object, id and type name a key; a token is named by token, serial, manufacturer, "
               "model, slot and library attributes";
    if (uri->pin_source != NULL)
        return "pin-source is not used; name the file in pin_file";
    return NULL;
}

core_status tok_selector_check(const char *selector, core_err *err)
{
    tok_uri uri;

    if (!tok_uri_is(selector))
        return ST_OK;
    core_status st = tok_uri_parse(selector, &uri, err);
    if (st != ST_OK)
        return st;
    const char *why = refusal_reason(&uri);
    tok_uri_free(&uri);
    return why == NULL ? ST_OK : core_fail(err, ST_FORMAT, "PKCS#11 URI of a token: %s", why);
}

core_status tok_selectors_check(const core_config *config, core_err *err)
{
    for (size_t i = 0; i < config->token_count; i++) {
        const core_token_config *token = &config->tokens[i];
        core_err why = {0};
        core_status st = token->token != NULL ? tok_selector_check(token->token, &why) : ST_OK;
        if (st != ST_OK) {
            return core_fail(err, st == ST_FORMAT ? ST_CONFIG_INVALID : st,
                             "%s: [token %s]: token: %s", config->path, token->alias,
                             core_err_text(&why, st));
        }
    }
    return ST_OK;
}

static bool has_slot_attributes(const tok_uri *uri)
{
    return uri->slot_id != NULL || uri->slot_description != NULL || uri->slot_manufacturer != NULL;
}

bool tok_selector_names_slot(const char *selector)
{
    tok_uri uri;

    if (!tok_uri_is(selector) || tok_uri_parse(selector, &uri, NULL) != ST_OK)
        return false;
    const bool names = has_slot_attributes(&uri);
    tok_uri_free(&uri);
    return names;
}

bool tok_selector_is_plain(const tok_uri *uri)
{
    return uri->token != NULL && uri->serial == NULL && uri->manufacturer == NULL &&
           uri->model == NULL && !has_slot_attributes(uri) && uri->library_description == NULL &&
           uri->library_manufacturer == NULL && uri->library_version == NULL &&
           uri->module_path == NULL && uri->module_name == NULL;
}

/* --- comparison --- */

static bool field_fits(const char *wanted, const char *have)
{
    return wanted == NULL || strcmp(wanted, have) == 0;
}

/* Compares with a blank-padded field of a Cryptoki structure, without blanks at both ends. */
static bool padded_fits(const char *wanted, const CK_UTF8CHAR *field, size_t length)
{
    size_t from = 0;

    if (wanted == NULL)
        return true;
    while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == '\0'))
        length--;
    while (from < length && field[from] == ' ')
        from++;
    return strlen(wanted) == length - from && memcmp(wanted, field + from, length - from) == 0;
}

static bool slot_fits(tok_context *ctx, const tok_uri *uri, const tok_token_info *info)
{
    CK_SLOT_INFO slot;

    if (uri->slot_id != NULL && strtoull(uri->slot_id, NULL, 10) != info->slot)
        return false;
    if (uri->slot_description == NULL && uri->slot_manufacturer == NULL)
        return true;
    return ctx->library.f->C_GetSlotInfo((CK_SLOT_ID)info->slot, &slot) == CKR_OK &&
           padded_fits(uri->slot_description, slot.slotDescription, sizeof slot.slotDescription) &&
           padded_fits(uri->slot_manufacturer, slot.manufacturerID, sizeof slot.manufacturerID);
}

/* "major" alone means minor version 0 (RFC 7512, section 2.3). */
static bool version_fits(const char *wanted, CK_VERSION have)
{
    char *end = NULL;

    if (wanted == NULL)
        return true;
    const unsigned long major = strtoul(wanted, &end, 10);
    const unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major == have.major && minor == have.minor;
}

static bool library_fits(tok_context *ctx, const tok_uri *uri)
{
    CK_INFO info;

    if (uri->library_description == NULL && uri->library_manufacturer == NULL &&
        uri->library_version == NULL)
        return true;
    return ctx->library.f->C_GetInfo(&info) == CKR_OK &&
           padded_fits(uri->library_description, info.libraryDescription,
                       sizeof info.libraryDescription) &&
           padded_fits(uri->library_manufacturer, info.manufacturerID,
                       sizeof info.manufacturerID) &&
           version_fits(uri->library_version, info.libraryVersion);
}

/* Compares with the file name of the module without its directories and extension, and with or
 * without the prefix "lib" (RFC 7512: "softhsm2" for /usr/lib/softhsm/libsofthsm2.so). */
static bool name_fits(const char *wanted, const char *path)
{
    const char *name = path;

    for (const char *c = path; *c != '\0'; c++)
        if (*c == '/' || *c == '\\')
            name = c + 1;
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    if (strlen(wanted) == length && memcmp(wanted, name, length) == 0)
        return true;
    return length > 3 && memcmp(name, "lib", 3) == 0 && strlen(wanted) == length - 3 &&
           memcmp(wanted, name + 3, length - 3) == 0;
}

static bool module_fits(const tok_context *ctx, const tok_uri *uri)
{
    const char *path = ctx->config->module;

    return field_fits(uri->module_path, path) &&
           (uri->module_name == NULL || name_fits(uri->module_name, path));
}

core_status tok_selector_parse(const char *selector, tok_uri *out, core_err *err)
{
    const core_status st = tok_selector_check(selector, err);
    return st == ST_OK ? tok_uri_parse(selector, out, err) : st;
}

core_status tok_selector_fits(tok_context *ctx, const char *selector, const tok_token_info *info,
                              bool *fits, core_err *err)
{
    tok_uri uri;

    *fits = false;
    if (!tok_uri_is(selector)) {
        *fits = strcmp(selector, info->label) == 0;
        return ST_OK;
    }
    core_status st = tok_selector_parse(selector, &uri, err);
    if (st != ST_OK)
        return st;
    *fits = field_fits(uri.token, info->label) && field_fits(uri.serial, info->serial) &&
            field_fits(uri.manufacturer, info->manufacturer) &&
            field_fits(uri.model, info->model) && module_fits(ctx, &uri) &&
            slot_fits(ctx, &uri, info) && library_fits(ctx, &uri);
    tok_uri_free(&uri);
    return ST_OK;
}

core_status tok_config_of(tok_context *ctx, const tok_token_info *info,
                          const core_token_config **out, core_err *err)
{
    const core_config *config = ctx->config;
    bool fits = false;
    core_status st = ST_OK;

    *out = &config->defaults;
    for (size_t i = 0; st == ST_OK && !fits && i < config->token_count; i++) {
        if (config->tokens[i].token != NULL)
            st = tok_selector_fits(ctx, config->tokens[i].token, info, &fits, err);
        if (fits)
            *out = &config->tokens[i];
    }
    return st;
}
