/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm pin protect: a PIN file that only this machine, or one account of it, can open (Windows).
 */
#include "tools/p11ekm/verbs.h"

#include "core/platform_account.h"

const cli_option cli_pin_options[] = {
    {"--pin-file", "FILE", false, "read the PIN from this file"},
    {"--pin-fd", "N", false, "read the PIN from this open file descriptor"},
    {"--user", NULL, false, "seal it to the account that runs this, not to the machine"},
    CLI_END_OPTIONS,
};

core_status cli_pin_protect(cli_call *call, core_err *err)
{
    const char *path = call->operands[0];
    core_secret pin = {0};
    const core_seal_scope scope =
        cli_value(call, "--user") != NULL ? CORE_SEAL_USER : CORE_SEAL_MACHINE;
    if (!core_path_absolute(path)) {
        return cli_usage(call, err, "pin protect takes an absolute path");
    }
    core_status st = cli_pin_read_new(call, &pin, err);
    if (st == ST_OK) {
        st = core_file_create_sealed(path, pin.data, pin.length, scope, err);
    }
    core_secret_close(&pin);
    if (st == ST_OK && call->json) {
        call->doc = json_object();
        json_object_set_new(call->doc, "pin_file", cli_json_text(path));
    } else if (st == ST_OK && scope == CORE_SEAL_USER) {
        core_str_addf(&call->text,
                      "%s: written; only this account, on this machine, can open it.\n"
                      "next: name it as pin_file in the configuration\n",
                      path);
    } else if (st == ST_OK) {
        core_str_addf(&call->text,
                      "%s: written; any account of this machine that may read the file can open "
                      "it, and none elsewhere. It is readable %s.\n"
                      "next: let the service read it: ",
                      path, core_file_readers());
        core_file_share_command(path, &call->text);
        core_str_add(&call->text, "\n      and name it as pin_file in the configuration\n");
    }
    return st;
}
