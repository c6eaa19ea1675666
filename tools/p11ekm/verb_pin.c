/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm pin protect: a PIN file that only this machine can open (Windows).
 */
#include "tools/p11ekm/cli.h"

#include "core/platform.h"

const cli_option cli_pin_options[] = {
    {"--pin-file", "FILE", false, "read the PIN from this file"},
    {"--pin-fd", "N", false, "read the PIN from this open file descriptor"},
    CLI_END_OPTIONS,
};

core_status cli_pin_protect(cli_call *call, core_err *err)
{
    static const core_token_config no_configuration;
    const char *path = call->operands[0];
    core_secret pin = {0};
    bool given = false;
    if (!core_path_absolute(path)) {
        return cli_usage(call, err, "pin protect takes an absolute path");
    }
    core_status st = cli_pin_read(call, &no_configuration, &pin, &given, err);
    if (st == ST_OK) {
        st = core_file_create_sealed(path, pin.data, pin.length, err);
    }
    core_secret_close(&pin);
    if (st == ST_OK && call->json) {
        call->doc = json_object();
        json_object_set_new(call->doc, "pin_file", cli_json_text(path));
    } else if (st == ST_OK) {
        core_str_addf(&call->text,
                      "%s: written, for this machine and this user only.\n"
                      "next: let the service read it: ",
                      path);
        core_file_share_command(path, &call->text);
        core_str_add(&call->text, "\n      and name it as pin_file in the configuration\n");
    }
    return st;
}
