/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as UTF-16LE: refused, or converted to valid UTF-8 and back to the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char utf8[6 * 1024 + 1];
    static uint8_t back[4 * 1024];
    size_t cb = sizeof back;
    if (size > sizeof back)
        return 0;
    const core_status st = core_utf16_to_utf8(data, size, utf8, sizeof utf8);
    if (st != ST_OK) {
        check(st == ST_INVALID_ARGUMENT && utf8[0] == '\0');
        return 0;
    }
    check(core_utf8_valid(utf8, strlen(utf8)));
    check(core_utf8_to_utf16(utf8, back, &cb) == ST_OK);
    check(cb == size && memcmp(back, data, size) == 0);
    return 0;
}
