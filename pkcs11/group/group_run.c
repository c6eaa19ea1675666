/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the operations of a group: on one available member, on all members, or on the first.
 *
 * Fails over on device errors only. A missing, disabled or expired key, or a rejected PIN, is a
 * definite result: trying another member would bypass an administrator's decision. A member that
 * failed is not used until its back-off has elapsed, and the pause doubles. The next caller after
 * that probes it, and one log line reports its return.
 */
#include "pkcs11/group/group_private.h"

/* True if an unavailable member is due for a probe: its back-off and its token's have elapsed, and
 * it has not rejected the PIN of the group. */
static bool probe_is_due(const tok_member *member)
{
    const tok_token *token = atomic_load(&member->token);
    uint64_t due_us = atomic_load(&member->probe_at_us);

    if (token != NULL && atomic_load(&token->health.retry_at_us) > due_us)
        due_us = atomic_load(&token->health.retry_at_us);
    return !atomic_load(&member->refused) && core_now_us() >= due_us;
}

/* True if the calling thread is to probe the member: no other thread of this process does. After a
 * fork, a probe of the parent process does not count. `prober` is member->prober as the caller read
 * it before probe_is_due. The caller sets it to 0 after the probe. */
static bool claim_probe(tok_member *member, uint32_t prober)
{
    const uint32_t process_id = core_process_id();

    return prober != process_id &&
           atomic_compare_exchange_strong(&member->prober, &prober, process_id);
}

/* True if the member can execute an operation now. If it is unavailable and its back-off has
 * elapsed, one caller searches for it; other callers continue without it. */
static bool is_member_usable(tok_token *group, tok_member *member, core_err *err)
{
    const uint32_t prober = atomic_load(&member->prober);

    if (tok_member_up(member))
        return true;
    if (!probe_is_due(member) || !claim_probe(member, prober))
        return false;
    core_status st = tok_member_fetch(group, member, err);
    atomic_store(&member->prober, 0);
    return st == ST_OK;
}

/* True if a member that was not tried yet is available. Members are tried from index `first` on;
 * `tried` is the number of those tried. */
static bool can_fail_over(const struct tok_group *g, unsigned first, unsigned tried)
{
    for (unsigned i = tried; i < g->count; i++)
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
    bool is_up = member_index < group->group->count && tok_member_up(&members[member_index]);
    return is_up ? atomic_load(&members[member_index].token) : NULL;
}

core_status tok_group_execute_at(tok_token *group, unsigned member_index, tok_op op, void *arg,
                                 core_err *err)
{
    tok_exec_options run = {.can_failover = true};
    return run_on_member(group, member_index, &run, op, arg, err);
}

/* The index of the member to try first: 0, or the next one in round-robin order. */
static unsigned first_member(tok_token *group)
{
    struct tok_group *g = group->group;

    return group->config->group_order == CORE_ORDER_ROUND_ROBIN
               ? atomic_fetch_add(&g->next_first, 1) % g->count
               : 0;
}

/* `why` is the error of the last probe; its text is empty if there was none. */
static core_status fail_no_member(const tok_token *group, const core_err *why, core_err *err)
{
    return core_fail(err, ST_DEVICE_BACKOFF, "group \"%s\": none of its tokens serves%s%s",
                     group->info.label, why->text[0] == '\0' ? "" : ": ", why->text);
}

/* Tries the members in order until one gives a definite result. Skips members that are not usable.
 * After a device failure it tries the next member, unless the operation must not be repeated
 * (`once`) and was begun, or the module is unavailable, which all members share. Any thread may
 * call it, outside the gate and without locks. */
core_status tok_group_execute(tok_token *group, tok_op op, void *arg, bool once, core_err *err)
{
    struct tok_group *g = group->group;
    core_status st = ST_OK;
    core_err why = {0};

    tok_fork_check(group->ctx);
    const unsigned first = first_member(group);
    for (unsigned i = 0; i < g->count; i++) {
        const unsigned member_index = (first + i) % g->count;
        if (!is_member_usable(group, &g->members[member_index], &why))
            continue;
        tok_exec_options run = {.once = once, .can_failover = can_fail_over(g, first, i + 1)};
        st = run_on_member(group, member_index, &run, op, arg, err);
        const bool must_not_repeat = once && run.reached;
        if (!tok_status_is_unavailable(st) || must_not_repeat || !tok_module_there(group->ctx))
            return st;
    }
    return st != ST_OK ? st : fail_no_member(group, &why, err);
}

/* --- on all members, on the first --- */

/* ST_DEVICE: the member is unavailable. */
static core_status require_member(tok_token *group, unsigned member_index, core_err *err)
{
    const tok_member *member = &group->group->members[member_index];
    core_err why = {0};

    if (is_member_usable(group, &group->group->members[member_index], &why))
        return ST_OK;
    return core_fail(err, ST_DEVICE, "group \"%s\": this needs its token \"%s\", which is away%s%s",
                     group->info.label, member->config->alias, why.text[0] == '\0' ? "" : ": ",
                     why.text);
}

/* Makes a change on one member. If the change cannot be undone, it is repeated after a partial
 * failure; then a member without the key counts as changed. *without: the number of such members;
 * if that is all of them, the step fails. */
static core_status run_step(tok_token *group, unsigned member_index, bool undoable, tok_op op,
                            void *arg, unsigned *without, core_err *err)
{
    tok_exec_options run = {.once = !undoable};
    core_status st = run_on_member(group, member_index, &run, op, arg, err);
    const bool is_absent = !undoable && (st == ST_HANDLE_LOST || st == ST_NOT_FOUND);

    *without += is_absent;
    return is_absent && *without < group->group->count ? ST_OK : st;
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
        st = require_member(token, i, err);
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
    core_status st = require_member(token, 0, err);
    return st == ST_OK ? run_on_member(token, 0, &run, op, arg, err) : st;
}
