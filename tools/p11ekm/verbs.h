/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of p11ekm. verbs.c holds their table; each verb_*.c has one group of them.
 */
#ifndef TOOLS_P11EKM_VERBS_H
#define TOOLS_P11EKM_VERBS_H

#include "tools/p11ekm/cli.h"

/* The name of the last row is NULL. */
extern const cli_verb cli_verbs[];

/* verb_*.c: the options of the verbs, and the verbs. */
extern const cli_option cli_init_options[], cli_key_create_options[], cli_key_purge_options[],
    cli_key_retire_options[], cli_cmk_create_options[], cli_cmk_sql_options[],
    cli_cmk_rotate_options[], cli_cek_create_options[], cli_cek_import_options[],
    cli_cek_sql_options[], cli_cek_verify_options[], cli_pin_options[];
core_status cli_cmk_create(cli_call *call, core_err *err);
core_status cli_cmk_list(cli_call *call, core_err *err);
core_status cli_cmk_sql(cli_call *call, core_err *err);
core_status cli_cmk_verify(cli_call *call, core_err *err);
core_status cli_cmk_rotate(cli_call *call, core_err *err);
core_status cli_cek_create(cli_call *call, core_err *err);
core_status cli_cek_import(cli_call *call, core_err *err);
core_status cli_cek_sql(cli_call *call, core_err *err);
core_status cli_cek_verify(cli_call *call, core_err *err);
core_status cli_init(cli_call *call, core_err *err);
core_status cli_pin_protect(cli_call *call, core_err *err);
core_status cli_probe(cli_call *call, core_err *err);
core_status cli_doctor(cli_call *call, core_err *err);
core_status cli_token_list(cli_call *call, core_err *err);
core_status cli_key_list(cli_call *call, core_err *err);
core_status cli_key_show(cli_call *call, core_err *err);
core_status cli_key_create(cli_call *call, core_err *err);
core_status cli_key_retire(cli_call *call, core_err *err);
core_status cli_key_restore(cli_call *call, core_err *err);
core_status cli_key_purge(cli_call *call, core_err *err);

#endif
