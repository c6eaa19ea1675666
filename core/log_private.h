/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit trail's part in core_log_open and core_log_close, which count the users of both.
 */
#ifndef CORE_LOG_PRIVATE_H
#define CORE_LOG_PRIVATE_H

#include "core/log.h"

CORE_MUST_USE core_status core_audit_start(const core_config *config, core_err *err);
void core_audit_stop(const core_config *config);
/* False after core_log_make_no_files. */
bool core_log_makes_files(void);

#endif
