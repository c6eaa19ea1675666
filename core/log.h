/* SPDX-License-Identifier: Apache-2.0
 *
 * The log, for operators: one line per state change, never one per retry, never a secret. And the
 * audit trail, for auditors: one JSON object per line. Both belong to the process; the module opens
 * them with its configuration and closes them with it.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>
#include "core/config.h"
#include "core/status.h"

/* Opens the log and the audit file as configured. Each configuration has its own audit trail. The
 * process has one log: the first configuration's, while it is open; another log of a later one is
 * not used, which the log says. ST_AUDIT when the audit file cannot be opened and the policy is
 * `refuse`. A log file that cannot be opened falls back to the system log with a line that says so.
 * Close with the same configuration. */
CORE_MUST_USE core_status core_log_open(const core_config *config, core_err *err);
void core_log_close(const core_config *config);
/* For p11ekm doctor: from now on no log or audit file is made; one that is missing counts as none,
 * for it would belong to whoever runs the doctor. */
void core_log_make_no_files(void);

/* One line. Before core_log_open, errors and warnings go to the system log, others nowhere. Control
 * characters in the text become '?', so that no name can forge a line. Thread-safe. */
void core_log(core_level level, const char *format, ...) CORE_PRINTF(2, 3);
bool core_log_enabled(core_level level);
/* "NAME: text" of a failed call, with the file's own text where err has one. */
void core_log_status(core_level level, const char *where, core_status st, const core_err *err);

/* Logs a warning where the system refused to lock secrets in memory, when that has become more
 * since the last call. Cheap: to be called when secrets were made. */
void core_log_unlocked(void);

/* What is audited: sessions and key management always, data operations where audit_data says so. */
typedef enum core_audit_kind {
    CORE_AUDIT_SESSION,
    CORE_AUDIT_KEY,
    CORE_AUDIT_DATA
} core_audit_kind;

typedef struct core_audit_record {
    const core_config *config; /* whose trail gets it; open */
    core_audit_kind kind;
    const char *operation; /* "OpenSession", "CreateKey", "Decrypt", ... */
    const char *identity;  /* alias or label given by the caller; NULL where unknown */
    const char *token;     /* label of the token, alias of a group; NULL */
    const char *member;    /* label of the group's token that served last; NULL */
    const char *key;       /* name of the key; NULL */
    const uint8_t *thumb;  /* 16 bytes; NULL */
    core_status result;
    uint64_t microseconds;
} core_audit_record;

/* Whether records of this kind are written at all: lets a hot path skip the clock. */
bool core_audit_wanted(const core_config *config, core_audit_kind kind);
/* Writes one line
 * {"time":...,"operation":...,"identity":...,"token":...,"member":...,"key":...,"thumbprint":...,
 * "result":NAME,"code":N,"us":N,"pid":N}, with "unlocked":true where the lock FILE.lock could not
 * be had. ST_AUDIT when it cannot be written and the policy is `refuse`: the caller then fails the
 * operation. */
CORE_MUST_USE core_status core_audit_write(const core_audit_record *record);
/* Writes the intent, before a key is created or dropped: the same with
 * "result":"BEGIN","code":null. ST_AUDIT with the reason: the token must not be touched then. */
CORE_MUST_USE core_status core_audit_begin(const core_audit_record *record, core_err *err);
/* Whether a record can be written, by writing one ("Doctor"), whatever the policy. *there: the file
 * exists; where it does not, none is made, but that one could be is checked. */
CORE_MUST_USE core_status core_audit_check(const core_config *config, bool *there, core_err *err);

#endif
