/* SPDX-License-Identifier: Apache-2.0
 *
 * The public operations on a token or a group. For them, only this file distinguishes the two.
 */
#include <string.h>
#include "pkcs11/group/group_private.h"
#include "pkcs11/slot/selector.h"

core_status tok_execute(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_exec_options run = {.owner = token};
    return token->group != NULL ? tok_group_execute(token, op, arg, false, err)
                                : tok_execute_on_token(token, &run, op, arg, err);
}

core_status tok_execute_once(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_exec_options run = {.owner = token, .once = true};
    return token->group != NULL ? tok_group_execute(token, op, arg, true, err)
                                : tok_execute_on_token(token, &run, op, arg, err);
}

core_status tok_execute_twice(tok_token *token, tok_op op, void *arg, core_err *err)
{
    const core_status st = tok_execute(token, op, arg, err);
    return st == ST_FAILURE ? tok_execute(token, op, arg, err) : st;
}

void tok_token_allow_last_try(tok_token *token)
    CORE_NO_ANALYSIS /* a status says whether the lock is held */
{
    tok_member_info members[CORE_GROUP_MOST];

    if (token->group != NULL) {
        for (unsigned i = 0; i < tok_token_members(token, members); i++) {
            tok_token *member = tok_group_token(token, i);
            if (member != NULL)
                tok_token_allow_last_try(member);
        }
    } else if (tok_login_lock_acquire(token, NULL) == ST_OK) {
        token->pin->last_allowed = true;
        tok_timed_lock_release(&token->login_lock);
    }
}

void tok_token_stats_get(tok_token *token, tok_token_stats *out)
{
    memset(out, 0, sizeof *out);
    if (token->group != NULL)
        tok_group_stats(token, out);
    else
        tok_single_stats(token, out);
}

core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len, core_err *err)
{
    if (pin != NULL && pin_len == 0) {
        return core_fail(err, ST_PIN_SOURCE, "token \"%s\": the PIN given is empty",
                         token->info.label);
    }
    return token->group != NULL ? tok_group_login(token, pin, pin_len, err)
                                : tok_single_login(token, pin, pin_len, err);
}

void tok_token_logout(tok_token *token)
{
    tok_fork_check(token->ctx);
    if (token->group != NULL)
        tok_group_logout(token);
    else
        tok_single_logout(token);
}

/* The group whose alias a URI names as the label of a token; NULL: none. */
static const core_token_config *find_group_by_uri(const core_config *config, const tok_uri *uri)
{
    const core_token_config *group = NULL;
    if (tok_selector_is_plain(uri))
        group = core_config_token(config, uri->token);
    return group != NULL && group->members != NULL ? group : NULL;
}

/* Finds the group that an identity names, by its alias or by a URI. *group NULL: the identity names
 * a token. ST_FORMAT: the URI is invalid; ST_INVALID_ARGUMENT: the identity is empty. */
static core_status find_group(tok_context *ctx, const char *identity, const char *selector,
                              const core_token_config *alias, const core_token_config **group,
                              core_err *err)
{
    tok_uri uri;

    *group = alias != NULL && alias->members != NULL ? alias : NULL;
    if (identity[0] == '\0') {
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "IDENTITY is empty; name a token alias, URI or label");
    }
    if (*group != NULL || !tok_uri_is(selector))
        return ST_OK;
    core_status st = tok_selector_parse(selector, &uri, err);
    if (st != ST_OK)
        return st;
    if (alias == NULL)
        *group = find_group_by_uri(ctx->config, &uri);
    tok_uri_free(&uri);
    return ST_OK;
}

core_status tok_token_find(tok_context *ctx, const char *identity, tok_token **out, core_err *err)
{
    const core_token_config *alias = core_config_token(ctx->config, identity);
    const char *selector = alias != NULL ? alias->token : identity;
    const core_token_config *group = NULL;

    *out = NULL;
    core_status st = find_group(ctx, identity, selector, alias, &group, err);
    if (st != ST_OK)
        return st;
    return group != NULL ? tok_group_find(ctx, group, out, err)
                         : tok_single_find(ctx, identity, selector, out, err);
}
