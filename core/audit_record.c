/* SPDX-License-Identifier: Apache-2.0
 *
 * Composes the records of the audit trail: one JSON object per line.
 */
#include "core/audit_private.h"

#include "core/platform.h"

static void add_member(core_str *line, const char *name, const char *value)
{
    core_str_addf(line, ",\"%s\":", name);
    core_str_json_cut(line, value, AUDIT_TEXT_MAX);
}

void audit_compose(core_str *line, const core_audit_record *record, unsigned form)
{
    char now[28], thumb[33] = "";
    const bool intent = (form & AUDIT_INTENT) != 0;
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
    add_member(line, "result", intent ? "BEGIN" : core_status_name(record->result));
    if (intent)
        core_str_add(line, ",\"code\":null");
    else
        core_str_addf(line, ",\"code\":%u", core_status_code(record->result));
    core_str_addf(line, ",\"us\":%llu,\"pid\":%lu%s}\n", (unsigned long long)record->microseconds,
                  (unsigned long)core_process_id(),
                  (form & AUDIT_UNLOCKED) != 0 ? ",\"unlocked\":true" : "");
}
