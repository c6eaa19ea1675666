/* SPDX-License-Identifier: Apache-2.0
 *
 * Matches names against the pattern lists of the configuration: trusted_paths and ekm_keys.
 */
#include <string.h>
#include "core/text.h"

/* True if text matches pattern[0..length). It backtracks to the last `*` only, so the time is
 * bounded by the product of the two lengths, whatever text a server sends. */
static bool pattern_fits(const char *pattern, size_t length, const char *text)
{
    size_t at = 0, star = SIZE_MAX;
    const char *resume = text;
    while (*text != '\0') {
        if (at < length && pattern[at] == '*') {
            star = at++;
            resume = text;
        } else if (at < length && pattern[at] == *text) {
            at++;
            text++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (at < length && pattern[at] == '*')
        at++;
    return at == length;
}

bool core_patterns_fit(const char *patterns, const char *text)
{
    for (const char *p = patterns;;) {
        size_t length = strcspn(p, ",");
        const char *next = p + length;
        for (; length > 0 && (*p == ' ' || *p == '\t'); p++)
            length--;
        while (length > 0 && (p[length - 1] == ' ' || p[length - 1] == '\t'))
            length--;
        if (length > 0 && pattern_fits(p, length, text))
            return true;
        if (*next == '\0')
            return false;
        p = next + 1;
    }
}
