/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the audit trail: audit.c applies the policy to a failure, audit_trail.c writes the
 * files, audit_record.c composes a record. Configurations that name the same file share its trail.
 */
#ifndef CORE_AUDIT_PRIVATE_H
#define CORE_AUDIT_PRIVATE_H

#include "core/log_private.h"

typedef struct audit_trail audit_trail;

enum {
    AUDIT_INTENT = 1, /* an intent: "result":"BEGIN" */
    AUDIT_UNLOCKED = 2
};

/* A driver may pass a key path of any length, so each text of a record is truncated, and a record
 * always fits its line. A byte of text needs at most six bytes (\u0001). */
enum {
    AUDIT_TEXT_MAX = 4096, /* bytes of UTF-8 */
    AUDIT_TEXTS = 5,       /* operation, identity, token, member, key */
    AUDIT_LINE_MAX = AUDIT_TEXTS * 6 * AUDIT_TEXT_MAX + 1024
};

/* The part of core_log_open and core_log_close that concerns the audit trail (journal.c). ST_AUDIT
 * if the policy refuses. */
CORE_MUST_USE core_status audit_start(const core_config *config, core_err *err);
void audit_stop(const core_config *config);

/* Appends the record as one line. `form`: a set of the AUDIT_ bits above. */
void audit_compose(core_str *line, const core_audit_record *record, unsigned form);

/* Returns the trail of a file and counts one more user of it. ST_NO_MEMORY. */
CORE_MUST_USE core_status audit_trail_get(const char *path, audit_trail **out, core_err *err);
void audit_trail_put(audit_trail *trail);
/* Returns the trail of a file without counting a user; NULL if the trail has no user. */
audit_trail *audit_trail_find(const char *path);
/* Opens the file if it is not open or was rotated. ST_AUDIT. *changed: this call failed and the
 * trail was not lost before. */
CORE_MUST_USE core_status audit_trail_ready(audit_trail *trail, bool *changed, core_err *err);
/* Writes one line. The trail is lost if that fails. If it was lost before, an AuditBack record is
 * written first. *changed: this call lost the trail, or ended the loss. */
CORE_MUST_USE core_status audit_trail_write(audit_trail *trail, const core_audit_record *record,
                                            unsigned form, bool *changed, core_err *err);

#endif
