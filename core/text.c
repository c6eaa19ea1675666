/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversion between UTF-16LE and UTF-8 with full validation, locale-independent comparison, and
 * hex.
 */
#include "core/text.h"

#include <string.h>
#include "core/text_private.h"

/* Lead bytes by pattern; `min` of a row rejects overlong forms. */
static const struct {
    uint8_t mask, lead;
    unsigned tail;
    uint32_t min;
} utf8_forms[] = {
    {0x80, 0x00, 0, 0}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};

static bool is_surrogate(uint32_t code)
{
    return code >= 0xd800 && code <= 0xdfff;
}

size_t core_utf8_decode(const char *text, size_t length, uint32_t *code)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < sizeof utf8_forms / sizeof utf8_forms[0]; i++) {
        if ((p[0] & utf8_forms[i].mask) != utf8_forms[i].lead)
            continue;
        const size_t tail = utf8_forms[i].tail;
        uint32_t c = p[0] & (uint8_t)~utf8_forms[i].mask;
        if (tail >= length)
            return 0;
        for (size_t k = 1; k <= tail; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (p[k] & 0x3fU);
        }
        if (c < utf8_forms[i].min || c > 0x10ffff || is_surrogate(c))
            return 0;
        *code = c;
        return tail + 1;
    }
    return 0;
}

size_t core_utf8_cut(const char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 3 && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0 || (uint8_t)text[start - 1] < 0xc0)
        return length;
    uint32_t code = 0;
    return core_utf8_decode(text + start - 1, length - start + 1, &code) != 0 ? length : start - 1;
}

/* Returns the number of bytes written, 1 to 4. */
static size_t utf8_encode(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    const size_t tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (size_t k = tail; k > 0; k--, code >>= 6)
        out[k] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(utf8_forms[tail].lead | code);
    return tail + 1;
}

static uint32_t unit_at(const uint8_t *utf16, size_t i)
{
    return utf16[2 * i] | (uint32_t)utf16[2 * i + 1] << 8;
}

core_status core_utf16_to_utf8(const void *utf16, size_t cb, char *out, size_t size)
{
    const uint8_t *p = utf16;
    size_t used = 0;
    core_status st = ST_INVALID_ARGUMENT;

    if (size == 0)
        return ST_BUFFER_TOO_SMALL;
    if (cb % 2 != 0 || (p == NULL && cb != 0))
        goto done;
    for (size_t i = 0; i < cb / 2; i++) {
        uint32_t code = unit_at(p, i);
        if (is_surrogate(code)) {
            const uint32_t low = i + 1 < cb / 2 ? unit_at(p, i + 1) : 0;
            if (code > 0xdbff || low < 0xdc00 || low > 0xdfff)
                goto done;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            i++;
        }
        if (code == 0)
            goto done;
        uint8_t bytes[4];
        const size_t n = utf8_encode(code, bytes);
        if (n >= size - used) {
            st = ST_BUFFER_TOO_SMALL;
            goto done;
        }
        memcpy(out + used, bytes, n);
        used += n;
    }
    st = ST_OK;
done:
    out[st == ST_OK ? used : 0] = '\0';
    return st;
}

static void put_unit(uint8_t *utf16, size_t at, uint32_t unit)
{
    utf16[at] = (uint8_t)unit;
    utf16[at + 1] = (uint8_t)(unit >> 8);
}

core_status core_utf8_to_utf16(const char *utf8, void *utf16, size_t *cb)
{
    const size_t size = utf16 == NULL ? 0 : *cb;
    const size_t length = strlen(utf8);
    size_t need = 0;
    uint32_t code = 0;

    *cb = 0;
    for (size_t i = 0, n; i < length; i += n) {
        n = core_utf8_decode(utf8 + i, length - i, &code);
        if (n == 0)
            return ST_INVALID_ARGUMENT;
        need += code >= 0x10000 ? 4 : 2;
    }
    *cb = need;
    if (utf16 == NULL)
        return ST_OK;
    if (need > size)
        return ST_BUFFER_TOO_SMALL;
    uint8_t *out = utf16;
    size_t at = 0;
    for (size_t i = 0; i < length;) {
        i += core_utf8_decode(utf8 + i, length - i, &code);
        if (code >= 0x10000) {
            put_unit(out, at, 0xd800 + ((code - 0x10000) >> 10));
            at += 2;
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        put_unit(out, at, code);
        at += 2;
    }
    return ST_OK;
}

size_t core_utf16_length(const uint16_t *text, size_t limit)
{
    size_t n = 0;
    while (n < limit && text[n] != 0)
        n++;
    return n;
}

bool core_utf8_valid(const char *text, size_t length)
{
    for (size_t i = 0, n; i < length; i += n) {
        uint32_t code = 0;
        n = core_utf8_decode(text + i, length - i, &code);
        if (n == 0 || code == 0)
            return false;
    }
    return true;
}

bool core_utf8_unprintable(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

/* The number of bytes of the character at `text`. *bad: it could end a line, control a terminal or
 * break the decoding of a reader. */
static size_t printable(const char *text, size_t length, bool *bad)
{
    uint32_t code = 0;
    const size_t n = core_utf8_decode(text, length, &code);
    *bad = n == 0 || core_utf8_unprintable(code);
    return n == 0 ? 1 : n;
}

bool core_text_is_clean(const char *text)
{
    const size_t length = strlen(text);
    bool bad = false;
    for (size_t i = 0; i < length && !bad;)
        i += printable(text + i, length - i, &bad);
    return !bad;
}

void core_text_sanitize(char *text, const char *keep)
{
    const size_t length = strlen(text);
    for (size_t i = 0, n; i < length; i += n) {
        bool bad = false;
        n = printable(text + i, length - i, &bad);
        if (bad && strchr(keep, text[i]) == NULL)
            memset(text + i, '?', n);
    }
}

/* Characters that change the display order of others. */
static bool is_bidirectional(uint32_t code)
{
    return code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

const char *core_text_fault(const char *text, size_t most_units)
{
    const size_t length = strlen(text);
    size_t units = 0;
    if (length == 0)
        return "is empty";
    for (size_t i = 0, n; i < length; i += n) {
        uint32_t code = 0;
        n = core_utf8_decode(text + i, length - i, &code);
        if (n == 0)
            return "is not valid UTF-8";
        if (core_utf8_unprintable(code))
            return "holds a control character";
        if (is_bidirectional(code))
            return "holds a character that changes the direction of text";
        if (code == '$' && text[i + 1] == '(')
            return "holds $(, which sqlcmd takes for a variable";
        units += code >= 0x10000 ? 2 : 1;
    }
    return units > most_units ? "is too long" : NULL;
}

bool core_text_is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static char ascii_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + ('a' - 'A'));
    return c;
}

bool core_ascii_equal_nocase(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && core_ascii_prefix_nocase(a, b);
}

bool core_ascii_prefix_nocase(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++) {
        if (ascii_lower(*text) != ascii_lower(*prefix))
            return false;
    }
    return true;
}

void core_hex(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    const char lower = ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

core_status core_unhex(const char *hex, uint8_t *out, size_t *length)
{
    const size_t size = *length;
    *length = 0;
    if (core_ascii_prefix_nocase(hex, "0x"))
        hex += 2;
    const size_t digits = strlen(hex);
    if (digits % 2 != 0)
        return ST_FORMAT;
    for (size_t i = 0; i < digits; i++) {
        if (hex_value(hex[i]) < 0)
            return ST_FORMAT;
    }
    if (digits / 2 > size)
        return ST_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < digits / 2; i++)
        out[i] = (uint8_t)(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
    *length = digits / 2;
    return ST_OK;
}
