/* SPDX-License-Identifier: Apache-2.0
 *
 * The status table, made from the list in status.h, and the texts of errors.
 */
#include "core/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "core/text_private.h"

typedef struct status_row {
    const char *name;
    const char *text;
    const char *next;
    const char *both;
    unsigned code;
    core_class class_;
} status_row;

static const status_row rows[ST_COUNT_] = {
#define STATUS_ROW(name, code, cls, text, next) \
    {#name, text, next, text "; " next, code, CORE_CLASS_##cls},
    CORE_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static const status_row *row_of(core_status st)
{
    const unsigned i = (unsigned)st;
    return &rows[i < ST_COUNT_ ? i : ST_FAILURE];
}

const char *core_status_name(core_status st)
{
    return row_of(st)->name;
}

const char *core_status_text(core_status st)
{
    return row_of(st)->text;
}

const char *core_status_next(core_status st)
{
    return row_of(st)->next;
}

unsigned core_status_code(core_status st)
{
    return row_of(st)->code;
}

core_class core_status_class(core_status st)
{
    return row_of(st)->class_;
}

core_status core_fail(core_err *err, core_status st, const char *format, ...)
{
    if (err == NULL)
        return st;
    err->status = st;
    err->passed_over = false;
    /* Formatted in a buffer of this function: the arguments may point into err->text. */
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        text[0] = '\0';
    if (n >= (int)sizeof text)
        text[core_utf8_cut(text, sizeof text - 1)] = '\0';
    core_text_sanitize(text, ""); /* it may quote text from a token, a file or an application */
    memcpy(err->text, text, sizeof text);
    return st;
}

const char *core_err_next(const core_err *err, core_status st)
{
    bool quoted = false;
    const char *next = core_status_next(st);
    if (err == NULL)
        return next;
    for (const char *p = err->text; *p != '\0'; p++) {
        quoted = quoted != (*p == '"');
        if (!quoted && p[0] == ';' && p[1] == ' ')
            next = p + 2;
    }
    return next;
}

const char *core_err_text(const core_err *err, core_status st)
{
    if (err != NULL && err->text[0] != '\0')
        return err->text;
    return core_status_next(st)[0] == '\0' ? core_status_text(st) : row_of(st)->both;
}
