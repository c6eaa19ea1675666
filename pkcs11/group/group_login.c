/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs in to a group. Each user of the group is a user of every available member, so that each
 * member checks the PIN itself. A member that becomes available later is logged in to once, with
 * the cached PIN of the group or the member's own PIN file.
 */
#include "pkcs11/group/group_private.h"

static void leave_member(tok_member *member)
{
    atomic_fetch_sub(&member->joined, 1);
    tok_single_logout(atomic_load(&member->token));
}

/* Releases the group's login lock. First it completes the logouts that happened while the lock was
 * held: it logs out of members that have more logins than the group has users. If no user is left,
 * it wipes the cached PIN and drops the cached keys. */
static void release_login_lock(tok_token *group) CORE_RELEASE(group->login_lock)
{
    const unsigned users = tok_login_users(group);

    for (unsigned i = 0; i < group->group->count; i++) {
        tok_member *member = &group->group->members[i];
        while (atomic_load(&member->joined) > users)
            leave_member(member);
    }
    if (users == 0) {
        tok_pin_forget(group);
        tok_keys_forget(group);
        atomic_fetch_add(&group->module_generation, 1);
    }
    tok_timed_lock_release(&group->login_lock);
}

static core_status login_member(tok_member *member, const char *pin, size_t length, core_err *err)
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

/* Logs in to the member unless that was done, or the group has no user. Needs the group's login
 * lock. The unsealed PIN is wiped. */
static core_status join_locked(tok_token *group, tok_member *member, core_err *err)
{
    core_secret pin = {0};
    core_status st = ST_OK;

    if (tok_login_users(group) == 0 || atomic_load(&member->joined) > 0)
        return ST_OK;
    if (group->pin->cached_pin.length > 0)
        st = core_unseal(group->pin->cached_pin.data, group->pin->cached_pin.length, &pin);
    if (st == ST_OK)
        st = login_member(member, (const char *)pin.data, pin.length, err);
    core_secret_close(&pin);
    if (st == ST_OK) {
        atomic_store(&member->refused, false);
        core_log(CORE_LOG_INFO, "token \"%s\": serves in group \"%s\"", member->config->alias,
                 group->info.label);
    } else if (core_status_class(st) == CORE_CLASS_PIN) {
        if (!atomic_exchange(&member->refused, true)) /* log it once, though it is tried again */
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
    st = join_locked(group, member, err);
    release_login_lock(group);
    if (st != ST_OK)
        atomic_store(&member->probe_at_us, core_now_us() + PAUSE_US);
    return st;
}

/* Logs in to the member unless it was never found, or is lost and its back-off has not elapsed. */
static core_status login_if_available(tok_token *group, tok_member *member, const char *pin,
                                      size_t length, core_err *err)
{
    const tok_token *token = atomic_load(&member->token);

    if (token == NULL || (atomic_load(&token->health.down) &&
                          core_now_us() < atomic_load(&token->health.retry_at_us))) {
        return core_fail(err, ST_DEVICE, "group \"%s\": its token \"%s\" is away; %s",
                         group->info.label, member->config->alias, core_status_next(ST_DEVICE));
    }
    atomic_store(&member->refused, false);
    return login_member(member, pin, length, err);
}

/* Logs in to all available members. One success is enough, but if any member refuses the PIN, the
 * login fails and is undone on the others. */
static core_status login_members(tok_token *group, const char *pin, size_t length, core_err *err)
{
    bool joined[CORE_GROUP_MOST] = {false};
    unsigned count = 0;
    core_status st = ST_OK;
    core_status unavailable = ST_OK;
    struct tok_group *g = group->group;

    for (unsigned i = 0; st == ST_OK && i < g->count; i++) {
        st = login_if_available(group, &g->members[i], pin, length, err);
        joined[i] = st == ST_OK;
        count += joined[i];
        if (tok_status_is_unavailable(st)) {
            unavailable = st;
            st = ST_OK;
        }
    }
    if (st == ST_OK && count == 0)
        st = unavailable;
    for (unsigned i = 0; st != ST_OK && i < g->count; i++)
        if (joined[i])
            leave_member(&g->members[i]);
    return st;
}

/* Needs the group's login lock. */
static core_status login_locked(tok_token *group, const char *pin, size_t length, core_err *err)
{
    uint8_t hash[TOK_HASH];
    core_status st = login_members(group, pin, length, err);

    if (st == ST_OK && pin != NULL) {
        st = tok_pin_hash(group->pin, pin, length, hash);
        if (st == ST_OK)
            tok_pin_record_accepted(group, hash, pin, length);
        core_wipe(hash, sizeof hash);
        st = ST_OK; /* without it, members that become available later join at the next login */
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
    /* Without a PIN and a pin_file of the group, each member uses its own pin_file. */
    if (pin == NULL && group->config->pin_file != NULL) {
        st = tok_pin_from_file(group, &from_file, err);
        if (st != ST_OK)
            return st;
        pin = (const char *)from_file.data;
        pin_len = from_file.length;
    }
    st = tok_login_lock_acquire(group, err);
    if (st == ST_OK) {
        st = login_locked(group, pin, pin_len, err);
        release_login_lock(group);
    }
    core_secret_close(&from_file);
    if (st == ST_OK && err != NULL)
        err->served_by = NULL; /* all members served it */
    return st;
}

/* Decrements the user count first. If another thread holds the login lock past our timeout, that
 * thread completes the logout when it releases the lock. */
void tok_group_logout(tok_token *group)
{
    core_mutex_lock(&group->lock);
    if (group->users > 0)
        group->users--;
    core_mutex_unlock(&group->lock);
    if (tok_timed_lock_acquire(&group->login_lock, group->config->session_wait_ms))
        release_login_lock(group);
}
