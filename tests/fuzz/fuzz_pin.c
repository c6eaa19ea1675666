/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a PIN file. The check uses other code: it extracts the line with the C library and
 * asks the converter of SECRET, because a PIN in a file must be valid as SECRET, too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/text.h"
#include "pkcs11/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* The PIN of the file as a string, or NULL. */
static const char *expected_pin(const uint8_t *data, size_t size)
{
    static char text[MOST + 1], back[MOST + 1];
    static uint8_t utf16[2 * MOST];
    size_t cb = sizeof utf16;

    memcpy(text, data, size);
    text[size] = '\0';
    char *line = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
    const size_t before = (size_t)(line - text);
    const size_t length = strcspn(line, "\r\n");
    const bool cut_by_nul = line[length] == '\0' && before + length < size;
    line[length] = '\0';
    if (length == 0 || cut_by_nul || core_utf8_to_utf16(line, utf16, &cb) != ST_OK ||
        core_utf16_to_utf8(utf16, cb, back, sizeof back) != ST_OK)
        return NULL;
    check(strcmp(line, back) == 0);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static core_secret secret; /* shared: a mapping for each input would be most of the work */
    core_err err = {.status = ST_OK};

    if (size > MOST)
        return 0;
    if (secret.data == NULL)
        check(core_secret_open(&secret, MOST) == ST_OK);
    memcpy(secret.data, data, size);
    secret.length = size;
    const core_status st = tok_pin_cut(&secret, "pin", &err);
    const char *pin = expected_pin(data, size);
    if (pin == NULL) {
        check(st == ST_PIN_SOURCE && strncmp(err.text, "pin: ", 5) == 0);
    } else {
        check(st == ST_OK && secret.length == strlen(pin));
        check(memcmp(secret.data, pin, secret.length) == 0);
        for (size_t i = secret.length; i < size; i++)
            check(secret.data[i] == 0);
    }
    core_secret_clear(&secret);
    return 0;
}
