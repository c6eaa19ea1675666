/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of p11ekm doctor that need no token: configuration, log, audit, the module's file.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>

#include "core/platform.h"

bool doctor_check_configuration(doctor *d)
{
    core_err err = {0};
    const char *path = cli_value(d->call, "--conf");
    core_status st = core_config_load(path, &d->config, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    doctor_report(d, DOCTOR_OK, "", "%s is valid and safe, %zu token%s", d->config->path,
                  d->config->token_count, d->config->token_count == 1 ? "" : "s");
    return true;
}

/* Opened the way the provider opens it. A file that was not there is taken away again, so that it
 * does not end up belonging to whoever ran the doctor. */
static bool can_append(const char *path, core_err *err)
{
    char *before = core_path_real(path);
    FILE *file = core_file_append(path, err);
    if (file != NULL) {
        (void)fclose(file);
        if (before == NULL) {
            (void)remove(path);
        }
    }
    core_free(before);
    return file != NULL;
}

bool doctor_check_log(doctor *d)
{
    core_err err = {0};
    const char *log = d->config->log;
    if (!core_path_absolute(log)) {
        doctor_report(d, DOCTOR_OK, "", "goes to %s", log);
    } else if (can_append(log, &err)) {
        doctor_report(d, DOCTOR_OK, "", "%s can be written", log);
    } else {
        doctor_report(d, DOCTOR_FAIL, "make its directory writable for the account of the service",
                      "%s (the system's log is used instead)", err.text);
    }
    return true;
}

bool doctor_check_audit(doctor *d)
{
    core_err err = {0};
    const char *audit = d->config->audit;
    bool refuse = d->config->audit_failure == CORE_ONFAIL_REFUSE;
    if (!core_path_absolute(audit)) {
        doctor_report(d, DOCTOR_WARN, "set 'audit' to the absolute path of a file",
                      "use of keys and sessions is not recorded");
    } else if (can_append(audit, &err)) {
        doctor_report(d, DOCTOR_OK, "", "%s can be written%s", audit,
                      refuse ? "; without it nothing is done" : "");
    } else {
        doctor_report(d, refuse ? DOCTOR_FAIL : DOCTOR_WARN,
                      "make its directory writable for the account of the service", "%s%s",
                      err.text, refuse ? " (audit_failure = refuse: nothing will work)" : "");
        return !refuse;
    }
    return true;
}

bool doctor_check_module_file(doctor *d)
{
    core_err err = {0};
    core_status st = core_file_check(d->config->module, CORE_FILE_MODULE, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    doctor_report(d, DOCTOR_OK, "", "%s can be changed by its owner only", d->config->module);
    return true;
}
