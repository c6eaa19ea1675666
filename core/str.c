/* SPDX-License-Identifier: Apache-2.0
 *
 * The string builder with a limit.
 */
#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/memory.h"
#include "core/text_private.h"

enum { DEFAULT_LIMIT = 1024 * 1024, FIRST_CAPACITY = 128 };

/* Ensures space for `more` bytes and the NUL. Allocates a new block instead of calling realloc, so
 * that the old one can be wiped. */
static bool make_room(core_str *s, size_t more)
{
    const size_t limit = s->limit == 0 ? DEFAULT_LIMIT : s->limit;
    if (s->failed || more > limit || s->length > limit - more) {
        s->failed = true;
        return false;
    }
    const size_t need = s->length + more + 1;
    if (need <= s->capacity)
        return true;
    size_t capacity = s->capacity == 0 ? FIRST_CAPACITY : s->capacity;
    while (capacity < need)
        capacity *= 2;
    char *text = core_calloc(capacity, 1);
    if (text == NULL) {
        s->failed = true;
        return false;
    }
    if (s->text != NULL) {
        memcpy(text, s->text, s->length);
        core_wipe(s->text, s->capacity);
        core_free(s->text);
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

void core_str_addn(core_str *s, const char *text, size_t length)
{
    if (!make_room(s, length))
        return;
    if (length != 0)
        memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = '\0';
}

void core_str_add(core_str *s, const char *text)
{
    core_str_addn(s, text, strlen(text));
}

void core_str_addf(core_str *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        s->failed = true;
    else if (make_room(s, (size_t)n)) {
        (void)vsnprintf(s->text + s->length, (size_t)n + 1, format, again);
        s->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void core_str_json(core_str *s, const char *text)
{
    core_str_json_cut(s, text, SIZE_MAX);
}

void core_str_json_cut(core_str *s, const char *text, size_t most)
{
    if (text == NULL) {
        core_str_add(s, "null");
        return;
    }
    const size_t length = strlen(text);
    core_str_add(s, "\"");
    for (size_t i = 0, n; i < length; i += n) {
        uint32_t code = 0;
        n = core_utf8_decode(text + i, length - i, &code);
        const bool valid = n != 0;
        n = valid ? n : 1;
        if (n > most - i) { /* at most `most` bytes were added */
            core_str_add(s, "...");
            break;
        }
        if (!valid)
            core_str_add(s, "\xef\xbf\xbd");
        else if (code == '"' || code == '\\')
            core_str_addf(s, "\\%c", (char)code);
        else if (core_utf8_unprintable(code))
            core_str_addf(s, "\\u%04x", (unsigned)code);
        else
            core_str_addn(s, text + i, n);
    }
    core_str_add(s, "\"");
}

const char *core_str_get(const core_str *s)
{
    return s->text == NULL ? "" : s->text;
}

void core_str_free(core_str *s)
{
    core_wipe(s->text, s->capacity);
    core_free(s->text);
    *s = (core_str){.limit = s->limit};
}
