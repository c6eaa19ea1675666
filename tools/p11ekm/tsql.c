/* SPDX-License-Identifier: Apache-2.0
 *
 * T-SQL for the DBA to run: see values.h. The texts in it have passed core_text_fault, so that
 * this file only has to quote them.
 */
#include "tools/p11ekm/values.h"

#include "core/platform.h"
#include "tools/p11ekm/cli.h"

core_status cli_file_write(const char *path, const core_str *text, core_err *err)
{
    return text->failed ? ST_NO_MEMORY
                        : core_file_create(path, core_str_get(text), text->length, err);
}

core_status cli_sql_write(const char *path, const core_str *sql, core_err *err)
{
    core_str marked = {.limit = sql->length + 4};
    if (sql->failed || core_text_is_ascii(core_str_get(sql))) {
        return cli_file_write(path, sql, err);
    }
    core_str_add(&marked, "\xEF\xBB\xBF");
    core_str_addn(&marked, sql->text, sql->length);
    core_status st = cli_file_write(path, &marked, err);
    core_str_free(&marked);
    return st;
}

static void add_doubled(core_str *out, const char *text, char twice)
{
    for (; *text != '\0'; text++) {
        core_str_addn(out, text, 1);
        if (*text == twice) {
            core_str_addn(out, text, 1);
        }
    }
}

void cli_sql_name(core_str *out, const char *name)
{
    core_str_add(out, "[");
    add_doubled(out, name, ']');
    core_str_add(out, "]");
}

void cli_sql_text(core_str *out, const char *text)
{
    core_str_add(out, "N'");
    add_doubled(out, text, '\'');
    core_str_add(out, "'");
}

void cli_sql_binary(core_str *out, const uint8_t *bytes, size_t length)
{
    char hex[3];
    core_str_add(out, "0x");
    for (size_t i = 0; i < length; i++) {
        core_hex(bytes + i, 1, hex);
        core_str_add(out, hex);
    }
}
