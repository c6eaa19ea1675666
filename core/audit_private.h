/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit trail in three layers: audit.c applies the policy to a failure, audit_trail.c writes
 * the files, audit_record.c composes a record. Configurations that name one file share its trail.
 */
#ifndef CORE_AUDIT_PRIVATE_H
#define CORE_AUDIT_PRIVATE_H

#include "core/log_private.h"

typedef struct audit_trail audit_trail;

enum {
    AUDIT_INTENT = 1, /* what is about to be done: "result":"BEGIN" */
    AUDIT_UNLOCKED = 2
};

/* A driver may hand over a key path of any length: each text of a record is cut, so that a record
 * always fits its line. A byte of text becomes six at most (\u0001). */
enum {
    AUDIT_TEXT_MAX = 4096, /* bytes of UTF-8 */
    AUDIT_TEXTS = 5,       /* operation, identity, token, member, key */
    AUDIT_LINE_MAX = AUDIT_TEXTS * 6 * AUDIT_TEXT_MAX + 1024
};

/* The audit trail's part in core_log_open and core_log_close (journal.c). ST_AUDIT by the policy.
 */
CORE_MUST_USE core_status audit_start(const core_config *config, core_err *err);
void audit_stop(const core_config *config);

/* Appends the record as one line. `form`: a set of the above. */
void audit_compose(core_str *line, const core_audit_record *record, unsigned form);

/* The trail of a file: counts its users. ST_NO_MEMORY. */
CORE_MUST_USE core_status audit_trail_get(const char *path, audit_trail **out, core_err *err);
void audit_trail_put(audit_trail *trail);
/* The trail that a user of it has open; NULL where nobody has. */
audit_trail *audit_trail_find(const char *path);
/* Opens the file where it is not open, or was rotated away. ST_AUDIT. *changed: the trail was lost
 * with this call. */
CORE_MUST_USE core_status audit_trail_ready(audit_trail *trail, bool *changed, core_err *err);
/* Writes one line; before it, where the trail was lost, the record that tells so. */
CORE_MUST_USE core_status audit_trail_write(audit_trail *trail, const core_audit_record *record,
                                            unsigned form, bool *changed, core_err *err);

#endif
