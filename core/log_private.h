/* SPDX-License-Identifier: Apache-2.0
 *
 * The log's part in core_log_open and core_log_close (journal.c), and what the audit trail asks it.
 */
#ifndef CORE_LOG_PRIVATE_H
#define CORE_LOG_PRIVATE_H

#include "core/log.h"

/* Counts a user of the process's log; the first one opens it. ST_NO_MEMORY. */
CORE_MUST_USE core_status log_start(const core_config *config, core_err *err);
/* The last user closes it. */
void log_stop(void);
/* False after core_log_make_no_files. */
bool core_log_makes_files(void);

#endif
