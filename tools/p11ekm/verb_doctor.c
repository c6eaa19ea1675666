/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm doctor: checks everything from the configuration file to a round trip on the token, and
 * prints a fix for each problem. Run it as the account of the service, whose rights it checks. It
 * changes nothing; its keys are session keys.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/doctor_private.h"

#include "core/log.h"

static const struct {
    const char *name;
    bool (*run)(doctor *d);
} checks[] = {
    {"configuration", doctor_check_configuration},
    {"account", doctor_check_account},
    {"log", doctor_check_log},
    {"audit", doctor_check_audit},
    {"module file", doctor_check_module_file},
    {"module", doctor_check_module},
    {"token", doctor_check_token},
    {"PIN", doctor_check_pin},
    {"login", doctor_check_login},
    {"memory", doctor_check_memory},
    {"mechanisms", doctor_check_mechanisms},
    {"round trip", doctor_check_round_trip},
    {"keys", doctor_check_keys},
    {"uses", doctor_check_uses},
};

core_status cli_doctor(cli_call *call, core_err *err)
{
    doctor d = {.call = call};
    bool going = true;
    core_log_make_no_files();
    (void)err; /* problems are results of doctor, not errors of it */
    if (call->json) {
        call->doc = json_object();
        d.list = json_array();
        json_object_set_new(call->doc, "checks", d.list);
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        d.check = checks[i].name;
        if (going) {
            going = checks[i].run(&d);
        } else {
            doctor_report(&d, DOCTOR_SKIP, "", "not checked: see the %s above",
                          d.count[DOCTOR_FAIL] > 0 ? "failure" : "warning");
        }
    }
    call->findings = d.count[DOCTOR_FAIL] > 0;
    if (call->json) {
        json_object_set_new(call->doc, "failed", json_integer(d.count[DOCTOR_FAIL]));
        json_object_set_new(call->doc, "warnings", json_integer(d.count[DOCTOR_WARN]));
    } else {
        core_str_addf(&call->text, "%u ok, %u to look at, %u failed, %u not checked\n",
                      d.count[DOCTOR_OK], d.count[DOCTOR_WARN], d.count[DOCTOR_FAIL],
                      d.count[DOCTOR_SKIP]);
    }
    cli_session_close(&d.session);
    core_config_free(d.config);
    return ST_OK;
}
