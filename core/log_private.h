/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of core_log_open and core_log_close that concerns the log (journal.c), and a function
 * for the audit trail.
 */
#ifndef CORE_LOG_PRIVATE_H
#define CORE_LOG_PRIVATE_H

#include "core/log.h"

/* Counts a user of the log. The first user opens it. ST_NO_MEMORY. */
CORE_MUST_USE core_status log_start(const core_config *config, core_err *err);
/* The last user closes it. */
void log_stop(void);
/* False after core_log_make_no_files. */
bool core_log_makes_files(void);

#endif
