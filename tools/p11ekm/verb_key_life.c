/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm key create, retire, restore, purge: changes to keys. Each is audited, and refused in
 * advance if its record could not be written. Destroying a key takes two steps: it must be
 * retired first, and purge requires its name to be typed again.
 */
#include "tools/p11ekm/verbs.h"
#include "tools/p11ekm/cmk_ops.h"
#include "tools/p11ekm/session.h"

#include <string.h>

#include "core/platform.h"

const cli_option cli_key_create_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--algorithm", "NAME", true, "RSA_2048, RSA_3072, RSA_4096, AES_256, ..."},
    {"--extractable", NULL, false, "the key may leave the token, wrapped (default: never)"},
    CLI_END_OPTIONS,
};

const cli_option cli_key_retire_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--yes", "NAME", false, "the operand again, after the DBA's answer"},
    CLI_END_OPTIONS,
};

const cli_option cli_key_purge_options[] = {
    CLI_LOGIN_OPTIONS,
    {"--yes", "NAME", true, "the operand again, as the confirmation"},
    CLI_END_OPTIONS,
};

static void report(cli_call *call, const tok_key *key, const char *name, const char *done)
{
    char thumb[2 * TOK_THUMB_LEN + 1];
    core_hex(tok_key_info_of(key)->thumb, TOK_THUMB_LEN, thumb);
    if (call->json) {
        call->doc = json_object();
        json_object_set_new(call->doc, "name", cli_json_text(name));
        json_object_set_new(call->doc, "thumbprint", json_string(thumb));
        json_object_set_new(call->doc, "done", json_string(done));
    } else {
        core_str_addf(&call->text, "key \"%s\" %s, thumbprint %s\n", name, done, thumb);
    }
}

core_status cli_algorithm(cli_call *call, const char *wanted, core_algorithm *algorithm,
                          core_err *err)
{
    core_str known = {0};
    for (core_algorithm a = 0; a < CORE_ALG_COUNT; a++) {
        if (core_ascii_equal_nocase(core_algorithm_tag(a), wanted)) {
            *algorithm = a;
            core_str_free(&known);
            return ST_OK;
        }
        core_str_addf(&known, " %s", core_algorithm_tag(a));
    }
    call->usage = true;
    core_status st = core_fail(err, ST_INVALID_ARGUMENT, "--algorithm %s: unknown; it is one of%s",
                               wanted, core_str_get(&known));
    core_str_free(&known);
    return st;
}

core_status cli_key_create(cli_call *call, core_err *err)
{
    cli_session session = {0};
    tok_key *key = NULL;
    uint64_t started = 0;
    tok_key_spec spec = {
        .name = call->operands[0],
        .persistent = true,
        .extractable = cli_value(call, "--extractable") != NULL,
    };
    core_status st = cli_algorithm(call, cli_value(call, "--algorithm"), &spec.algorithm, err);
    if (st == ST_OK) {
        st = cli_name_check(call, "key", spec.name, err);
    }
    if (st == ST_OK) {
        st = cli_session_login(call, &session, err);
    }
    if (st == ST_OK) {
        st = cli_audit_begin(&session, "CreateKey", spec.name, NULL, err);
    }
    if (st == ST_OK) {
        started = core_now_us();
        st = tok_key_create(session.token, &spec, &key, err);
        st = cli_audit_key(&session, "CreateKey", spec.name, key, st, started, err);
    }
    if (st == ST_OK) {
        report(call, key, spec.name, "created");
    }
    tok_key_release(key);
    cli_session_close(&session);
    return st;
}

/* The three changes to an existing key differ in the keys that they look for and in the function
 * that they call. */
typedef struct change {
    const char *operation; /* name in the audit record */
    const char *done;
    cli_which which;
    core_status (*apply)(tok_key *key, core_err *err);
} change;

static core_status apply_change(cli_call *call, const change *what, core_err *err)
{
    cli_session session = {0};
    cli_keys keys = {0};
    tok_key *key = NULL;
    char name[TOK_LABEL_MAX + 1] = "";
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = cli_keys_list(&session, &keys, err);
    }
    if (st == ST_OK) {
        st = cli_keys_find(&keys, call->operands[0], what->which, &key, err);
    }
    if (st == ST_OK) {
        const char *plain = cli_key_plain_name(tok_key_info_of(key));
        memcpy(name, plain, strlen(plain) + 1);
        st = cli_audit_begin(&session, what->operation, name, key, err);
    }
    if (st == ST_OK) {
        uint64_t started = core_now_us();
        st = what->apply(key, err);
        st = cli_audit_key(&session, what->operation, name, key, st, started, err);
        if (st == ST_OK) {
            report(call, key, name, what->done);
        }
    }
    cli_keys_free(&keys);
    cli_session_close(&session);
    return st;
}

/* A column master key is used by clients, any other key by the server. The statements must not
 * be separated by "; ": the next step is the text after the last one. */
static core_status require_confirmation(const tok_key_info *info, const char *operand,
                                        core_err *err)
{
    char thumb[2 * TOK_THUMB_LEN + 1];
    const unsigned master = TOK_CAN_SIGN | TOK_CAN_UNWRAP;
    if (info->rsa && (info->can & master) == master) {
        return core_fail(err, ST_POLICY,
                         "nothing was retired: columns under the key cannot be decrypted then. Ask "
                         "in each database: SELECT name FROM sys.column_master_keys WHERE key_path "
                         "= N'...' (its paths: p11ekm key show, uri) and for backups; if nothing "
                         "needs it, repeat with --yes %s",
                         operand);
    }
    core_hex(info->thumb, TOK_THUMB_LEN, thumb);
    return core_fail(
        err, ST_POLICY,
        "nothing was retired: databases under the key do not open at the next start. "
        "Ask on each server (1) SELECT DB_NAME(database_id) FROM "
        "sys.dm_database_encryption_keys WHERE encryptor_thumbprint = 0x%s and (2) "
        "SELECT name FROM sys.asymmetric_keys WHERE thumbprint = 0x%s and for backups; "
        "if nothing needs it, repeat with --yes %s",
        thumb, thumb, operand);
}

/* Says what to ask the database administrator first: a server that is started after this does
 * not find the key. */
static core_status ask_first(cli_call *call, core_err *err)
{
    cli_session session = {0};
    cli_keys keys = {0};
    tok_key *key = NULL;
    core_status st = cli_session_login(call, &session, err);
    if (st == ST_OK) {
        st = cli_keys_list(&session, &keys, err);
    }
    if (st == ST_OK) {
        st = cli_keys_find(&keys, call->operands[0], CLI_LIVE_KEY, &key, err);
    }
    if (st == ST_OK) {
        st = require_confirmation(tok_key_info_of(key), call->operands[0], err);
    }
    cli_keys_free(&keys);
    cli_session_close(&session);
    return st;
}

static core_status fail_unconfirmed(cli_call *call, const char *outcome, core_err *err)
{
    call->usage = true;
    return core_fail(err, ST_INVALID_ARGUMENT,
                     "--yes does not repeat the operand: %s; type --yes %s", outcome,
                     call->operands[0]);
}

core_status cli_key_retire(cli_call *call, core_err *err)
{
    static const change what = {"RetireKey", "retired", CLI_LIVE_KEY, tok_key_retire};
    const char *yes = cli_value(call, "--yes");
    if (yes == NULL) {
        return ask_first(call, err);
    }
    if (strcmp(yes, call->operands[0]) != 0) {
        return fail_unconfirmed(call, "nothing was retired", err);
    }
    return apply_change(call, &what, err);
}

core_status cli_key_restore(cli_call *call, core_err *err)
{
    static const change what = {"RestoreKey", "restored", CLI_RETIRED_KEY, tok_key_restore};
    return apply_change(call, &what, err);
}

core_status cli_key_purge(cli_call *call, core_err *err)
{
    static const change what = {"PurgeKey", "destroyed", CLI_RETIRED_KEY, tok_key_destroy};
    if (strcmp(cli_value(call, "--yes"), call->operands[0]) != 0) {
        return fail_unconfirmed(
            call,
            "nothing was destroyed. What this key protects, backups included, is "
            "lost with it",
            err);
    }
    return apply_change(call, &what, err);
}
