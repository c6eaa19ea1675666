/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit trail: one JSON object a line, one write each, appended. When it cannot be written that
 * is logged once, and once more when it works again; a first record "AuditBack" in the file then
 * tells the auditor that some may be missing.
 */
#include "core/log_private.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "core/lock.h"
#include "core/memory.h"
#include "core/platform.h"

enum { LINE_LIMIT = 64 * 1024 };

/* `lock` guards all but `wanted`. */
static struct audit {
    core_lock lock;
    unsigned users;
    char *path; /* NULL: no audit */
    FILE *file;
    bool refuse;
    bool lost;          /* the last attempt failed */
    bool torn;          /* the file ends in half a line */
    atomic_uint wanted; /* set of core_audit_kind */
} state = {.lock = CORE_LOCK_INIT};

bool core_audit_wanted(core_audit_kind kind)
{
    return (atomic_load_explicit(&state.wanted, memory_order_relaxed) & 1U << kind) != 0;
}

static void add_member(core_str *line, const char *name, const char *value)
{
    core_str_addf(line, ",\"%s\":", name);
    core_str_json(line, value);
}

static void compose(core_str *line, const core_audit_record *record)
{
    char now[28], thumb[33] = "";
    core_utc_text(now);
    if (record->thumb != NULL)
        core_hex(record->thumb, 16, thumb);
    core_str_addf(line, "{\"time\":\"%s\"", now);
    add_member(line, "operation", record->operation);
    add_member(line, "identity", record->identity);
    add_member(line, "token", record->token);
    if (record->member != NULL)
        add_member(line, "member", record->member);
    add_member(line, "key", record->key);
    add_member(line, "thumbprint", record->thumb == NULL ? NULL : thumb);
    add_member(line, "result", core_status_name(record->result));
    core_str_addf(line, ",\"code\":%u,\"us\":%llu,\"pid\":%lu}\n", core_status_code(record->result),
                  (unsigned long long)record->microseconds, (unsigned long)core_process_id());
}

static core_status write_line_locked(const core_audit_record *record, core_err *err)
{
    core_str line = {.limit = LINE_LIMIT};
    core_status st = ST_AUDIT;
    if (state.torn)
        core_str_add(&line, "\n");
    compose(&line, record);
    if (line.failed) {
        (void)core_fail(err, ST_AUDIT, "%s: out of memory for a record", state.path);
        goto done;
    }
    const size_t n = fwrite(line.text, 1, line.length, state.file);
    if (n != line.length) {
        state.torn = state.torn || n != 0;
        clearerr(state.file);
        (void)core_fail(err, ST_AUDIT, "%s: cannot be written; make room or correct 'audit'",
                        state.path);
        goto done;
    }
    state.torn = false;
    st = ST_OK;
done:
    core_str_free(&line);
    return st;
}

/* Opens the file where it is not open, or was rotated away; after a failure, writes the record that
 * proves it can be written again. */
static core_status ready_locked(core_err *err)
{
    static const core_audit_record back = {.operation = "AuditBack", .result = ST_OK};
    core_err why = {.status = ST_OK};
    if (state.file != NULL && core_file_moved(state.file, state.path)) {
        (void)fclose(state.file);
        state.file = NULL;
    }
    if (state.file == NULL) {
        state.file = core_file_append(state.path, &why);
        if (state.file == NULL)
            return core_fail(err, ST_AUDIT, "%s", why.text);
        state.torn = core_file_torn(state.path); /* by another process, on a full disk */
    }
    if (!state.lost)
        return ST_OK;
    const core_status st = write_line_locked(&back, err);
    if (st == ST_OK) {
        state.lost = false;
        core_log(CORE_LOG_WARNING, "audit back: %s", state.path);
    }
    return st;
}

/* What a failure means by the policy. */
static core_status lost_locked(core_status st, core_err *why)
{
    if (st == ST_OK)
        return ST_OK;
    if (!state.lost)
        core_log(CORE_LOG_ERROR, "audit lost (operations %s): %s",
                 state.refuse ? "are refused" : "go on without", why->text);
    state.lost = true;
    return state.refuse ? ST_AUDIT : ST_OK;
}

core_status core_audit_write(const core_audit_record *record)
{
    core_err why = {.status = ST_OK};
    if (!core_audit_wanted(record->kind))
        return ST_OK;
    core_lock_take(&state.lock);
    core_status st = state.path == NULL ? ST_OK : ready_locked(&why);
    if (st == ST_OK && state.path != NULL)
        st = write_line_locked(record, &why);
    st = lost_locked(st, &why);
    core_lock_give(&state.lock);
    return st;
}

core_status core_audit_ready(core_err *err)
{
    core_err why = {.status = ST_OK};
    core_lock_take(&state.lock);
    core_status st = state.path == NULL ? ST_OK : lost_locked(ready_locked(&why), &why);
    core_lock_give(&state.lock);
    return st == ST_OK ? ST_OK : core_fail(err, st, "audit: %s", why.text);
}

static void stop_locked(void)
{
    atomic_store(&state.wanted, 0);
    if (state.file != NULL)
        (void)fclose(state.file);
    core_free(state.path);
    state.file = NULL;
    state.path = NULL;
    state.lost = false;
    state.torn = false;
}

static core_status start_locked(const core_config *config, core_err *err)
{
    core_err why = {.status = ST_OK};
    if (strcmp(config->audit, "none") == 0)
        return ST_OK;
    state.path = core_strdup(config->audit);
    if (state.path == NULL)
        return core_fail(err, ST_NO_MEMORY, "the audit trail: out of memory");
    state.refuse = config->audit_failure == CORE_ONFAIL_REFUSE;
    const core_status st = lost_locked(ready_locked(&why), &why);
    if (st != ST_OK)
        return core_fail(err, st, "audit: %s", why.text);
    atomic_store(&state.wanted, 1U << CORE_AUDIT_SESSION | 1U << CORE_AUDIT_KEY |
                                    (config->audit_data ? 1U << CORE_AUDIT_DATA : 0));
    return ST_OK;
}

core_status core_audit_start(const core_config *config, core_err *err)
{
    core_status st = ST_OK;
    core_lock_take(&state.lock);
    if (state.users++ == 0)
        st = start_locked(config, err);
    core_lock_give(&state.lock);
    return st;
}

void core_audit_stop(void)
{
    core_lock_take(&state.lock);
    if (state.users != 0 && --state.users == 0)
        stop_locked();
    core_lock_give(&state.lock);
}
