/* SPDX-License-Identifier: Apache-2.0
 *
 * The PIN of pin_file. Files are as editors and echo leave them, so the end of the line is not of
 * the PIN; all other bytes are, spaces too.
 */
#include <string.h>
#include "pkcs11/tok_private.h"

size_t tok_pin_file_length(const uint8_t *bytes, size_t length)
{
    if (length > 0 && bytes[length - 1] == '\n')
        length--;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    return length;
}

core_status tok_pin_from_file(const tok_token *token, core_secret *out, core_err *err)
{
    enum { PIN_FILE_MOST = 512 };
    const char *path = token->config->pin_file;

    if (path == NULL) {
        return core_fail(err, ST_PIN_SOURCE, "token \"%s\": %s; %s", token->info.label,
                         core_status_text(ST_PIN_SOURCE), core_status_next(ST_PIN_SOURCE));
    }
    core_status st = core_file_read(path, CORE_FILE_SECRET, PIN_FILE_MOST, out, err);
    if (st != ST_OK)
        return st;
    out->length = tok_pin_file_length(out->data, out->length);
    if (out->length == 0) {
        core_secret_close(out);
        return core_fail(err, ST_PIN_SOURCE, "pin_file \"%s\": it is empty", path);
    }
    out->data[out->length] = '\0';
    return ST_OK;
}
