/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of p11ekm doctor that need the token: the module, the token, the login, the memory.
 */
#include "tools/p11ekm/doctor_private.h"

#include "core/platform.h"

static void report_serial(doctor *d)
{
    const bool serial = tok_context_serialized(d->session.context);
    if (serial) {
        doctor_report(d, DOCTOR_OK, "", "calls are made one at a time");
    } else if (tok_context_needs_serial(d->session.context)) {
        doctor_report(d, DOCTOR_WARN, "set serialize to auto or yes",
                      "calls are made by many threads at once, which it is known not to bear");
    }
}

bool doctor_check_module(doctor *d)
{
    core_err err = {0};
    tok_token_info *tokens = NULL;
    size_t count = 0;
    core_status st = tok_context_open(cli_value(d->call, "--conf"), &d->session.context, &err);
    if (st == ST_OK) {
        st = tok_token_list(d->session.context, &tokens, &count, &err);
    }
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    if (count == 0) {
        doctor_report(d, DOCTOR_FAIL, "check the HSM, its client service and its configuration",
                      "loads and starts, but shows no token");
    } else {
        doctor_report(d, DOCTOR_OK, "", "%s %u.%u, Cryptoki %u.%u, %zu token%s", tokens[0].library,
                      tokens[0].library_major, tokens[0].library_minor, tokens[0].cryptoki_major,
                      tokens[0].cryptoki_minor, count, count == 1 ? "" : "s");
    }
    report_serial(d);
    core_free(tokens);
    return count > 0;
}

static void report_several(doctor *d)
{
    core_str fix = {0};
    for (size_t i = 0; i < d->config->token_count; i++) {
        core_str_addf(&fix, "%s%s", i == 0 ? "give --token ALIAS for each of: " : ", ",
                      d->config->tokens[i].alias);
    }
    doctor_report(d, DOCTOR_FAIL, core_str_get(&fix), "there are %zu token sections (%s, %u)",
                  d->config->token_count, core_status_name(ST_TOKEN_AMBIGUOUS),
                  core_status_code(ST_TOKEN_AMBIGUOUS));
    core_str_free(&fix);
}

/* Checks in depth the token of --token or the only one. The other tokens must at least be found. */
bool doctor_check_token(doctor *d)
{
    core_err err = {0};
    const core_config *config = d->config;
    core_status st = cli_identity(d->call, config, &d->identity, &err);
    if (st == ST_TOKEN_AMBIGUOUS) {
        report_several(d);
        return false;
    }
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    for (size_t i = 0; i < config->token_count; i++) {
        tok_token *other = NULL;
        err.text[0] = '\0';
        st = tok_token_find(d->session.context, config->tokens[i].alias, &other, &err);
        if (st != ST_OK) {
            doctor_failed(d, st, &err);
        } else {
            const tok_token_info *info = tok_token_info_of(other);
            if (config->tokens[i].members != NULL) {
                doctor_report(d, DOCTOR_OK, "", "%s is the group of %s", info->alias,
                              config->tokens[i].members);
            } else {
                doctor_report(d, DOCTOR_OK, "", "%s is \"%s\", %s, serial %s",
                              config->tokens[i].alias, info->label, info->model, info->serial);
            }
            tok_token_release(other);
        }
    }
    err.text[0] = '\0';
    st = tok_token_find(d->session.context, d->identity, &d->session.token, &err);
    d->session.identity = d->identity;
    if (st != ST_OK && core_config_token(config, d->identity) == NULL) {
        doctor_failed(d, st, &err);
    }
    return st == ST_OK;
}

bool doctor_check_login(doctor *d)
{
    core_err err = {0};
    core_status st = cli_session_login(d->call, &d->session, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    doctor_report(d, DOCTOR_OK, "", "as \"%s\" on token \"%s\"", d->identity,
                  tok_token_info_of(d->session.token)->label);
    if (doctor_is_group(d)) {
        doctor_report_group(d);
    }
    return true;
}

bool doctor_check_memory(doctor *d)
{
    unsigned unlocked = core_secret_unlocked();
    if (unlocked > 0) {
        doctor_report(d, DOCTOR_WARN, core_pages_advice(),
                      "the system refused to lock %u buffer%s: secrets may reach the swap file",
                      unlocked, unlocked == 1 ? "" : "s");
    } else {
        doctor_report(d, DOCTOR_OK, "", "secrets are locked in memory");
    }
    return true;
}
