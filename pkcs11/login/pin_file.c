/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the PIN from a file: its first line, without a UTF-8 byte order mark and the line ending
 * that editors, echo and PowerShell write. A line that is not valid UTF-8 (UTF-16, Latin-1) is
 * refused: it cannot be the PIN, since SECRET is sent to the token as UTF-8, and each wrong PIN
 * brings the token closer to being locked.
 */
#include <string.h>
#include "core/text.h"
#include "pkcs11/login/login_private.h"

tok_pin_text tok_pin_find(const uint8_t *bytes, size_t length)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    tok_pin_text pin = {0, 0, NULL};

    if (length >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0)
        pin.from = sizeof mark;
    size_t end = pin.from;
    while (end < length && bytes[end] != '\n' && bytes[end] != '\r')
        end++;
    if (end == pin.from)
        pin.fault = "the PIN is empty; write it in the first line";
    else if (!core_utf8_valid((const char *)bytes + pin.from, end - pin.from))
        pin.fault = "its first line is no UTF-8 text; save it as UTF-8";
    else
        pin.length = end - pin.from;
    return pin;
}

core_status tok_pin_cut(core_secret *text, const char *source, core_err *err)
{
    const tok_pin_text pin = tok_pin_find(text->data, text->length);

    if (pin.fault != NULL)
        return core_fail(err, ST_PIN_SOURCE, "%s: %s", source, pin.fault);
    memmove(text->data, text->data + pin.from, pin.length);
    core_wipe(text->data + pin.length, text->length - pin.length);
    text->length = pin.length;
    return ST_OK;
}

core_status tok_pin_from_file(const tok_token *token, core_secret *out, core_err *err)
{
    enum { PIN_FILE_MAX = 512 }; /* bytes */
    const char *path = token->config->pin_file;

    if (path == NULL) {
        return core_fail(err, ST_PIN_SOURCE, "token \"%s\": %s; %s", token->info.label,
                         core_status_text(ST_PIN_SOURCE), core_status_next(ST_PIN_SOURCE));
    }
    core_status st = core_file_read(path, CORE_FILE_SECRET, PIN_FILE_MAX, out, err);
    if (st == ST_OK)
        st = tok_pin_cut(out, path, err);
    if (st != ST_OK)
        core_secret_close(out);
    return st;
}
