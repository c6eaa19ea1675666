/* SPDX-License-Identifier: Apache-2.0
 *
 * The options that several verbs share, and the values that the command line gave to options.
 */
#include "tools/p11ekm/cli.h"

#include <string.h>

const cli_option cli_global_options[] = {
    {"--conf", "FILE", false, "configuration (default: $P11EKM_CONF, else the system's)"},
    {"--json", NULL, false, "print one JSON document instead of text"},
    {"--help", NULL, false, "print this help, or that of a verb"},
    {"--version", NULL, false, "print the version"},
    CLI_END_OPTIONS,
};

const cli_option cli_no_options[] = {CLI_END_OPTIONS};
const cli_option cli_login_options[] = {CLI_LOGIN_OPTIONS, CLI_END_OPTIONS};

core_status cli_usage(cli_call *call, core_err *err, const char *text)
{
    call->usage = true;
    return core_fail(err, ST_INVALID_ARGUMENT, "%s; see p11ekm --help", text);
}

int cli_option_index(const cli_option *options, const char *name, size_t length)
{
    for (int i = 0; options != NULL && options[i].name != NULL; i++) {
        if (strncmp(options[i].name, name, length) == 0 && options[i].name[length] == '\0') {
            return i;
        }
    }
    return -1;
}

const char *cli_value(const cli_call *call, const char *name)
{
    int i = cli_option_index(cli_global_options, name, strlen(name));
    if (i >= 0) {
        return call->global[i];
    }
    i = call->verb == NULL ? -1 : cli_option_index(call->verb->options, name, strlen(name));
    return i < 0 ? NULL : call->own[i];
}
