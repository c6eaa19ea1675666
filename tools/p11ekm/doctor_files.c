/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of p11ekm doctor that need no token: configuration, log, audit, module file.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>

#include "core/platform_account.h"

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

/* If the log exists, writes a line to it. Otherwise creates and removes a file of another name
 * in its folder, so that no log is left that belongs to the account that runs doctor. */
static core_status check_log(const char *path, bool *there, core_err *err)
{
    static const char line[] = "p11ekm doctor: the log can be written\n";
    *there = core_file_there(path);
    if (!*there) {
        core_str probe = {0};
        core_str_addf(&probe, "%s.%lu.tmp", path, (unsigned long)core_process_id());
        core_status st = probe.failed
                             ? ST_NO_MEMORY
                             : core_file_create(core_str_get(&probe), line, sizeof line - 1, err);
        if (st == ST_OK) {
            (void)remove(core_str_get(&probe));
        }
        core_str_free(&probe);
        return st;
    }
    FILE *file = core_file_append(path, err);
    if (file == NULL) {
        return ST_IO;
    }
    const bool written = fwrite(line, 1, sizeof line - 1, file) == sizeof line - 1;
    (void)fclose(file);
    return written ? ST_OK : core_fail(err, ST_IO, "%s: cannot be written; make room", path);
}

static void report_file(void *context, const char *path, const char *account, core_status st,
                        const core_err *err)
{
    doctor *d = context;
    if (st != ST_OK) {
        doctor_failed(d, st, err);
    } else {
        doctor_report(d, DOCTOR_OK, "", "%s is written by %s", path, account);
    }
}

/* Reports the files of all accounts. On Windows, a single file for all accounts belongs to the
 * first account that writes it, and the others cannot write it. */
static void report_accounts(doctor *d, const char *path, const char *pattern)
{
    if (pattern != NULL) {
        core_account_files(pattern, report_file, d);
    } else if (core_service_account() != NULL) {
        doctor_report(d, DOCTOR_WARN, "put %u, which stands for the account, into its name",
                      "%s is one file for all accounts: it is refused to all but the first", path);
    }
}

bool doctor_check_log(doctor *d)
{
    core_err err = {0};
    bool there = false;
    const char *log = d->config->log;
    if (!core_path_absolute(log)) {
        doctor_report(d, DOCTOR_OK, "", "goes to %s", log);
        return true;
    }
    if (check_log(log, &there, &err) == ST_OK) {
        doctor_report(d, DOCTOR_OK, "", "%s can be %s", log,
                      there ? "written" : "made: it is not there yet");
    } else {
        doctor_report(d, DOCTOR_FAIL, core_err_next(&err, ST_IO),
                      "%s (the system's log is used instead)", err.text);
    }
    report_accounts(d, log, d->config->log_pattern);
    return true;
}

/* An account that may write a directory of the path can rename the trail and start another one. */
static void check_audit_directory(doctor *d)
{
    core_err err = {0};
    if (core_path_check_above(d->config->audit, &err) == ST_UNSAFE_FILE) {
        doctor_report(d, DOCTOR_WARN, core_err_next(&err, ST_IO),
                      "others may rename the audit trail away: %s", err.text);
    }
}

bool doctor_check_audit(doctor *d)
{
    core_err err = {0};
    bool there = false;
    const char *audit = d->config->audit;
    bool refuse = d->config->audit_failure == CORE_ONFAIL_REFUSE;
    if (!core_path_absolute(audit)) {
        doctor_report(d, DOCTOR_WARN, "set 'audit' to the absolute path of a file",
                      "use of keys and sessions is not recorded");
        return true;
    }
    if (core_audit_check(d->config, &there, &err) != ST_OK) {
        doctor_report(d, refuse ? DOCTOR_FAIL : DOCTOR_WARN, core_err_next(&err, ST_IO), "%s%s",
                      err.text, refuse ? " (audit_failure = refuse: nothing will work)" : "");
        return !refuse;
    }
    doctor_report(d, DOCTOR_OK, "", "%s%s", audit,
                  there ? ": a record was written" : " can be made: it is not there yet");
    if (there) {
        check_audit_directory(d);
    }
    report_accounts(d, audit, d->config->audit_pattern);
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
