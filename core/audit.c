/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit trail: one JSON object per line, appended in one write. Each configuration has its own
 * trail. When a trail cannot be written, one line is logged, and another one when it can be written
 * again. The first record in the file after that is "AuditBack", which tells the auditor that
 * records may be missing.
 */
#include "core/audit_private.h"

#include <string.h>
#include "core/platform.h"

static bool is_audited(const core_config *config)
{
    return strcmp(config->audit, "none") != 0;
}

bool core_audit_wanted(const core_config *config, core_audit_kind kind)
{
    return is_audited(config) && (kind != CORE_AUDIT_DATA || config->audit_data);
}

/* Applies `audit_failure` to a failure. */
static core_status decide(const core_config *config, core_status st, bool changed,
                          const core_err *why)
{
    const bool refuse = config->audit_failure == CORE_ONFAIL_REFUSE;
    if (st == ST_OK) {
        if (changed)
            core_log(CORE_LOG_WARNING, "audit back: %s", config->audit);
        return ST_OK;
    }
    if (changed)
        core_log(CORE_LOG_ERROR, "audit lost (operations %s): %s",
                 refuse ? "are refused" : "continue without records", why->text);
    return refuse ? ST_AUDIT : ST_OK;
}

static core_status write_record(const core_audit_record *record, unsigned form, core_err *err)
{
    core_err why = {.status = ST_OK};
    bool changed = false;
    if (record->config == NULL)
        return core_fail(err, ST_AUDIT, "audit: %s belongs to no configuration; report it",
                         record->operation);
    if (!core_audit_wanted(record->config, record->kind))
        return ST_OK;
    audit_trail *trail = audit_trail_find(record->config->audit);
    core_status st =
        trail == NULL ? core_fail(&why, ST_AUDIT, "%s: not open; report it", record->config->audit)
                      : audit_trail_write(trail, record, form, &changed, &why);
    st = decide(record->config, st, changed, &why);
    return st == ST_OK ? ST_OK : core_fail(err, st, "audit: %s", why.text);
}

core_status core_audit_write(const core_audit_record *record)
{
    return write_record(record, 0, NULL);
}

core_status core_audit_begin(const core_audit_record *record, core_err *err)
{
    return write_record(record, AUDIT_INTENT, err);
}

core_status audit_start(const core_config *config, core_err *err)
{
    core_err why = {.status = ST_OK};
    audit_trail *trail = NULL;
    bool changed = false;
    if (!is_audited(config))
        return ST_OK;
    core_status st = audit_trail_get(config->audit, &trail, err);
    if (st != ST_OK)
        return st;
    st = audit_trail_ready(trail, &changed, &why);
    st = decide(config, st, changed, &why);
    if (st == ST_OK)
        return ST_OK;
    audit_trail_put(trail);
    return core_fail(err, st, "audit: %s", why.text);
}

void audit_stop(const core_config *config)
{
    if (is_audited(config))
        audit_trail_put(audit_trail_find(config->audit));
}

/* Checks that a missing audit file can be created, without creating it: it would belong to the
 * account that runs the check. Creates and removes a file with another name. */
static core_status check_can_create(const char *path, core_err *err)
{
    core_str probe = {0}, line = {0};
    const core_audit_record record = {.operation = "Doctor", .result = ST_OK};
    core_str_addf(&probe, "%s.%lu.tmp", path, (unsigned long)core_process_id());
    audit_compose(&line, &record, 0);
    core_status st = ST_NO_MEMORY;
    if (!probe.failed && !line.failed)
        st = core_file_create(core_str_get(&probe), line.text, line.length, err);
    if (st == ST_OK)
        (void)remove(core_str_get(&probe));
    core_str_free(&probe);
    core_str_free(&line);
    return st;
}

core_status core_audit_check(const core_config *config, bool *there, core_err *err)
{
    const core_audit_record record = {.operation = "Doctor", .result = ST_OK};
    audit_trail *trail = NULL;
    bool changed = false;
    *there = core_file_there(config->audit);
    if (!*there)
        return check_can_create(config->audit, err);
    core_status st = audit_trail_get(config->audit, &trail, err);
    if (st == ST_OK)
        st = audit_trail_write(trail, &record, 0, &changed, err);
    if (trail != NULL)
        audit_trail_put(trail);
    return st;
}
