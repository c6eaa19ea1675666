/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of a group: on one member or another, on all, on the first.
 *
 * Only a device that fails lets another member serve. A key that one member does not have, refuses
 * or finds expired is an answer, and so is a wrong PIN: to ask elsewhere would undo what an
 * administrator did here. A member that failed is left alone for a pause that doubles; then the
 * next caller looks for it, and one log line says that it is back.
 */
#include "pkcs11/group/group_private.h"

/* Whether the member can be asked now. One that is away is looked for by one caller when it is
 * time; the others go on without it. */
static bool member_serves(tok_token *group, tok_member *member, core_err *err)
{
    const tok_token *token = atomic_load(&member->token);
    uint64_t at = atomic_load(&member->probe_at_us);
    uint32_t prober = atomic_load(&member->prober);
    const uint32_t me = core_process_id();

    if (tok_member_up(member))
        return true;
    if (token != NULL && atomic_load(&token->health.retry_at_us) > at)
        at = atomic_load(&token->health.retry_at_us);
    if (atomic_load(&member->refused) || core_now_us() < at)
        return false;
    /* The seeker of a parent process does not seek here. */
    if (prober == me || !atomic_compare_exchange_strong(&member->prober, &prober, me))
        return false;
    core_status st = tok_member_fetch(group, member, err);
    atomic_store(&member->prober, 0);
    return st == ST_OK;
}

/* Whether a member that was not asked yet (those from `from` on, in turn) could take over. */
static bool failover_exists(const struct tok_group *g, unsigned first, unsigned from)
{
    for (unsigned i = from; i < g->count; i++)
        if (tok_member_up(&g->members[(first + i) % g->count]))
            return true;
    return false;
}

static core_status run_on_member(tok_token *group, unsigned member_index, tok_exec_options *run,
                                 tok_op op, void *arg, core_err *err)
{
    tok_token *token = atomic_load(&group->group->members[member_index].token);

    run->owner = group;
    run->member_index = member_index;
    core_status st = tok_execute_on_token(token, run, op, arg, err);
    if (err != NULL)
        err->served_by = token->info.label;
    if (tok_status_is_unavailable(st))
        tok_mark_unavailable(token, st, err);
    return st;
}

tok_token *tok_group_member(tok_token *group, unsigned member_index)
{
    tok_member *members = group->group->members;
    bool there = member_index < group->group->count && tok_member_up(&members[member_index]);
    return there ? atomic_load(&members[member_index].token) : NULL;
}

core_status tok_group_execute_at(tok_token *group, unsigned member_index, tok_op op, void *arg,
                                 core_err *err)
{
    tok_exec_options run = {.can_failover = true};
    return run_on_member(group, member_index, &run, op, arg, err);
}

core_status tok_group_execute(tok_token *group, tok_op op, void *arg, bool once, core_err *err)
{
    struct tok_group *g = group->group;
    bool in_turn = group->config->group_order == CORE_ORDER_ROUND_ROBIN;
    core_status st = ST_OK;
    core_err why = {0};

    tok_fork_check(group->ctx);
    unsigned first = in_turn ? atomic_fetch_add(&g->turn, 1) % g->count : 0;
    for (unsigned i = 0; i < g->count; i++) {
        unsigned member_index = (first + i) % g->count;
        if (!member_serves(group, &g->members[member_index], &why))
            continue;
        tok_exec_options run = {.once = once, .can_failover = failover_exists(g, first, i + 1)};
        st = run_on_member(group, member_index, &run, op, arg, err);
        if (!tok_status_is_unavailable(st) || (once && run.reached) ||
            !tok_module_there(group->ctx))
            return st;
    }
    return st != ST_OK
               ? st
               : core_fail(err, ST_DEVICE_BACKOFF, "group \"%s\": none of its tokens serves%s%s",
                           group->info.label, why.text[0] == '\0' ? "" : ": ", why.text);
}

/* --- on all members, on the first --- */

static core_status need_member(tok_token *group, unsigned member_index, core_err *err)
{
    const tok_member *member = &group->group->members[member_index];
    core_err why = {0};

    if (member_serves(group, &group->group->members[member_index], &why))
        return ST_OK;
    return core_fail(err, ST_DEVICE, "group \"%s\": this needs its token \"%s\", which is away%s%s",
                     group->info.label, member->config->alias, why.text[0] == '\0' ? "" : ": ",
                     why.text);
}

/* One step of a change that cannot be undone. Where it failed half way it is done again, and a
 * member that does not have the key any more has taken it. */
static core_status run_step(tok_token *group, unsigned member_index, bool undoable, tok_op op,
                            void *arg, unsigned *without, core_err *err)
{
    tok_exec_options run = {.once = !undoable};
    core_status st = run_on_member(group, member_index, &run, op, arg, err);
    const bool absent = !undoable && (st == ST_HANDLE_LOST || st == ST_NOT_FOUND);

    *without += absent;
    return absent && *without < group->group->count ? ST_OK : st;
}

core_status tok_execute_on_all_members(tok_token *token, tok_op op, tok_op undo, void *arg,
                                       core_err *err)
{
    core_status st = ST_OK;
    unsigned done = 0;
    unsigned without = 0;

    if (token->group == NULL) {
        tok_exec_options run = {.owner = token, .once = undo == NULL};
        return tok_execute_on_token(token, &run, op, arg, err);
    }
    tok_fork_check(token->ctx);
    for (unsigned i = 0; st == ST_OK && i < token->group->count; i++)
        st = need_member(token, i, err);
    for (; st == ST_OK && done < token->group->count; done += st == ST_OK)
        st = run_step(token, done, undo != NULL, op, arg, &without, err);
    for (unsigned i = 0; st != ST_OK && undo != NULL && i < done; i++) {
        tok_exec_options run = {0};
        core_err why = {0};
        core_status undone = run_on_member(token, i, &run, undo, arg, &why);
        if (undone != ST_OK) {
            core_log_status(CORE_LOG_ERROR, "a change of the group could not be taken back", undone,
                            &why);
        }
    }
    return st;
}

core_status tok_execute_on_primary(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_exec_options run = {.owner = token, .once = true};

    if (token->group == NULL)
        return tok_execute_on_token(token, &run, op, arg, err);
    tok_fork_check(token->ctx);
    core_status st = need_member(token, 0, err);
    return st == ST_OK ? run_on_member(token, 0, &run, op, arg, err) : st;
}
