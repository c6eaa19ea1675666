/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups: finds them and their members. A member that was never found is searched for with the same
 * back-off as a lost token: the pause doubles after each failure.
 */
#include <stdio.h>
#include "pkcs11/group/group_private.h"

bool tok_member_up(const tok_member *member)
{
    const tok_token *token = atomic_load(&member->token);
    return token != NULL && !atomic_load(&token->health.down) && atomic_load(&member->joined) > 0;
}

tok_token *tok_group_token(tok_token *group, unsigned member_index)
{
    return atomic_load(&group->group->members[member_index].token);
}

/* Searches for the token of a member. A failure starts or doubles the back-off. */
static core_status find_member(tok_token *group, tok_member *member, core_err *err)
{
    tok_context *ctx = group->ctx;
    tok_token *token = NULL;

    core_status st =
        tok_single_find(ctx, member->config->alias, member->config->token, &token, err);
    if (tok_status_is_unavailable(st) && tok_context_probe_again(ctx, true))
        st = tok_single_find(ctx, member->config->alias, member->config->token, &token, err);
    if (st == ST_OK) {
        tok_context_found(ctx);
        atomic_store(&member->backoff_ms, 0);
        atomic_store(&member->token, token);
        return ST_OK;
    }
    unsigned pause = tok_backoff_next(atomic_load(&member->backoff_ms));
    if (atomic_exchange(&member->backoff_ms, pause) == 0)
        core_log_status(CORE_LOG_ERROR, "token lost", st, err);
    atomic_store(&member->probe_at_us, core_now_us() + (uint64_t)pause * 1000);
    return st;
}

static tok_token *make_group(tok_context *ctx, const core_token_config *config)
{
    tok_token *group = tok_token_make(ctx, config);

    if (group == NULL)
        return NULL;
    (void)snprintf(group->info.label, sizeof group->info.label, "%.32s", config->alias);
    (void)snprintf(group->info.alias, sizeof group->info.alias, "%.64s", config->alias);
    (void)snprintf(group->info.model, sizeof group->info.model, "group");
    group->info.initialised = group->info.pin_set = true;
    group->group = core_calloc(1, sizeof *group->group);
    if (group->group == NULL) {
        tok_token_free(group);
        return NULL;
    }
    group->group->count = config->member_count;
    for (unsigned i = 0; i < config->member_count; i++)
        group->group->members[i].config = config->member[i];
    return group;
}

void tok_group_free(tok_token *group)
{
    core_free(group->group);
    group->group = NULL;
    tok_token_free(group);
}

void tok_group_stats(tok_token *group, tok_token_stats *out)
{
    for (unsigned i = 0; i < group->group->count; i++) {
        tok_token *token = atomic_load(&group->group->members[i].token);
        tok_token_stats one = {0};
        if (token != NULL)
            tok_single_stats(token, &one);
        out->module_generation += one.module_generation;
        out->sessions += one.sessions;
        out->recoveries += one.recoveries;
        out->logins += one.logins;
        out->searches += one.searches;
    }
}

size_t tok_token_members(const tok_token *token, tok_member_info out[CORE_GROUP_MOST])
{
    const struct tok_group *g = token->group;

    for (unsigned i = 0; g != NULL && i < g->count; i++) {
        out[i].alias = g->members[i].config->alias;
        out[i].serves = tok_member_up(&g->members[i]);
        out[i].refused = atomic_load(&g->members[i].refused);
    }
    return g != NULL ? g->count : 0;
}

/* Returns a reference to the object of a group, which is created at the first call. The context
 * owns it. NULL: out of memory. */
static tok_token *get_group(tok_context *ctx, const core_token_config *config)
{
    tok_token *group;

    core_mutex_lock(&ctx->gate->lock);
    for (group = ctx->groups; group != NULL && group->config != config; group = group->next) {
    }
    if (group == NULL && (group = make_group(ctx, config)) != NULL) {
        group->next = ctx->groups;
        ctx->groups = group;
    }
    if (group != NULL)
        atomic_fetch_add(&group->refs, 1);
    core_mutex_unlock(&ctx->gate->lock);
    return group;
}

/* True if a member that was never found must be searched for now. The search reads all slots, so if
 * another member was found, it waits until the back-off has elapsed. */
static bool is_search_due(const struct tok_group *g, const tok_member *member)
{
    bool others = false;

    for (unsigned i = 0; i < g->count; i++)
        others |= atomic_load(&g->members[i].token) != NULL;
    return atomic_load(&member->token) == NULL &&
           (!others || core_now_us() >= atomic_load(&member->probe_at_us));
}

core_status tok_group_find(tok_context *ctx, const core_token_config *config, tok_token **out,
                           core_err *err)
{
    core_status st = ST_OK;
    bool found = false;

    tok_fork_check(ctx);
    tok_token *group = get_group(ctx, config);
    *out = NULL;
    if (group == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    for (unsigned i = 0; i < group->group->count; i++) {
        tok_member *member = &group->group->members[i];
        core_status now = ST_OK;
        if (is_search_due(group->group, member))
            now = find_member(group, member, err);
        found |= atomic_load(&member->token) != NULL;
        st = now == ST_OK ? st : now;
    }
    if (!found) {
        tok_token_release(group);
        return st;
    }
    *out = group;
    return ST_OK;
}

core_status tok_member_fetch(tok_token *group, tok_member *member, core_err *err)
{
    core_status st = ST_OK;
    tok_token *token = atomic_load(&member->token);

    if (token == NULL)
        st = find_member(group, member, err);
    else if (atomic_load(&token->health.down))
        st = tok_recover(token, ST_DEVICE, atomic_load(&token->module_generation), err);
    return st == ST_OK ? tok_member_join(group, member, err) : st;
}
