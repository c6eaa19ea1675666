/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of verbs. To add a verb, add a row here, its function in the verb_*.c of its group,
 * and its section in docs/man/p11ekm.1.md (tests/cli checks that).
 */
#include "tools/p11ekm/verbs.h"

static const cli_option doctor_options[] = {
    {"--account", "NAME", false, "check the access of this account to the files (Windows)"},
    CLI_LOGIN_OPTIONS,
    {"--last-try", NULL, false, "log in although one wrong PIN more locks the token"},
    CLI_END_OPTIONS};

const cli_verb cli_verbs[] = {
    {NULL, "init", "", 0, cli_init_options, "write a commented configuration file", cli_init},
    {NULL, "probe", "", 0, cli_login_options, "test what the token can really do", cli_probe},
    {NULL, "doctor", "", 0, doctor_options, "check everything and say how to mend it", cli_doctor},
    {"pin", "protect", "FILE", 1, cli_pin_options, "make a PIN file that only this machine opens",
     cli_pin_protect},
    {"token", "list", "", 0, cli_no_options, "the tokens the module shows", cli_token_list},
    {"key", "list", "", 0, cli_login_options, "the keys on the token", cli_key_list},
    {"key", "show", "NAME-or-THUMBPRINT", 1, cli_login_options, "all that is known of a key",
     cli_key_show},
    {"key", "create", "NAME", 1, cli_key_create_options, "make a key on the token", cli_key_create},
    {"key", "retire", "NAME-or-THUMBPRINT", 1, cli_key_retire_options,
     "hide a key from SQL Server, but keep it", cli_key_retire},
    {"key", "restore", "NAME-or-THUMBPRINT", 1, cli_login_options,
     "give a retired key its name back", cli_key_restore},
    {"key", "purge", "NAME-or-THUMBPRINT", 1, cli_key_purge_options,
     "destroy a retired key for good", cli_key_purge},
    {"cmk", "create", "NAME", 1, cli_cmk_create_options, "make a column master key on the token",
     cli_cmk_create},
    {"cmk", "list", "", 0, cli_login_options, "the keys that can be column master keys",
     cli_cmk_list},
    {"cmk", "sql", "KEY", 1, cli_cmk_sql_options, "T-SQL that tells the database of a master key",
     cli_cmk_sql},
    {"cmk", "verify", "FILE", 1, cli_login_options, "check exported master keys' signatures",
     cli_cmk_verify},
    {"cmk", "rotate", "FILE", 1, cli_cmk_rotate_options, "wrap exported values with a new key",
     cli_cmk_rotate},
    {"cek", "create", "NAME", 1, cli_cek_create_options, "make and wrap a column encryption key",
     cli_cek_create},
    {"cek", "import", "NAME", 1, cli_cek_import_options, "wrap a column encryption key you have",
     cli_cek_import},
    {"cek", "sql", "FILE", 1, cli_cek_sql_options, "T-SQL of encrypted values", cli_cek_sql},
    {"cek", "verify", "FILE", 1, cli_cek_verify_options, "check exported encrypted values",
     cli_cek_verify},
    {NULL, NULL, NULL, 0, NULL, NULL, NULL},
};
