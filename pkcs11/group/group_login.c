/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in to a group. Each user of the group is a user of every member that is there, so that
 * each member checks the PIN in its own way; members that come later are logged in to once, with
 * the sealed PIN or their own PIN file.
 */
#include "pkcs11/group/group_private.h"

static void member_leave(tok_member *member)
{
    atomic_fetch_sub(&member->joined, 1);
    tok_single_logout(atomic_load(&member->token));
}

/* Ends each turn: logs out what users who went meanwhile have left logged in, and wipes what is
 * kept for users when there are none. */
static void end_turn(tok_token *group) CORE_RELEASE(group->login_lock)
{
    const unsigned users = tok_login_users(group);

    for (unsigned i = 0; i < group->group->count; i++) {
        tok_member *member = &group->group->members[i];
        while (atomic_load(&member->joined) > users)
            member_leave(member);
    }
    if (users == 0) {
        tok_pin_forget(group);
        tok_keys_forget(group);
        atomic_fetch_add(&group->module_generation, 1);
    }
    tok_timed_lock_release(&group->login_lock);
}

static core_status member_login(tok_member *member, const char *pin, size_t length, core_err *err)
{
    tok_token *token = atomic_load(&member->token);
    core_status st = tok_single_login(token, pin, length, err);

    if (err != NULL)
        err->served_by = token->info.label;
    if (st == ST_OK)
        atomic_fetch_add(&member->joined, 1);
    else if (tok_status_is_unavailable(st))
        tok_mark_unavailable(token, st, err);
    return st;
}

/* In the group's login turn. */
static core_status join_in_turn(tok_token *group, tok_member *member, core_err *err)
{
    core_secret pin = {0};
    core_status st = ST_OK;

    if (tok_login_users(group) == 0 || atomic_load(&member->joined) > 0)
        return ST_OK;
    if (group->pin->cached_pin.length > 0)
        st = core_unseal(group->pin->cached_pin.data, group->pin->cached_pin.length, &pin);
    if (st == ST_OK)
        st = member_login(member, (const char *)pin.data, pin.length, err);
    core_secret_close(&pin);
    if (st == ST_OK) {
        atomic_store(&member->refused, false);
        core_log(CORE_LOG_INFO, "token \"%s\": serves in group \"%s\"", member->config->alias,
                 group->info.label);
    } else if (core_status_class(st) == CORE_CLASS_PIN) {
        if (!atomic_exchange(&member->refused, true)) /* once, though it is tried again */
            core_log_status(CORE_LOG_ERROR, "a token of the group stays out", st, err);
    }
    return st;
}

core_status tok_member_join(tok_token *group, tok_member *member, core_err *err)
    CORE_NO_ANALYSIS /* a status says whether the lock is held */
{
    enum { PAUSE_US = 1000000 };

    if (atomic_load(&member->joined) > 0)
        return ST_OK;
    core_status st = tok_login_lock_acquire(group, err);
    if (st != ST_OK)
        return st;
    st = join_in_turn(group, member, err);
    end_turn(group);
    if (st != ST_OK)
        atomic_store(&member->probe_at_us, core_now_us() + PAUSE_US);
    return st;
}

/* What a member that is away says now is not waited for. */
static core_status login_if_there(tok_token *group, tok_member *member, const char *pin,
                                  size_t length, core_err *err)
{
    const tok_token *token = atomic_load(&member->token);

    if (token == NULL || (atomic_load(&token->health.down) &&
                          core_now_us() < atomic_load(&token->health.retry_at_us))) {
        return core_fail(err, ST_DEVICE, "group \"%s\": its token \"%s\" is away; %s",
                         group->info.label, member->config->alias, core_status_next(ST_DEVICE));
    }
    atomic_store(&member->refused, false);
    return member_login(member, pin, length, err);
}

/* Logs in to all that are there; one is enough, but none may refuse. */
static core_status login_members(tok_token *group, const char *pin, size_t length, core_err *err)
{
    bool in[CORE_GROUP_MOST] = {false};
    unsigned count = 0;
    core_status st = ST_OK;
    core_status away = ST_OK;
    struct tok_group *g = group->group;

    for (unsigned i = 0; st == ST_OK && i < g->count; i++) {
        st = login_if_there(group, &g->members[i], pin, length, err);
        in[i] = st == ST_OK;
        count += in[i];
        if (tok_status_is_unavailable(st)) {
            away = st;
            st = ST_OK;
        }
    }
    if (st == ST_OK && count == 0)
        st = away;
    for (unsigned i = 0; st != ST_OK && i < g->count; i++)
        if (in[i])
            member_leave(&g->members[i]);
    return st;
}

static core_status login_in_turn(tok_token *group, const char *pin, size_t length, core_err *err)
{
    uint8_t hash[TOK_HASH];
    core_status st = login_members(group, pin, length, err);

    if (st == ST_OK && pin != NULL) {
        st = tok_pin_hash(group->pin, pin, length, hash);
        if (st == ST_OK)
            tok_pin_record_accepted(group, hash, pin, length);
        core_wipe(hash, sizeof hash);
        st = ST_OK; /* members that come later need a new session then, no more */
    }
    if (st == ST_OK) {
        core_mutex_lock(&group->lock);
        group->users++;
        core_mutex_unlock(&group->lock);
    }
    return st;
}

core_status tok_group_login(tok_token *group, const char *pin, size_t pin_len, core_err *err)
    CORE_NO_ANALYSIS /* a status says whether the lock is held */
{
    core_secret from_file = {0};
    core_status st = ST_OK;

    tok_fork_check(group->ctx);
    /* Without one of its own, each member has its own. */
    if (pin == NULL && group->config->pin_file != NULL) {
        st = tok_pin_from_file(group, &from_file, err);
        if (st != ST_OK)
            return st;
        pin = (const char *)from_file.data;
        pin_len = from_file.length;
    }
    st = tok_login_lock_acquire(group, err);
    if (st == ST_OK) {
        st = login_in_turn(group, pin, pin_len, err);
        end_turn(group);
    }
    core_secret_close(&from_file);
    if (st == ST_OK && err != NULL)
        err->served_by = NULL; /* all took it */
    return st;
}

/* The user is counted out first: what another's turn holds up for longer than he waits, that turn
 * ends. */
void tok_group_logout(tok_token *group)
{
    core_mutex_lock(&group->lock);
    if (group->users > 0)
        group->users--;
    core_mutex_unlock(&group->lock);
    if (tok_timed_lock_acquire(&group->login_lock, group->config->session_wait_ms))
        end_turn(group);
}
