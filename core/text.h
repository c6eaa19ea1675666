/* SPDX-License-Identifier: Apache-2.0
 *
 * Text: UTF-16LE for SQL Server and the drivers, UTF-8 for PKCS#11 and this code, and a string
 * builder with a limit for log lines, JSON and T-SQL. UTF-16 is uint16_t, not wchar_t.
 */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

/* Converts `cb` BYTES of UTF-16LE (even, not terminated; may be unaligned) to a NUL-terminated
 * UTF-8 string of at most `size` bytes with its NUL. ST_INVALID_ARGUMENT: odd `cb`, a lone
 * surrogate, or U+0000. ST_BUFFER_TOO_SMALL. out[0] is NUL on failure. */
CORE_MUST_USE core_status core_utf16_to_utf8(const void *utf16, size_t cb, char *out, size_t size);

/* Converts a NUL-terminated UTF-8 string to UTF-16LE without terminator. It is validated: no
 * overlong forms, surrogates, or codes above U+10FFFF. *cb: the size of `utf16` in bytes before,
 * the bytes needed after the call, also if `utf16` is NULL or too small (ST_BUFFER_TOO_SMALL,
 * nothing is written). */
CORE_MUST_USE core_status core_utf8_to_utf16(const char *utf8, void *utf16, size_t *cb);

/* The number of 16-bit units before the terminator of a driver's string, at most `limit`. */
size_t core_utf16_length(const uint16_t *text, size_t limit);
/* True if `length` bytes are valid UTF-8 without U+0000. */
bool core_utf8_valid(const char *text, size_t length);
/* core_text_is_clean: true if `text` can be printed, so that nothing in it ends a line, controls a
 * terminal or breaks the decoding of a reader. core_text_sanitize replaces such characters by '?'
 * in place, except the ASCII characters in `keep`. */
bool core_text_is_clean(const char *text);
void core_text_sanitize(char *text, const char *keep);
/* The rule for text that may be used in T-SQL, in a list or on a token: valid UTF-8 of 1 to
 * `most_units` UTF-16 units, without control characters, characters that change the direction of
 * text, and `$(`. NULL if `text` follows the rule, else the defect as a phrase to follow the quoted
 * text: "is empty", "holds a control character". Static. The name of a key or of a database object
 * has at most CORE_NAME_UNITS, as sysname of SQL Server. */
enum { CORE_NAME_UNITS = 128 };
#define CORE_NAME_RULE                                                                        \
    "a name has 1 to 128 UTF-16 units of UTF-8 text, without control characters, characters " \
    "that change its direction, and $("
const char *core_text_fault(const char *text, size_t most_units);
bool core_text_is_ascii(const char *text);
/* ASCII comparison and prefix test without regard to case, independent of the locale. */
bool core_ascii_equal_nocase(const char *a, const char *b);
bool core_ascii_prefix_nocase(const char *text, const char *prefix);
/* True if `text` matches one of the comma-separated patterns, in which `*` stands for any number of
 * characters. Case matters; blanks around a pattern do not. */
bool core_patterns_fit(const char *patterns, const char *text);
/* Converts to lower case in place as .NET's invariant culture does for the Basic Multilingual
 * Plane. `units` counts 16-bit units. */
void core_utf16_lower(uint16_t *text, size_t units);

/* Lower-case hex with a NUL: `out` holds 2 * length + 1 bytes. */
void core_hex(const uint8_t *bytes, size_t length, char *out);
/* Decodes hex of either case, with or without 0x. *length: the size of `out` before, the number of
 * bytes after the call. ST_FORMAT, ST_BUFFER_TOO_SMALL. */
CORE_MUST_USE core_status core_unhex(const char *hex, uint8_t *out, size_t *length);

/* A string that grows up to a limit. When it cannot grow, `failed` is set and later calls do
 * nothing, so one check at the end is enough. Zero it and set `limit` (bytes); release with
 * core_str_free. */
typedef struct core_str {
    char *text; /* NUL-terminated; NULL while empty */
    size_t length;
    size_t capacity;
    size_t limit; /* 0: 1 MiB */
    bool failed;
} core_str;

void core_str_add(core_str *s, const char *text);
void core_str_addn(core_str *s, const char *text, size_t length);
void core_str_addf(core_str *s, const char *format, ...) CORE_PRINTF(2, 3);
/* Adds a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. NULL adds null. */
void core_str_json(core_str *s, const char *text);
/* The same; a text of more than `most` bytes is truncated at a character boundary and ends with
 * "...". */
void core_str_json_cut(core_str *s, const char *text, size_t most);
/* The text, "" while empty. Never NULL. */
const char *core_str_get(const core_str *s);
/* Wipes the text and releases the memory. */
void core_str_free(core_str *s);

#endif
