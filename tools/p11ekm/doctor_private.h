/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm doctor: the state that its checks share, and the checks in the order in which they run.
 */
#ifndef TOOLS_P11EKM_DOCTOR_PRIVATE_H
#define TOOLS_P11EKM_DOCTOR_PRIVATE_H

#include "tools/p11ekm/session.h"

typedef enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_SKIP } doctor_state;

typedef struct doctor {
    cli_call *call;
    const char *check; /* the name of the current check */
    core_config *config;
    cli_session session;
    const char *identity;
    json_t *list;
    unsigned count[DOCTOR_SKIP + 1];
    bool pin_known; /* a PIN is available */
} doctor;

/* doctor_report.c */
/* Adds one line to the report. `fix` is what to do; "" if there is nothing to do. */
void doctor_report(doctor *d, doctor_state state, const char *fix, const char *format, ...)
    CORE_PRINTF(4, 5);
/* Adds a FAIL line for a failed call: the text of the error, and its next step (core_err_next). */
void doctor_failed(doctor *d, core_status st, const core_err *err);

/* doctor_group.c: true if the identity is a group of tokens. */
bool doctor_is_group(const doctor *d);
void doctor_report_group(doctor *d);
/* doctor_keys.c: a line for each key that is ignored. */
void doctor_report_ignored(doctor *d, const tok_ignored_key *ignored, size_t count);

/* The checks. Each adds at least one line; false: the checks after it cannot be done. To add a
 * check, add a file, its declaration here and its row in verb_doctor.c. */
bool doctor_check_configuration(doctor *d);
bool doctor_check_account(doctor *d);
bool doctor_check_log(doctor *d);
bool doctor_check_audit(doctor *d);
bool doctor_check_module_file(doctor *d);
bool doctor_check_module(doctor *d);
bool doctor_check_token(doctor *d);
bool doctor_check_pin(doctor *d);
bool doctor_check_login(doctor *d);
bool doctor_check_memory(doctor *d);
bool doctor_check_mechanisms(doctor *d);
bool doctor_check_round_trip(doctor *d);
bool doctor_check_keys(doctor *d);
bool doctor_check_uses(doctor *d);

#endif
