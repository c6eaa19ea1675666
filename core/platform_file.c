/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules for files that are the same on every system. The status of a missing or unreadable file
 * depends on its kind, so that it points to the setting that names the file.
 */
#include "core/platform.h"

static const struct {
    core_status missing, unreadable;
    const char *remedy;
} rows[] = {
    [CORE_FILE_CONFIG] = {ST_CONFIG_MISSING, ST_IO, "check the path"},
    [CORE_FILE_SECRET] =
        {ST_PIN_SOURCE, ST_PIN_SOURCE,
         "check the path, or make it: readable by the account of the service only"},
    [CORE_FILE_MODULE] = {ST_MODULE_LOAD, ST_MODULE_LOAD,
                          "check the path ('module' in the configuration)"},
    [CORE_FILE_LOG] = {ST_IO, ST_IO, "check the path"},
};

core_status core_file_status(core_file_kind kind, bool missing)
{
    return missing ? rows[kind].missing : rows[kind].unreadable;
}

const char *core_file_remedy(core_file_kind kind)
{
    return rows[kind].remedy;
}

bool core_file_there(const char *path)
{
    char *real = core_path_real(path);
    core_free(real);
    return real != NULL;
}
