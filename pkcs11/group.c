/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups: finding them and their members, and running operations on one member or another.
 *
 * Only a device that fails lets another member serve. A key that one member does not have, refuses
 * or finds expired is an answer, and so is a wrong PIN: to ask elsewhere would undo what an
 * administrator did here. A member that failed is left alone for a pause that doubles; then the
 * next caller looks for it, and one log line says that it is back.
 */
#include <stdio.h>
#include <string.h>
#include "pkcs11/group_private.h"

static bool member_up(const tok_member *member)
{
    const tok_token *token = atomic_load(&member->token);
    return token != NULL && !atomic_load(&token->health.down) && atomic_load(&member->joined) > 0;
}

/* --- finding --- */

static core_status member_find(tok_token *group, tok_member *member, core_err *err)
{
    tok_context *ctx = group->ctx;
    tok_token *token = NULL;

    core_status st = tok_token_find(ctx, member->config->alias, &token, err);
    if (tok_says_away(st) && tok_context_look_again(ctx, true))
        st = tok_token_find(ctx, member->config->alias, &token, err);
    if (st == ST_OK) {
        pthread_mutex_lock(&ctx->gate);
        ctx->absent.reset_s = 0;
        pthread_mutex_unlock(&ctx->gate);
        atomic_store(&member->backoff_ms, 0);
        atomic_store(&member->token, token);
        return ST_OK;
    }
    unsigned pause = tok_backoff_next(atomic_load(&member->backoff_ms));
    if (atomic_exchange(&member->backoff_ms, pause) == 0)
        core_log_status(CORE_LOG_ERROR, "token lost", st, err);
    atomic_store(&member->seek_at_us, core_now_us() + (uint64_t)pause * 1000);
    return st;
}

static tok_token *group_new(tok_context *ctx, const core_token_config *config)
{
    tok_token *group = core_calloc(1, sizeof *group);

    if (group == NULL)
        return NULL;
    group->group = core_calloc(1, sizeof *group->group);
    group->ctx = ctx;
    group->config = config;
    atomic_store(&group->epoch, 1);
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->freed, NULL);
    tok_turn_init(&group->login_turn);
    tok_turn_init(&group->key_turn);
    (void)snprintf(group->info.label, sizeof group->info.label, "%.32s", config->alias);
    (void)snprintf(group->info.alias, sizeof group->info.alias, "%.64s", config->alias);
    (void)snprintf(group->info.model, sizeof group->info.model, "group");
    group->info.initialised = group->info.pin_set = true;
    if (group->group == NULL || core_random(group->pin.salt, sizeof group->pin.salt) != ST_OK) {
        tok_group_free(group);
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

void tok_group_forget_process(tok_token *group)
{
    for (unsigned i = 0; i < group->group->count; i++)
        atomic_store(&group->group->members[i].sought, false);
}

void tok_group_stats(tok_token *group, tok_token_stats *out)
{
    for (unsigned i = 0; i < group->group->count; i++) {
        tok_token *token = atomic_load(&group->group->members[i].token);
        tok_token_stats one = {0};
        if (token != NULL)
            tok_token_stats_get(token, &one);
        out->epoch += one.epoch;
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
        out[i].serves = member_up(&g->members[i]);
        out[i].refused = atomic_load(&g->members[i].refused);
    }
    return g != NULL ? g->count : 0;
}

/* The object of a group: the one there is, or a new one, which the context keeps. */
static tok_token *group_of(tok_context *ctx, const core_token_config *config)
{
    tok_token *fresh = group_new(ctx, config);
    tok_token *group;

    pthread_mutex_lock(&ctx->gate);
    for (group = ctx->groups; group != NULL && group->config != config; group = group->next) {
    }
    if (group == NULL && fresh != NULL) {
        group = fresh;
        fresh = NULL;
        group->next = ctx->groups;
        ctx->groups = group;
    }
    if (group != NULL)
        atomic_fetch_add(&group->refs, 1);
    pthread_mutex_unlock(&ctx->gate);
    if (fresh != NULL)
        tok_group_free(fresh);
    return group;
}

core_status tok_group_find(tok_context *ctx, const core_token_config *config, tok_token **out,
                           core_err *err)
{
    core_status st = ST_OK;
    bool found = false;
    tok_token *group = group_of(ctx, config);

    *out = NULL;
    if (group == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    for (unsigned i = 0; i < group->group->count; i++) {
        tok_member *member = &group->group->members[i];
        core_status now = ST_OK;
        if (atomic_load(&member->token) == NULL)
            now = member_find(group, member, err);
        found |= now == ST_OK;
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
        st = member_find(group, member, err);
    else if (atomic_load(&token->health.down))
        st = tok_heal(token, ST_DEVICE, atomic_load(&token->epoch), err);
    return st == ST_OK ? tok_member_join(group, member, err) : st;
}

/* --- running --- */

/* Whether the member can be asked now. One that is away is looked for by one caller when it is
 * time; the others go on without it. */
static bool member_serves(tok_token *group, tok_member *member, core_err *err)
{
    const tok_token *token = atomic_load(&member->token);
    uint64_t at = atomic_load(&member->seek_at_us);
    bool sought = false;

    if (member_up(member))
        return true;
    if (token != NULL && atomic_load(&token->health.retry_at_us) > at)
        at = atomic_load(&token->health.retry_at_us);
    if (atomic_load(&member->refused) || core_now_us() < at ||
        !atomic_compare_exchange_strong(&member->sought, &sought, true))
        return false;
    core_status st = tok_member_fetch(group, member, err);
    atomic_store(&member->sought, false);
    return st == ST_OK;
}

/* Whether a member that was not asked yet (those from `from` on, in turn) could take over. */
static bool spare_there(const struct tok_group *g, unsigned first, unsigned from)
{
    for (unsigned i = from; i < g->count; i++)
        if (member_up(&g->members[(first + i) % g->count]))
            return true;
    return false;
}

static core_status run_on_member(tok_token *group, unsigned place, tok_run_how *run, tok_op op,
                                 void *arg, core_err *err)
{
    tok_token *token = atomic_load(&group->group->members[place].token);

    run->asker = group;
    run->place = place;
    core_status st = tok_run_on(token, run, op, arg, err);
    if (err != NULL)
        err->member = token->info.label;
    if (tok_says_away(st))
        tok_mark_lost(token, st, err);
    return st;
}

tok_token *tok_group_member(tok_token *group, unsigned place)
{
    tok_member *member = &group->group->members[place];
    return place < group->group->count && member_up(member) ? atomic_load(&member->token) : NULL;
}

core_status tok_group_run_at(tok_token *group, unsigned place, tok_op op, void *arg, core_err *err)
{
    tok_run_how run = {.spare = true};
    return run_on_member(group, place, &run, op, arg, err);
}

core_status tok_group_run(tok_token *group, tok_op op, void *arg, bool once, core_err *err)
{
    struct tok_group *g = group->group;
    bool in_turn = group->config->group_order == CORE_ORDER_ROUND_ROBIN;
    core_status st = ST_OK;
    core_err why = {0};

    tok_fork_check(group->ctx);
    unsigned first = in_turn ? atomic_fetch_add(&g->turn, 1) % g->count : 0;
    for (unsigned i = 0; i < g->count; i++) {
        unsigned place = (first + i) % g->count;
        if (!member_serves(group, &g->members[place], &why))
            continue;
        tok_run_how run = {.once = once, .spare = spare_there(g, first, i + 1)};
        st = run_on_member(group, place, &run, op, arg, err);
        if (!tok_says_away(st) || (once && run.reached))
            return st;
    }
    return st != ST_OK
               ? st
               : core_fail(err, ST_DEVICE_BACKOFF, "group \"%s\": none of its tokens serves%s%s",
                           group->info.label, why.text[0] == '\0' ? "" : ": ", why.text);
}

/* --- on all members, on the first --- */

static core_status need_member(tok_token *group, unsigned place, core_err *err)
{
    const tok_member *member = &group->group->members[place];
    core_err why = {0};

    if (member_serves(group, &group->group->members[place], &why))
        return ST_OK;
    return core_fail(err, ST_DEVICE, "group \"%s\": this needs its token \"%s\", which is away%s%s",
                     group->info.label, member->config->alias, why.text[0] == '\0' ? "" : ": ",
                     why.text);
}

core_status tok_run_all(tok_token *token, tok_op op, tok_op undo, void *arg, core_err *err)
{
    core_status st = ST_OK;
    unsigned done = 0;

    if (token->group == NULL)
        return undo != NULL ? tok_run(token, op, arg, err) : tok_run_once(token, op, arg, err);
    for (unsigned i = 0; st == ST_OK && i < token->group->count; i++)
        st = need_member(token, i, err);
    for (; st == ST_OK && done < token->group->count; done += st == ST_OK) {
        tok_run_how run = {.once = undo == NULL};
        st = run_on_member(token, done, &run, op, arg, err);
    }
    for (unsigned i = 0; st != ST_OK && undo != NULL && i < done; i++) {
        tok_run_how run = {0};
        core_err why = {0};
        core_status undone = run_on_member(token, i, &run, undo, arg, &why);
        if (undone != ST_OK) {
            core_log_status(CORE_LOG_ERROR, "a change of the group could not be taken back", undone,
                            &why);
        }
    }
    return st;
}

core_status tok_run_first(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_run_how run = {.once = true};

    if (token->group == NULL)
        return tok_run_once(token, op, arg, err);
    core_status st = need_member(token, 0, err);
    return st == ST_OK ? run_on_member(token, 0, &run, op, arg, err) : st;
}
