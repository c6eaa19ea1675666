/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm doctor --account: checks the access of another account, such as the one that runs SQL
 * Server, to every file of the configuration. The rights are computed from the access control
 * lists; no file is opened or created for the check.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>

#include "core/platform_account.h"

static void check_file(doctor *d, const char *path, core_file_kind kind, const char *may)
{
    core_err err = {0};
    const char *account = cli_value(d->call, "--account");
    const core_status st = core_file_check_as(account, path, kind, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
    } else {
        doctor_report(d, DOCTOR_OK, "", "%s may %s %s", account, may, path);
    }
}

/* The log or audit file that this account would write. */
static void check_log(doctor *d, const char *log, const char *pattern)
{
    core_err err = {0};
    char *path = NULL;
    pattern = pattern == NULL ? log : pattern;
    if (!core_path_absolute(pattern)) {
        return;
    }
    const core_status st = core_account_path(pattern, cli_value(d->call, "--account"), &path, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return;
    }
    check_file(d, path, CORE_FILE_LOG, "append to");
    core_free(path);
}

/* A token without its own pin_file has the global one, which is reported once. */
static bool is_reported_already(const core_config *config, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        const char *other = config->tokens[i].pin_file;
        if (other != NULL && strcmp(other, config->tokens[index].pin_file) == 0) {
            return true;
        }
    }
    return false;
}

static bool report_unsupported(doctor *d)
{
    char fix[160];
    core_err err = {0};
    const char *account = cli_value(d->call, "--account");
    if (core_file_check_as(account, d->config->path, CORE_FILE_CONFIG, &err) != ST_NOT_SUPPORTED) {
        return false;
    }
    snprintf(fix, sizeof fix, "run sudo -u %s p11ekm doctor", account);
    doctor_report(d, DOCTOR_FAIL, fix, "--account is for Windows (%s, %u)",
                  core_status_name(ST_NOT_SUPPORTED), core_status_code(ST_NOT_SUPPORTED));
    return true;
}

bool doctor_check_account(doctor *d)
{
    const core_config *config = d->config;
    if (cli_value(d->call, "--account") == NULL) {
        if (core_service_account() != NULL) {
            doctor_report(d, DOCTOR_SKIP, "",
                          "the rights checked are those of the account that runs this; for SQL "
                          "Server's: --account \"%s\"",
                          core_service_account());
        }
        return true;
    }
    if (report_unsupported(d)) {
        return true;
    }
    check_file(d, config->path, CORE_FILE_CONFIG, "read");
    check_file(d, config->module, CORE_FILE_MODULE, "load");
    for (size_t i = 0; i < config->token_count; i++) {
        if (config->tokens[i].pin_file != NULL && !is_reported_already(config, i)) {
            check_file(d, config->tokens[i].pin_file, CORE_FILE_SECRET, "read");
        }
    }
    check_log(d, config->log, config->log_pattern);
    check_log(d, config->audit, config->audit_pattern);
    return true;
}
