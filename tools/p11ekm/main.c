/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm: runs the verb of the command line.
 */
#include "tools/p11ekm/cli.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    cli_call call = {.text = {.limit = (size_t)64 << 20}};
    core_err err = {0};
    cli_output_start();
    core_status st = cli_parse(argc, argv, &call, &err);
    if (st == ST_OK && cli_value(&call, "--version") != NULL) {
        fprintf(cli_stdout(), "p11ekm %s\n", P11EKM_VERSION);
        return CLI_EXIT_OK;
    }
    if (st == ST_OK && cli_value(&call, "--help") != NULL) {
        cli_print_help(call.verb);
        return CLI_EXIT_OK;
    }
    if (st == ST_OK) {
        st = call.verb->run(&call, &err);
    }
    return cli_finish(&call, st, &err);
}
