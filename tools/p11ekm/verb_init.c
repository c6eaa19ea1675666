/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm init: writes a configuration that contains every key with its explanation.
 */
#include "tools/p11ekm/verbs.h"

#include <string.h>

#include "core/platform_account.h"

const cli_option cli_init_options[] = {
    {"--module", "PATH", true, "absolute path of the PKCS#11 library"},
    {"--token", "TOKEN", true, "PKCS#11 URI or label of the token"},
    {"--alias", "NAME", false, "name of the token for IDENTITY of a credential (default: hsm)"},
    {"--pin-file", "FILE", false, "absolute path of the file that will hold the PIN"},
    CLI_END_OPTIONS,
};

static core_status check_paths(cli_call *call, const char *module, const char *pin_file,
                               core_err *err)
{
    if (!core_path_absolute(module)) {
        return cli_usage(call, err, "--module takes an absolute path");
    }
    if (pin_file != NULL && !core_path_absolute(pin_file)) {
        return cli_usage(call, err, "--pin-file takes an absolute path here");
    }
    return core_file_check(module, CORE_FILE_MODULE, err);
}

/* Parses the text before writing it, so that init never leaves a file that the provider refuses.
 * Creates the directory if it does not exist, as /etc/p11ekm on a new machine, and removes it
 * again if the file cannot be written. */
static core_status write_checked(const char *path, const core_str *text, core_err *err)
{
    core_config *config = NULL;
    char *directory = core_path_directory(path);
    char *real = directory == NULL ? NULL : core_path_real(directory);
    const bool missing = directory != NULL && real == NULL;
    core_status st = core_config_parse(core_str_get(text), text->length, path, &config, err);
    core_config_free(config);
    if (st == ST_OK && missing) {
        st = core_directory_create(directory, err);
    }
    if (st == ST_OK) {
        st = core_file_create(path, text->text, text->length, err);
        if (st != ST_OK && missing) {
            core_directory_remove(directory);
        }
    }
    core_free(directory);
    core_free(real);
    return st;
}

/* On Windows, one audit file would be writable either for administrators or for the account of
 * SQL Server. So init sets up the audit trail at once, with a file for each account in the
 * folder "log" next to the configuration, if the installation made that folder. */
static const char *audit_folder_of(const char *path, core_str *out)
{
    static const char name[] = "\\audit-%u.log";
    const char *end = path + strlen(path);
    while (end > path && strchr("\\/", end[-1]) == NULL) {
        end--;
    }
    if (core_service_account() == NULL || !core_path_absolute(path)) {
        return NULL;
    }
    core_str_addf(out, "%.*slog", (int)(end - path), path);
    if (out->failed || !core_file_there(core_str_get(out))) {
        return NULL;
    }
    core_str_add(out, name);
    return out->failed ? NULL : core_str_get(out);
}

core_status cli_init(cli_call *call, core_err *err)
{
    const char *path = cli_value(call, "--conf");
    const char *module = cli_value(call, "--module");
    const char *alias = cli_value(call, "--alias");
    const char *pin_file = cli_value(call, "--pin-file");
    core_str sample = {0}, audit = {.limit = 4096};
    path = path == NULL ? core_config_path() : path;
    alias = alias == NULL ? "hsm" : alias;
    core_status st = check_paths(call, module, pin_file, err);
    if (st != ST_OK) {
        goto done;
    }
    core_config_sample(&sample, module, alias, cli_value(call, "--token"), pin_file,
                       audit_folder_of(path, &audit));
    st = sample.failed ? ST_NO_MEMORY : write_checked(path, &sample, err);
    if (st != ST_OK) {
        goto done;
    }
    if (call->json) {
        call->doc = json_object();
        json_object_set_new(call->doc, "configuration", cli_json_text(path));
        json_object_set_new(call->doc, "alias", cli_json_text(alias));
        goto done;
    }
    core_str_addf(&call->text,
                  "%s: written, readable %s.\n"
                  "next: give it to the account of the service, for example\n"
                  "        ",
                  path, core_file_readers());
    core_file_share_command(path, &call->text);
    const char *service = core_service_account();
    core_str_addf(&call->text, "\n      then check it as that account: p11ekm doctor --conf %s",
                  path);
    if (service != NULL) {
        core_str_addf(&call->text, " --account \"%s\"", service);
    }
    core_str_add(&call->text, "\n");
done:
    core_str_free(&sample);
    core_str_free(&audit);
    return st;
}
