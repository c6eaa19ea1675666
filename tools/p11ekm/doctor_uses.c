/* SPDX-License-Identifier: Apache-2.0
 *
 * The use check of p11ekm doctor: whether one token holds keys for both uses, for EKM and as
 * column master keys of Always Encrypted. The account of SQL Server has the PIN of all of them.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>

/* True for a key as `cmk create` makes it. No other verb and no statement of SQL Server makes
 * such a key. */
static bool is_column_master_key(const tok_key_info *info)
{
    const unsigned both = TOK_CAN_SIGN | TOK_CAN_UNWRAP;
    return info->rsa && (info->can & both) == both;
}

/* Reports keys that the EKM provider refuses by the rule in ekm/policy.c. A key that another
 * tool imported with every use allowed looks like a column master key; if SQL Server uses it, a
 * database cannot be opened. */
static void report_refused(doctor *d, const tok_key_info *info, bool server_uses_token)
{
    char fix[TOK_LABEL_MAX + 128];
    if (!server_uses_token) {
        doctor_report(d, DOCTOR_OK, "",
                      "key \"%s\" is hidden from SQL Server: it may sign and unwrap", info->name);
        return;
    }
    snprintf(
        fix, sizeof fix,
        "if SQL Server uses it: ekm_keys = %s in the token's section; if it is a column master "
        "key: nothing",
        info->name);
    doctor_report(d, DOCTOR_WARN, fix,
                  "key \"%s\" may sign and unwrap: SQL Server is refused it (%u), and a database "
                  "under it does not open",
                  info->name, core_status_code(ST_POLICY));
}

static void report_master_key(doctor *d, const tok_key_info *info, bool server_uses_token)
{
    const char *patterns = tok_token_config(d->session.token)->ekm_keys;
    if (patterns == NULL || !core_patterns_fit(patterns, info->name)) {
        report_refused(d, info, server_uses_token || patterns != NULL);
    } else {
        doctor_report(d, DOCTOR_WARN,
                      "take it off ekm_keys if a client uses it as a column master key",
                      "key \"%s\" may sign and unwrap, and ekm_keys lets SQL Server use it: an "
                      "administrator of the database can decrypt column encryption keys with it",
                      info->name);
    }
}

bool doctor_check_uses(doctor *d)
{
    core_err err = {0};
    cli_keys keys = {0};
    size_t masters = 0, others = 0;
    core_status st = cli_keys_list(&d->session, &keys, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return true;
    }
    for (size_t i = 0; i < keys.count; i++) {
        const tok_key_info *info = tok_key_info_of(keys.keys[i]);
        const bool used = !info->retired && info->algorithm != CORE_ALG_COUNT;
        masters += used && is_column_master_key(info);
        others += used && !is_column_master_key(info);
    }
    for (size_t i = 0; masters > 0 && i < keys.count; i++) {
        const tok_key_info *info = tok_key_info_of(keys.keys[i]);
        if (!info->retired && info->algorithm != CORE_ALG_COUNT && is_column_master_key(info)) {
            report_master_key(d, info, others > 0);
        }
    }
    if (masters > 0 && others > 0) {
        doctor_report(
            d, DOCTOR_WARN,
            "keep column master keys on a token of their own, whose PIN the database "
            "server does not have",
            "%zu column master key%s of Always Encrypted and %zu key%s for EKM are on one "
            "token",
            masters, masters == 1 ? "" : "s", others, others == 1 ? "" : "s");
    } else {
        doctor_report(d, DOCTOR_OK, "", "%s",
                      masters > 0  ? "column master keys of Always Encrypted only"
                      : others > 0 ? "keys for EKM only"
                                   : "no keys yet");
    }
    cli_keys_free(&keys);
    return true;
}
