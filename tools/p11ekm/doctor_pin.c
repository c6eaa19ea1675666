/* SPDX-License-Identifier: Apache-2.0
 *
 * The PIN check of p11ekm doctor: the token's flags about its PIN, and the source of the PIN.
 */
#include "tools/p11ekm/doctor_private.h"

#include <unistd.h>

#include "core/platform.h"

/* The flags of the token about its PIN, most serious first. */
static bool pin_state(doctor *d, const tok_token_info *token)
{
    const struct {
        bool set;
        doctor_state state;
        const char *text, *fix;
    } flags[] = {
        {token->pin_locked, DOCTOR_FAIL, "the user PIN is locked",
         "unlock it with the vendor's tool as security officer"},
        {token->pin_last_try && cli_value(d->call, "--last-try") != NULL, DOCTOR_WARN,
         "one wrong PIN more locks the token; the login below is that try",
         "the right PIN sets the count back"},
        {token->pin_last_try, DOCTOR_FAIL, "one wrong PIN more locks the token",
         "if you are sure of the PIN: p11ekm doctor --last-try; it sets the count back"},
        {token->pin_to_change, DOCTOR_FAIL, "the user PIN must be changed before use",
         "change it with the vendor's tool"},
        {!token->pin_set && token->login_required, DOCTOR_WARN,
         "the token does not say that it has a user PIN",
         "if the login below fails, set the user PIN with the vendor's tool"},
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

/* The value of --pin-file may be a link; pin_file of the configuration may not. */
static bool check_file(doctor *d, const char *path, bool follow)
{
    core_err err = {0};
    char *real = follow ? core_path_real(path) : NULL;
    const core_status st = core_file_check(real == NULL ? path : real, CORE_FILE_SECRET, &err);
    core_free(real);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return false;
    }
    doctor_report(d, DOCTOR_OK, "", "%s is readable by its owner only", path);
    return true;
}

bool doctor_check_pin(doctor *d)
{
    const core_token_config *config = tok_token_config(d->session.token);
    const char *pin_file = config->pin_file;
    const char *given = cli_value(d->call, "--pin-file");
    if (!pin_state(d, tok_token_info_of(d->session.token))) {
        return false;
    }
    d->pin_known = true;
    if (given == NULL && cli_value(d->call, "--pin-fd") == NULL && !cli_pin_configured(config) &&
        config->member_count == 0 &&
        (tok_token_info_of(d->session.token)->protected_path ||
         !tok_token_info_of(d->session.token)->login_required)) {
        doctor_report(d, DOCTOR_OK, "", "%s",
                      tok_token_info_of(d->session.token)->protected_path
                          ? "is typed at the token"
                          : "none is needed: the token has no user login");
        return true;
    }
    if (given != NULL) {
        return check_file(d, given, true);
    }
    if (cli_value(d->call, "--pin-fd") != NULL) {
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
        return check_file(d, pin_file, false);
    }
    return d->pin_known;
}
