/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of p11ekm doctor: one line, or with --json one object, for each result of a check.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void doctor_report(doctor *d, doctor_state state, const char *fix, const char *format, ...)
{
    static const char *const words[] = {"ok", "WARN", "FAIL", "skip"};
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    core_text_sanitize(text, "");
    d->count[state]++;
    if (d->call->json) {
        json_t *item = json_object();
        json_object_set_new(item, "check", json_string(d->check));
        json_object_set_new(item, "state", json_string(words[state]));
        json_object_set_new(item, "text", cli_json_text(text));
        json_object_set_new(item, "fix", cli_json_text(fix));
        json_array_append_new(d->list, item);
        return;
    }
    core_str_addf(&d->call->text, "%-4s  %-14s %s\n", words[state], d->check, text);
    if (fix[0] != '\0') {
        core_str_addf(&d->call->text, "      %-14s -> %s\n", "", fix);
    }
}

void doctor_failed(doctor *d, core_status st, const core_err *err)
{
    const char *text = err->text[0] == '\0' ? core_status_text(st) : err->text;
    const char *next = core_err_next(err, st);
    const bool inside = next != core_status_next(st); /* `next` starts after "; " in the text */
    const size_t length = inside ? (size_t)(next - text) - 2 : strlen(text);
    doctor_report(d, DOCTOR_FAIL, next, "%.*s (%s, %u)", (int)length, text, core_status_name(st),
                  core_status_code(st));
}
