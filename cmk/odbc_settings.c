/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses the settings of the ODBC key store in locked memory, because they may contain a PIN.
 */
#include "cmk/odbc_private.h"

#include <string.h>
#include "core/text.h"

static const char *const names[ODBC_SETTING_COUNT] = {
    [ODBC_CONFIG] = "config", [ODBC_TOKEN] = "token", [ODBC_PIN] = "pin"};

static core_status line_fail(core_err *err, unsigned number, const char *why)
{
    return core_fail(err, ST_FORMAT,
                     "settings, line %u: %s; write config=FILE, token=ALIAS and pin=PIN, one per "
                     "line",
                     number, why);
}

/* Parses one line, which ends with a NUL. Values are not trimmed: a PIN may begin with a blank. */
static core_status read_line(char *line, unsigned number, odbc_settings *out, core_err *err)
{
    char *equals = strchr(line, '=');
    if (line[0] == '\0')
        return ST_OK;
    if (equals == NULL)
        return line_fail(err, number, "it has no '='");
    *equals = '\0';
    odbc_setting which = 0;
    while (which < ODBC_SETTING_COUNT && strcmp(line, names[which]) != 0)
        which++;
    if (which == ODBC_SETTING_COUNT)
        return line_fail(err, number, "not a setting of this provider");
    if (out->value[which] != NULL)
        return line_fail(err, number, "it is given twice");
    if (equals[1] == '\0')
        return line_fail(err, number, "its value is empty");
    out->value[which] = equals + 1;
    out->length[which] = strlen(equals + 1);
    return ST_OK;
}

core_status odbc_settings_read(const void *data, size_t length, odbc_settings *out, core_err *err)
{
    *out = (odbc_settings){0};
    if (data == NULL || length == 0)
        return core_fail(err, ST_FORMAT,
                         "settings: they are empty; write config=FILE, token=ALIAS "
                         "and pin=PIN, one per line");
    if (length > ODBC_SETTINGS_MAX || core_secret_open(&out->text, length + 1) != ST_OK)
        return core_fail(err, length > ODBC_SETTINGS_MAX ? ST_FORMAT : ST_NO_MEMORY,
                         "settings: %zu bytes are too many; write at most %d", length,
                         ODBC_SETTINGS_MAX);
    char *text = (char *)out->text.data;
    memcpy(text, data, length);
    out->text.length = length;
    while (length > 0 && text[length - 1] == '\0') /* the length may include a terminator */
        length--;
    text[length] = '\0';
    if (!core_utf8_valid(text, length))
        return core_fail(err, ST_FORMAT, "settings: they are not UTF-8 text; convert them");
    core_status st = ST_OK;
    for (unsigned number = 1; st == ST_OK && text != NULL; number++) {
        char *newline = strchr(text, '\n');
        if (newline != NULL)
            *newline = '\0';
        const size_t end = strlen(text);
        if (end > 0 && text[end - 1] == '\r')
            text[end - 1] = '\0';
        st = read_line(text, number, out, err);
        text = newline == NULL ? NULL : newline + 1;
    }
    return st;
}

void odbc_settings_wipe(odbc_settings *settings)
{
    core_secret_close(&settings->text);
    *settings = (odbc_settings){0};
}
