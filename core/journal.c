/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and closes the log together with the audit trail of a configuration. The audit trail writes
 * to the log, so the log is opened first and closed last.
 */
#include "core/audit_private.h"
#include "core/log_private.h"

core_status core_log_open(const core_config *config, core_err *err)
{
    core_status st = log_start(config, err);
    if (st != ST_OK)
        return st;
    st = audit_start(config, err);
    if (st != ST_OK)
        log_stop();
    return st;
}

void core_log_close(const core_config *config)
{
    audit_stop(config);
    log_stop();
}
