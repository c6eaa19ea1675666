/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds a token by its alias, URI or label in the slots of a module, and creates its object.
 */
#include <string.h>
#include "pkcs11/recovery/recovery_private.h"
#include "pkcs11/slot/selector.h"

static core_status list_present(tok_context *ctx, tok_token_info **out, size_t *count,
                                core_err *err)
{
    tok_call_scope scope;
    core_status silent = ST_OK;
    core_status st = tok_module_enter(ctx, &scope, err);

    if (st != ST_OK)
        return st;
    st = tok_slot_list_tokens(ctx, out, count, &silent, err);
    if (st == ST_OK && *count == 0 && silent != ST_OK)
        st = core_fail(err, silent, "module \"%s\": there is a token, but it does not answer",
                       ctx->config->module);
    tok_module_exit(ctx, &scope, "C_GetSlotList");
    return st;
}

core_status tok_token_list(tok_context *ctx, tok_token_info **out, size_t *count, core_err *err)
{
    *out = NULL;
    *count = 0;
    core_status st = tok_context_ready(ctx, err);
    if (st == ST_OK)
        st = list_present(ctx, out, count, err);
    if (core_status_class(st) == CORE_CLASS_DEVICE && atomic_load(&ctx->gate->uninitialised)) {
        core_free(*out);
        *out = NULL;
        st = tok_context_ready(ctx, err);
        if (st == ST_OK)
            st = list_present(ctx, out, count, err);
    }
    if (st != ST_OK) {
        core_free(*out);
        *out = NULL;
    }
    return st;
}

static void add_candidate(core_str *out, const tok_token_info *info)
{
    core_str_addf(out, "%s\"%s\" (serial %s, slot-id %llu)", out->length > 0 ? ", " : "",
                  info->label, info->serial, (unsigned long long)info->slot);
}

static core_status fail_none(tok_context *ctx, const char *identity, const char *selector,
                             const char *present, core_err *err)
{
    if (core_config_token(ctx->config, identity) == NULL) {
        return core_fail(
            err, ST_TOKEN_NOT_FOUND,
            "token \"%s\": none matches, there are: %s; correct IDENTITY (--token), or "
            "add a [token %s] section",
            identity, present, identity);
    }
    return core_fail(err, ST_TOKEN_NOT_FOUND,
                     "token \"%s\" (token = %s): none matches, there are: %s; correct 'token' in "
                     "[token %s], or IDENTITY",
                     identity, selector, present, identity);
}

/* Finds the one token that the selector matches: its index in *found. ST_TOKEN_NOT_FOUND,
 * ST_TOKEN_AMBIGUOUS; the text lists the candidates. */
static core_status match_one(tok_context *ctx, const tok_token_info *infos, size_t count,
                             const char *identity, const char *selector, size_t *found,
                             core_err *err)
{
    core_str fit = {.limit = 300}, all = {.limit = 240};
    core_status st = ST_OK;
    size_t hits = 0;

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        bool fits = false;
        st = tok_selector_fits(ctx, selector, &infos[i], &fits, err);
        add_candidate(&all, &infos[i]);
        if (!fits)
            continue;
        add_candidate(&fit, &infos[i]);
        *found = i;
        hits++;
    }
    if (st == ST_OK && hits == 0) {
        st = fail_none(ctx, identity, selector, count > 0 ? core_str_get(&all) : "none", err);
    } else if (st == ST_OK && hits > 1) {
        st = core_fail(err, ST_TOKEN_AMBIGUOUS,
                       "token \"%s\": %zu match: %s; name it by a PKCS#11 URI with its serial, or "
                       "with its slot-id where serials are equal",
                       identity, hits, core_str_get(&fit));
    }
    core_str_free(&fit);
    core_str_free(&all);
    return st;
}

/* `selector` is the one that found the token; it is kept if it has slot attributes. */
static tok_token *token_new(tok_context *ctx, const core_token_config *config,
                            const tok_token_info *info, const char *selector)
{
    tok_token *token = tok_token_make(ctx, config);
    if (token == NULL)
        return NULL;
    if (tok_selector_names_slot(selector)) {
        token->slot_uri = core_strdup(selector);
        if (token->slot_uri == NULL) {
            tok_token_free(token);
            return NULL;
        }
    }
    token->info = *info;
    token->slot = (CK_SLOT_ID)info->slot;
    token->present = true;
    return token;
}

/* The existing object of the token, or NULL. Two tokens may differ by their slots alone; they have
 * different URIs with slot attributes then. */
static tok_token *known_locked(tok_context *ctx, const tok_token_info *info, const char *selector)
    CORE_REQUIRES(ctx->gate->lock)
{
    tok_token *in_slot = NULL;

    for (tok_token *token = ctx->tokens; token != NULL; token = token->next) {
        if (!tok_info_same(&token->info, info))
            continue;
        if (token->slot_uri == NULL || strcmp(token->slot_uri, selector) == 0)
            return token;
        if (atomic_load(&token->slot) == (CK_SLOT_ID)info->slot)
            in_slot = token;
    }
    return in_slot;
}

/* Returns the existing object of the token or creates one, with a reference for the caller. The
 * context owns the object. NULL: no memory. */
static tok_token *get_or_create_token(tok_context *ctx, const core_token_config *config,
                                      const tok_token_info *info, const char *selector)
{
    core_mutex_lock(&ctx->gate->lock);
    tok_token *token = known_locked(ctx, info, selector);
    if (token == NULL && (token = token_new(ctx, config, info, selector)) != NULL) {
        token->next = ctx->tokens;
        ctx->tokens = token;
    }
    if (token != NULL) {
        /* If the token is in use, only its recovery may change the slot, since that also drops the
         * sessions and handles. */
        if (tok_login_users(token) == 0)
            token->slot = (CK_SLOT_ID)info->slot;
        atomic_fetch_add(&token->refs, 1);
    }
    core_mutex_unlock(&ctx->gate->lock);
    return token;
}

/* True if a slot holds an uninitialized token; tok_slot_list_tokens skips such tokens. */
static bool any_uninitialised(tok_context *ctx)
{
    CK_SLOT_ID *slots = NULL;
    CK_ULONG n = 0;
    bool found = false;

    if (tok_slot_list(ctx, &slots, &n, NULL) != ST_OK || slots == NULL)
        return false;
    for (CK_ULONG i = 0; i < n && !found; i++) {
        tok_token_info info;
        found = tok_slot_info(ctx, slots[i], &info, NULL) == ST_OK && !info.initialised;
    }
    core_free(slots);
    return found;
}

static core_status find(tok_context *ctx, const char *identity, const char *selector,
                        tok_token **out, core_err *err)
{
    const core_token_config *config = NULL;
    tok_token_info *infos = NULL;
    size_t count = 0;
    size_t found = 0;
    tok_call_scope scope;

    core_status st = tok_module_enter(ctx, &scope, err);
    if (st != ST_OK)
        return st;
    st = tok_slot_list_tokens(ctx, &infos, &count, NULL, err);
    if (st == ST_OK)
        st = match_one(ctx, infos, count, identity, selector, &found, err);
    if (st == ST_TOKEN_NOT_FOUND && count == 0 && any_uninitialised(ctx)) {
        st = core_fail(err, st,
                       "token \"%s\": none matches; a token is present that is not initialized; "
                       "initialize it with the vendor's tool",
                       identity);
    }
    if (st == ST_OK && infos != NULL)
        st = tok_config_of(ctx, &infos[found], &config, err);
    if (st == ST_OK && config != NULL) {
        *out = get_or_create_token(ctx, config, &infos[found], selector);
        if (*out == NULL)
            st = core_fail(err, ST_NO_MEMORY, "out of memory");
    }
    core_free(infos);
    tok_module_exit(ctx, &scope, identity);
    return st;
}

core_status tok_single_find(tok_context *ctx, const char *identity, const char *selector,
                            tok_token **out, core_err *err)
{
    core_status st = tok_context_ready(ctx, err);

    *out = NULL;
    if (st == ST_OK)
        st = find(ctx, identity, selector, out, err);
    if (core_status_class(st) == CORE_CLASS_DEVICE && tok_context_probe_again(ctx, false)) {
        st = find(ctx, identity, selector, out, err);
        if (st == ST_OK)
            tok_context_found(ctx);
    }
    return st;
}
