/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of p11ekm doctor that need the token, from loading the module to its keys.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/platform.h"
#include "pkcs11/probe.h"

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

/* The token to check in depth is the one of --token or the only one; the others must at least be
 * found. */
bool doctor_check_token(doctor *d)
{
    core_err err = {0};
    const core_config *config = d->config;
    core_status st = cli_identity(d->call, config, &d->identity, &err);
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
            const tok_token_info *info = tok_token_about(other);
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

/* Flags of the token about its PIN, worst first. */
static bool pin_state(doctor *d, const tok_token_info *token)
{
    const struct {
        bool set;
        doctor_state state;
        const char *text, *fix;
    } flags[] = {
        {!token->pin_set, DOCTOR_FAIL, "the token has no user PIN yet",
         "set the user PIN with the vendor's tool"},
        {token->pin_locked, DOCTOR_FAIL, "the user PIN is locked",
         "unlock it with the vendor's tool as security officer"},
        {token->pin_last_try, DOCTOR_FAIL, "one wrong PIN more locks the token",
         "log in once with the vendor's tool and the right PIN"},
        {token->pin_to_change, DOCTOR_FAIL, "the user PIN must be changed before use",
         "change it with the vendor's tool"},
        {token->pin_low, DOCTOR_WARN, "wrong PINs were given since the last login",
         "find out who does that; the next login resets the count"},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].set) {
            doctor_report(d, flags[i].state, flags[i].fix, "%s", flags[i].text);
            return flags[i].state != DOCTOR_FAIL;
        }
    }
    return true;
}

bool doctor_check_pin(doctor *d)
{
    core_err err = {0};
    const core_token_config *config = tok_token_config(d->session.token);
    const char *pin_file = config->pin_file;
    if (!pin_state(d, tok_token_about(d->session.token))) {
        return false;
    }
    d->pin_known = true;
    if (cli_value(d->call, "--pin-file") != NULL || cli_value(d->call, "--pin-fd") != NULL) {
        doctor_report(d, DOCTOR_OK, "", "given for this run");
    } else if (pin_file == NULL && cli_pin_configured(config)) {
        doctor_report(d, DOCTOR_OK, "", "each token of the group has its pin_file");
    } else if (pin_file == NULL && isatty(STDIN_FILENO)) {
        doctor_report(d, DOCTOR_OK, "", "will be asked for");
    } else if (pin_file == NULL) {
        d->pin_known = false;
        doctor_report(d, DOCTOR_WARN, "give --pin-file or --pin-fd to check what follows",
                      "comes with the credential (SECRET); none is known here");
    } else {
        core_status st = core_file_check(pin_file, CORE_FILE_SECRET, &err);
        if (st != ST_OK) {
            doctor_failed(d, st, &err);
            return false;
        }
        doctor_report(d, DOCTOR_OK, "", "%s is readable by its owner only", pin_file);
    }
    return d->pin_known;
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
                  tok_token_about(d->session.token)->label);
    if (doctor_is_group(d)) {
        doctor_report_group(d);
    }
    return true;
}

bool doctor_check_memory(doctor *d)
{
    unsigned unlocked = core_secret_unlocked();
    if (unlocked > 0) {
        doctor_report(d, DOCTOR_WARN,
                      "raise the limit for locked memory: LimitMEMLOCK=infinity in the unit of the "
                      "service, or memlock in limits.conf",
                      "the system refused to lock %u buffer%s: secrets may reach the swap file",
                      unlocked, unlocked == 1 ? "" : "s");
    } else {
        doctor_report(d, DOCTOR_OK, "", "secrets are locked in memory");
    }
    return true;
}

/* What the provider uses, and what is missing without it. */
static const struct {
    const char *name;
    const char *without;
} mechanisms[] = {
    {"CKM_RSA_PKCS_KEY_PAIR_GEN", "RSA keys cannot be made here: use the vendor's tool"},
    {"CKM_RSA_PKCS_OAEP",
     "RSA keys cannot wrap safely but by rsa_raw = yes, where CKM_RSA_X_509 is offered"},
    {"CKM_RSA_PKCS", "no signatures on tokens that lack CKM_SHA256_RSA_PKCS, too"},
    {"CKM_AES_KEY_GEN", "AES keys cannot be made here: use the vendor's tool"},
    {"CKM_AES_CBC_PAD", "AES keys of the token cannot be used by SQL Server"},
};

static const tok_mechanism *listed(const tok_mechanism *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

/* Algorithms that the policy allows to be made and the token does not: said now, not when a key of
 * that kind is wanted. Sizes of 3DES keys are in bits here and in bytes there, and all alike. */
static size_t check_algorithms(doctor *d, const tok_mechanism *list, size_t count)
{
    const core_token_config *config = tok_token_config(d->session.token);
    size_t missing = 0;
    for (core_algorithm a = 0; config->create && a < CORE_ALG_COUNT; a++) {
        char fix[80];
        unsigned bits = core_algorithm_bits(a);
        bool des3 = a == CORE_ALG_3DES;
        const char *name = des3                       ? "CKM_DES3_KEY_GEN"
                           : core_algorithm_is_rsa(a) ? "CKM_RSA_PKCS_KEY_PAIR_GEN"
                                                      : "CKM_AES_KEY_GEN";
        const tok_mechanism *found = listed(list, count, name);
        if ((config->algorithms & (1U << a)) == 0) {
            continue;
        }
        (void)snprintf(fix, sizeof fix, "take %s out of 'algorithms'", core_algorithm_tag(a));
        if (found == NULL && des3) { /* the others are in the table above */
            doctor_report(d, DOCTOR_WARN, fix, "%s is not offered", name);
            missing++;
        } else if (found != NULL && !des3 && found->max_bits != 0 &&
                   (bits < found->min_bits || bits > found->max_bits)) {
            doctor_report(d, DOCTOR_WARN, fix, "%s is offered from %u to %u bits, not %u", name,
                          (unsigned)found->min_bits, (unsigned)found->max_bits, bits);
            missing++;
        }
    }
    return missing;
}

bool doctor_check_mechanisms(doctor *d)
{
    core_err err = {0};
    tok_mechanism *list = NULL;
    size_t count = 0, missing = 0;
    if (doctor_is_group(d)) {
        doctor_report(d, DOCTOR_SKIP, "", "a group: check its tokens one by one (--token)");
        return true;
    }
    core_status st = tok_mechanism_list(d->session.token, &list, &count, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return true;
    }
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (listed(list, count, mechanisms[i].name) == NULL) {
            doctor_report(d, DOCTOR_WARN, mechanisms[i].without, "%s is not offered",
                          mechanisms[i].name);
            missing++;
        }
    }
    missing += check_algorithms(d, list, count);
    if (missing == 0) {
        doctor_report(d, DOCTOR_OK, "", "all that the provider uses are offered (%zu in all)",
                      count);
    }
    core_free(list);
    return true;
}

/* What an auditor would ask about the keys that are there. */
static void check_key(doctor *d, const tok_key *key)
{
    core_err err = {0};
    const tok_key_info *info = tok_key_about(key);
    if (info->retired) {
        return;
    }
    if (tok_key_valid_today(key, &err) != ST_OK) {
        doctor_report(d, DOCTOR_WARN, "rotate to a valid key", "key \"%s\" is outside its dates",
                      info->name);
    }
    if (!info->sensitive) {
        doctor_report(d, DOCTOR_WARN, "rotate to a key made on the token",
                      "key \"%s\": its value can be read by whoever has the PIN", info->name);
    } else if (info->extractable) {
        doctor_report(d, DOCTOR_WARN, "rotate to a key that is not, unless copies are wanted",
                      "key \"%s\" is extractable: it can leave the token, wrapped", info->name);
    }
}

bool doctor_check_keys(doctor *d)
{
    core_err err = {0};
    cli_keys keys = {0};
    size_t retired = 0;
    unsigned warned = d->count[DOCTOR_WARN];
    core_status st = cli_keys_list(&d->session, &keys, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return true;
    }
    for (size_t i = 0; i < keys.count; i++) {
        check_key(d, keys.keys[i]);
        retired += tok_key_about(keys.keys[i])->retired ? 1 : 0;
    }
    if (warned == d->count[DOCTOR_WARN]) {
        doctor_report(d, DOCTOR_OK, "", "%zu in use, %zu retired", keys.count - retired, retired);
    }
    cli_keys_free(&keys);
    return true;
}
