/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the audit trail. A line is written under a lock on a separate file, FILE.lock: every
 * account that can read the trail could lock the trail itself and block SQL Server. A process waits
 * for the lock two seconds once. While it cannot get it, records are written without it and say
 * "unlocked".
 */
#include "core/audit_private.h"

#include <stdio.h>
#include <string.h>
#include "core/lock.h"
#include "core/memory.h"
#include "core/platform.h"

enum {
    LOCK_WAIT_US = 2000000,
    LOCK_PAUSE_MS = 5,
    LOCK_CHECK_US = 1000000 /* interval of checks whether the lock file was replaced */
};

/* `lock` guards the members below it. `list_lock` guards `next` and `users`. A caller is counted in
 * `users`, so the trail remains valid. */
struct audit_trail {
    audit_trail *next CORE_GUARDED;
    unsigned users CORE_GUARDED;
    core_lock lock;
    char *path, *lock_path;
    FILE *file;
    intptr_t lock_file; /* CORE_NO_LOCK_FILE: not open */
    /* the process that opened it; a child of a fork opens its own */
    uint32_t lock_owner CORE_GUARDED;
    bool lock_lost CORE_GUARDED;           /* the last attempt failed: try once without waiting */
    uint64_t lock_checked_us CORE_GUARDED; /* core_now_us() of the last check of the lock file */
    /* of the file after our last line; another length means that other processes have written */
    uint64_t length CORE_GUARDED;
    bool lost CORE_GUARDED; /* the last attempt to write failed */
    bool torn CORE_GUARDED; /* the file ends with an incomplete line */
};

static core_lock list_lock = CORE_LOCK_INIT;
static audit_trail *trails CORE_GUARDED_BY(list_lock);

static void trail_free(audit_trail *trail)
{
    if (trail->file != NULL)
        (void)fclose(trail->file);
    core_lock_file_close(trail->lock_file);
    core_lock_destroy(&trail->lock);
    core_free(trail->path);
    core_free(trail->lock_path);
    core_free(trail);
}

static audit_trail *trail_new(const char *path)
{
    core_str lock_path = {0};
    audit_trail *trail = core_calloc(1, sizeof *trail);
    if (trail == NULL)
        return NULL;
    trail->lock = (core_lock)CORE_LOCK_INIT;
    trail->lock_file = CORE_NO_LOCK_FILE;
    core_str_addf(&lock_path, "%s.lock", path);
    trail->path = core_strdup(path);
    trail->lock_path = lock_path.failed ? NULL : core_strdup(core_str_get(&lock_path));
    core_str_free(&lock_path);
    if (trail->path == NULL || trail->lock_path == NULL) {
        trail_free(trail);
        return NULL;
    }
    return trail;
}

static audit_trail *find_locked(const char *path) CORE_REQUIRES(list_lock)
{
    audit_trail *trail = trails;
    while (trail != NULL && strcmp(trail->path, path) != 0)
        trail = trail->next;
    return trail;
}

audit_trail *audit_trail_find(const char *path)
{
    core_lock_acquire(&list_lock);
    audit_trail *trail = find_locked(path);
    core_lock_release(&list_lock);
    return trail;
}

core_status audit_trail_get(const char *path, audit_trail **out, core_err *err)
{
    core_lock_acquire(&list_lock);
    audit_trail *trail = find_locked(path);
    if (trail == NULL) {
        trail = trail_new(path);
        if (trail != NULL) {
            trail->next = trails;
            trails = trail;
        }
    }
    if (trail != NULL)
        trail->users++;
    core_lock_release(&list_lock);
    *out = trail;
    return trail != NULL ? ST_OK : core_fail(err, ST_NO_MEMORY, "the audit trail: out of memory");
}

void audit_trail_put(audit_trail *trail)
{
    bool last = false;
    if (trail == NULL)
        return;
    core_lock_acquire(&list_lock);
    last = --trail->users == 0;
    for (audit_trail **at = &trails; last && *at != NULL; at = &(*at)->next) {
        if (*at == trail) {
            *at = trail->next;
            break;
        }
    }
    core_lock_release(&list_lock);
    if (last)
        trail_free(trail);
}

/* Opens the lock file if it is not open, was replaced, or was opened before a fork. */
static core_status lock_ready_locked(audit_trail *trail, core_err *err) CORE_REQUIRES(trail->lock)
{
    const uint32_t process = core_process_id();
    const uint64_t now = core_now_us();
    const bool due = now - trail->lock_checked_us >= LOCK_CHECK_US;
    if (due)
        trail->lock_checked_us = now;
    if (trail->lock_file != CORE_NO_LOCK_FILE &&
        (trail->lock_owner != process ||
         (due && core_lock_file_moved(trail->lock_file, trail->lock_path)))) {
        core_lock_file_close(trail->lock_file);
        trail->lock_file = CORE_NO_LOCK_FILE;
    }
    if (trail->lock_file != CORE_NO_LOCK_FILE)
        return ST_OK;
    if (!core_log_makes_files() && !core_file_there(trail->lock_path))
        return core_fail(err, ST_IO,
                         "%s: does not exist yet; the next record of the service creates it",
                         trail->lock_path);
    trail->lock_owner = process;
    return core_lock_file_open(trail->lock_path, &trail->lock_file, err);
}

/* Tries to get the lock; true if it is held. The reason of a failure is logged once. */
static bool lock_locked(audit_trail *trail) CORE_REQUIRES(trail->lock)
{
    core_err why = {.status = ST_OK};
    bool held = false;
    if (lock_ready_locked(trail, &why) == ST_OK) {
        const uint64_t until = core_now_us() + (trail->lock_lost ? 0 : LOCK_WAIT_US);
        while (!(held = core_lock_file_try(trail->lock_file)) && core_now_us() < until)
            core_sleep_ms(LOCK_PAUSE_MS);
        if (!held)
            (void)core_fail(&why, ST_AUDIT, "%s: another process holds it; find out which",
                            trail->lock_path);
    }
    if (!held && !trail->lock_lost && core_log_makes_files())
        core_log(CORE_LOG_WARNING, "audit records are written without the lock: %s", why.text);
    if (held && trail->lock_lost)
        core_log(CORE_LOG_WARNING, "audit records are written under the lock again: %s",
                 trail->lock_path);
    trail->lock_lost = !held;
    return held;
}

static core_status put_locked(audit_trail *trail, const core_audit_record *record, unsigned form,
                              core_err *err) CORE_REQUIRES(trail->lock)
{
    core_str line = {.limit = AUDIT_LINE_MAX};
    core_status st = ST_AUDIT;
    if (trail->torn)
        core_str_add(&line, "\n");
    audit_compose(&line, record, form);
    if (line.failed) {
        (void)core_fail(err, ST_AUDIT, "%s: out of memory for a record; free some", trail->path);
        goto done;
    }
    const size_t n = fwrite(line.text, 1, line.length, trail->file);
    if (n != line.length) {
        trail->torn = trail->torn || n != 0;
        clearerr(trail->file);
        (void)core_fail(err, ST_AUDIT, "%s: cannot be written; make room or correct 'audit'",
                        trail->path);
        goto done;
    }
    trail->torn = false;
    trail->length += line.length;
    st = ST_OK;
done:
    core_str_free(&line);
    return st;
}

static core_status open_locked(audit_trail *trail, core_err *err) CORE_REQUIRES(trail->lock)
{
    core_err why = {.status = ST_OK};
    if (trail->file != NULL && core_file_moved(trail->file, trail->path)) {
        (void)fclose(trail->file);
        trail->file = NULL;
    }
    if (trail->file != NULL)
        return ST_OK;
    trail->file = core_file_append(trail->path, &why);
    if (trail->file == NULL)
        return core_fail(err, ST_AUDIT, "%s", why.text);
    trail->torn =
        core_file_torn(trail->path); /* written by another process when the disk was full */
    return ST_OK;
}

static core_status write_locked(audit_trail *trail, const core_audit_record *record, unsigned form,
                                core_err *err) CORE_REQUIRES(trail->lock)
{
    static const core_audit_record back = {.operation = "AuditBack", .result = ST_OK};
    core_status st = open_locked(trail, err);
    if (st != ST_OK)
        return st;
    const bool held = lock_locked(trail);
    const unsigned lock_form = held ? 0 : AUDIT_UNLOCKED;
    const uint64_t length = held ? core_file_length(trail->file) : 0;
    if (held && length != trail->length)
        trail->torn = trail->torn || core_file_torn(trail->path);
    trail->length = length;
    if (trail->lost)
        st = put_locked(trail, &back, lock_form, err);
    if (st == ST_OK)
        st = put_locked(trail, record, form | lock_form, err);
    if (held)
        core_lock_file_release(trail->lock_file);
    return st;
}

static void note_locked(audit_trail *trail, core_status st, bool *changed)
    CORE_REQUIRES(trail->lock)
{
    const bool lost = st != ST_OK;
    *changed = lost != trail->lost;
    trail->lost = lost;
}

core_status audit_trail_ready(audit_trail *trail, bool *changed, core_err *err)
{
    *changed = false;
    core_lock_acquire(&trail->lock);
    const core_status st =
        core_log_makes_files() || core_file_there(trail->path) ? open_locked(trail, err) : ST_OK;
    if (st != ST_OK)
        note_locked(trail, st, changed);
    core_lock_release(&trail->lock);
    return st;
}

core_status audit_trail_write(audit_trail *trail, const core_audit_record *record, unsigned form,
                              bool *changed, core_err *err)
{
    *changed = false;
    core_lock_acquire(&trail->lock);
    core_status st = ST_OK;
    if (core_log_makes_files() || core_file_there(trail->path)) {
        st = write_locked(trail, record, form, err);
        note_locked(trail, st, changed);
    }
    core_lock_release(&trail->lock);
    return st;
}
