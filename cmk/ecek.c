/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses and writes encrypted column encryption keys.
 */
#include "cmk/ecek.h"

#include <string.h>
#include "core/memory.h"
#include "core/text.h"

enum { ECEK_VERSION = 1 };

static size_t read_u16(const uint8_t *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8;
}

static void write_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

/* Checks the version, and that the header is complete. */
static core_status check_head(const uint8_t *blob, size_t length, core_err *err)
{
    if (blob == NULL || length == 0)
        return core_fail(err, ST_FORMAT,
                         "encrypted column encryption key: it is empty; check that the column "
                         "encryption key has a value for this provider");
    if (blob[0] != ECEK_VERSION)
        return core_fail(err, ST_FORMAT,
                         "encrypted column encryption key: version %u instead of %u: it was not "
                         "made for Always Encrypted, or changed; restore it from a backup",
                         (unsigned)blob[0], (unsigned)ECEK_VERSION);
    if (length < CMK_ECEK_HEAD)
        return core_fail(err, ST_FORMAT,
                         "encrypted column encryption key: %zu bytes are too short for its header: "
                         "it was truncated; export it again, or restore it from a backup",
                         length);
    return ST_OK;
}

core_status cmk_ecek_parse(const uint8_t *blob, size_t length, size_t modulus_len, cmk_ecek *out,
                           core_err *err)
{
    *out = (cmk_ecek){0};
    const core_status st = check_head(blob, length, err);
    if (st != ST_OK)
        return st;
    const size_t path_len = read_u16(blob + 1);
    const size_t ciphertext_len = read_u16(blob + 3);
    if (ciphertext_len == 0 || (modulus_len != 0 && ciphertext_len != modulus_len))
        return core_fail(
            err, ST_FORMAT,
            "encrypted column encryption key: ciphertext length %zu does not match the "
            "column master key of %zu bytes: it was made with another key, or changed; "
            "check the key path of its column master key",
            ciphertext_len, modulus_len);
    const size_t signed_len = CMK_ECEK_HEAD + path_len + ciphertext_len;
    if (length < signed_len)
        return core_fail(
            err, ST_FORMAT,
            "encrypted column encryption key: it ends after %zu of at least %zu "
            "bytes: it was truncated, or its lengths were changed; export it again, or "
            "restore it from a backup",
            length, signed_len);
    const size_t signature_len = length - signed_len;
    if (signature_len != ciphertext_len)
        return core_fail(
            err, ST_FORMAT,
            "encrypted column encryption key: signature length %zu instead of %zu: it "
            "was made with another key, truncated or changed; check the key path of its "
            "column master key, or restore it from a backup",
            signature_len, ciphertext_len);
    *out = (cmk_ecek){.path = blob + CMK_ECEK_HEAD,
                      .path_len = path_len,
                      .ciphertext = blob + CMK_ECEK_HEAD + path_len,
                      .ciphertext_len = ciphertext_len,
                      .signature = blob + signed_len,
                      .signature_len = signature_len,
                      .signed_len = signed_len};
    return ST_OK;
}

/* Sets *size to the size of the path in bytes of UTF-16. */
static core_status path_size(const char *path, size_t *size, core_err *err)
{
    *size = 0;
    const core_status st = core_utf8_to_utf16(path, NULL, size);
    if ((st != ST_OK && st != ST_BUFFER_TOO_SMALL) || *size == 0)
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key path: it is empty or not UTF-8; give a PKCS#11 URI");
    if (*size > CMK_ECEK_PATH_MAX)
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key path: %zu bytes of UTF-16 are more than the %d that every driver "
                         "reads; give a shorter PKCS#11 URI",
                         *size, CMK_ECEK_PATH_MAX);
    return ST_OK;
}

core_status cmk_ecek_size(const char *path, size_t modulus_len, size_t *size, core_err *err)
{
    size_t path_len = 0;
    *size = 0;
    const core_status st = path_size(path, &path_len, err);
    if (st == ST_OK)
        *size = CMK_ECEK_HEAD + path_len + 2 * modulus_len;
    return st;
}

/* Writes the path in lower-case UTF-16LE to `at`, which may be unaligned. `length` is in bytes. */
static core_status write_path(const char *path, uint8_t *at, size_t length)
{
    uint16_t *text = core_calloc(length / 2, sizeof *text);
    if (text == NULL)
        return ST_NO_MEMORY;
    size_t cb = length;
    const core_status st = core_utf8_to_utf16(path, text, &cb);
    if (st == ST_OK) {
        core_utf16_lower(text, length / 2);
        memcpy(at, text, length);
    }
    core_free(text);
    return st;
}

core_status cmk_ecek_begin(const char *path, size_t modulus_len, uint8_t *blob, size_t size,
                           size_t *offset, core_err *err)
{
    size_t needed = 0, path_len = 0;
    *offset = 0;
    core_status st = cmk_ecek_size(path, modulus_len, &needed, err);
    if (st != ST_OK)
        return st;
    if (size < needed || modulus_len > UINT16_MAX)
        return ST_BUFFER_TOO_SMALL;
    path_len = needed - CMK_ECEK_HEAD - 2 * modulus_len;
    blob[0] = ECEK_VERSION;
    write_u16(blob + 1, path_len);
    write_u16(blob + 3, modulus_len);
    st = write_path(path, blob + CMK_ECEK_HEAD, path_len);
    if (st == ST_OK)
        *offset = CMK_ECEK_HEAD + path_len;
    return st;
}
