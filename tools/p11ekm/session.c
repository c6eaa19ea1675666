/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the token of the command line, logs in to it, and writes the audit records of the changes
 * made there.
 */
#include "tools/p11ekm/session.h"

#include <string.h>

#include "core/platform.h"

core_status cli_identity(const cli_call *call, const core_config *config, const char **identity,
                         core_err *err)
{
    *identity = cli_value(call, "--token");
    if (*identity != NULL) {
        return ST_OK;
    }
    const core_token_config *only = core_config_only(config);
    if (only != NULL) {
        *identity = only->alias;
        return ST_OK;
    }
    if (config->token_count == 0) {
        return core_fail(err, ST_TOKEN_NOT_FOUND,
                         "%s: it names no token; give --token, or add a [token ALIAS] section",
                         config->path);
    }
    core_str aliases = {0};
    for (size_t i = 0; i < config->token_count; i++) {
        core_str_addf(&aliases, "%s%s", i == 0 ? "" : ", ", config->tokens[i].alias);
    }
    core_status st = core_fail(err, ST_TOKEN_AMBIGUOUS, "%s: it names the tokens %s; give --token",
                               config->path, core_str_get(&aliases));
    core_str_free(&aliases);
    return st;
}

core_status cli_session_find(cli_call *call, cli_session *session, core_err *err)
{
    core_status st = ST_OK;
    if (session->context == NULL) {
        st = tok_context_open(cli_value(call, "--conf"), &session->context, err);
    }
    if (st == ST_OK) {
        st = cli_identity(call, tok_context_config(session->context), &session->identity, err);
    }
    if (st == ST_OK) {
        st = tok_token_find(session->context, session->identity, &session->token, err);
    }
    return st;
}

/* A token with a protected authentication path (a keypad), or without a user login, needs no PIN
 * from us. */
static bool needs_no_pin(const cli_call *call, const tok_token *token)
{
    const tok_token_info *info = tok_token_info_of(token);
    return tok_token_config(token)->member_count == 0 &&
           (info->protected_path || !info->login_required) &&
           cli_value(call, "--pin-file") == NULL && cli_value(call, "--pin-fd") == NULL;
}

/* Adds the source of the PIN to the error, if an option gave it. Each run of the program sends
 * the PIN again. */
static core_status name_source(const cli_call *call, const cli_session *session, core_err *err)
{
    const char *source = cli_value(call, "--pin-file");
    const char *told = err->text;
    const char *next = core_err_next(err, ST_AUTH_FAILED);
    const bool own = next > told && next < told + sizeof err->text;
    const bool sent = strstr(told, "(C_Login: ") != NULL;
    if (source == NULL && cli_value(call, "--pin-fd") != NULL) {
        source = "--pin-fd";
    } else if (source == NULL) {
        source = tok_token_config(session->token)->pin_file;
    }
    if (source == NULL && !cli_pin_configured(tok_token_config(session->token))) {
        source = "that was typed";
    }
    if (source == NULL) { /* a group: the files of its members */
        return ST_AUTH_FAILED;
    }
    return core_fail(err, ST_AUTH_FAILED, "%.*s; correct the PIN %s%s%s",
                     own ? (int)(next - told) - 2 : (int)strlen(told), told,
                     strcmp(source, "that was typed") == 0 ? "" : "from ", source,
                     sent ? " before the next run: each run is one more try" : "");
}

core_status cli_session_login(cli_call *call, cli_session *session, core_err *err)
{
    core_secret pin = {0};
    bool given = false;
    core_status st = session->token == NULL ? cli_session_find(call, session, err) : ST_OK;
    if (st == ST_OK && !needs_no_pin(call, session->token)) {
        st = cli_pin_read(call, tok_token_config(session->token), &pin, &given, err);
    }
    if (st == ST_OK && cli_value(call, "--last-try") != NULL) {
        tok_token_allow_last_try(session->token);
    }
    if (st == ST_OK) {
        st = tok_token_login(session->token, given ? (const char *)pin.data : NULL,
                             given ? pin.length : 0, err);
        session->logged_in = st == ST_OK;
        st = st == ST_AUTH_FAILED ? name_source(call, session, err) : st;
    }
    core_secret_close(&pin);
    return st;
}

void cli_session_close(cli_session *session)
{
    if (session->logged_in) {
        tok_token_logout(session->token);
    }
    if (session->token != NULL) {
        tok_token_release(session->token);
    }
    if (session->context != NULL) {
        tok_context_close(session->context);
    }
    memset(session, 0, sizeof *session);
}

core_status cli_audit_begin(const cli_session *session, const char *operation, const char *name,
                            const tok_key *key, core_err *err)
{
    const core_audit_record record = {
        .config = tok_context_config(session->context),
        .kind = CORE_AUDIT_KEY,
        .operation = operation,
        .identity = session->identity,
        .token = tok_token_info_of(session->token)->label,
        .key = name,
        .thumb = key == NULL ? NULL : tok_key_info_of(key)->thumb,
    };
    return core_audit_begin(&record, err);
}

core_status cli_audit_key(const cli_session *session, const char *operation, const char *name,
                          const tok_key *key, core_status result, uint64_t started, core_err *err)
{
    core_audit_record record = {
        .config = tok_context_config(session->context),
        .kind = CORE_AUDIT_KEY,
        .operation = operation,
        .identity = session->identity,
        .token = tok_token_info_of(session->token)->label,
        .key = name,
        .thumb =
            key == NULL || !tok_key_info_of(key)->has_thumb ? NULL : tok_key_info_of(key)->thumb,
        .result = result,
        .microseconds = core_now_us() - started,
    };
    core_status st = core_audit_write(&record);
    if (result == ST_OK && st != ST_OK) {
        return core_fail(err, st,
                         "key \"%s\": %s is done, but its audit record could not be written: the "
                         "trail has the intent only; make room or correct 'audit'",
                         name, operation);
    }
    return result;
}
