/* SPDX-License-Identifier: Apache-2.0
 *
 * The log for operators: one line per change of state, none per retry, and never a secret. And the
 * audit trail for auditors: one JSON object per line. Both belong to the process. The module opens
 * them with its configuration and closes them with it.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>
#include "core/config.h"
#include "core/status.h"

/* Opens the log and the audit file of a configuration. Each configuration has its own audit trail.
 * The process has one log: that of the first configuration that is open; if a later one names
 * another log, a warning says that it is not used. ST_AUDIT: the audit file cannot be opened and
 * the policy is `refuse`. If the log file cannot be opened, lines go to the system log, and the
 * first one says so. Close with the same configuration. */
CORE_MUST_USE core_status core_log_open(const core_config *config, core_err *err);
void core_log_close(const core_config *config);
/* For p11ekm doctor: create no log or audit file from now on. A missing file would belong to the
 * account that runs the doctor; lines for it are dropped. */
void core_log_make_no_files(void);

/* Logs one line. Before core_log_open, errors and warnings go to the system log and other lines are
 * dropped. Control characters become '?', so that a name cannot forge a line. Thread-safe. */
void core_log(core_level level, const char *format, ...) CORE_PRINTF(2, 3);
bool core_log_enabled(core_level level);
/* Logs "NAME: text" of a failed call; the text is that of *err if it has one, else that of the
 * status. */
void core_log_status(core_level level, const char *where, core_status st, const core_err *err);

/* Logs a warning if the number of secrets that the system refused to lock in memory has grown since
 * the last call. Cheap; call it after secrets were created. */
void core_log_unlocked(void);

/* The kinds of audit records. Sessions and key management are always recorded, data operations if
 * audit_data is set. */
typedef enum core_audit_kind {
    CORE_AUDIT_SESSION,
    CORE_AUDIT_KEY,
    CORE_AUDIT_DATA
} core_audit_kind;

typedef struct core_audit_record {
    const core_config *config; /* selects the trail; opened by core_log_open */
    core_audit_kind kind;
    const char *operation; /* "OpenSession", "CreateKey", "Decrypt", ... */
    const char *identity;  /* alias or label given by the caller; NULL: unknown */
    const char *token;     /* label of the token, or alias of a group; NULL */
    const char *member;    /* label of the group's token that served the call; NULL */
    const char *key;       /* name of the key; NULL */
    const uint8_t *thumb;  /* 16 bytes; NULL */
    core_status result;
    uint64_t microseconds;
} core_audit_record;

/* True if records of this kind are written, so that callers can skip reading the clock. */
bool core_audit_wanted(const core_config *config, core_audit_kind kind);
/* Writes one line
 * {"time":...,"operation":...,"identity":...,"token":...,"member":...,"key":...,"thumbprint":...,
 * "result":NAME,"code":N,"us":N,"pid":N}, with "unlocked":true if the lock on FILE.lock was not
 * available. ST_AUDIT: the record cannot be written and the policy is `refuse`; the caller then
 * fails the operation. */
CORE_MUST_USE core_status core_audit_write(const core_audit_record *record);
/* Writes the intent before a key is created or dropped: the same line with
 * "result":"BEGIN","code":null. ST_AUDIT with the reason: the token must not be changed. */
CORE_MUST_USE core_status core_audit_begin(const core_audit_record *record, core_err *err);
/* Checks that a record can be written, by writing one ("Doctor"), whatever the policy. *there: the
 * file exists. If it does not, none is created, but the function checks that one can be. */
CORE_MUST_USE core_status core_audit_check(const core_config *config, bool *there, core_err *err);

#endif
