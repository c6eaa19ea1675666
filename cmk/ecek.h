/* SPDX-License-Identifier: Apache-2.0
 *
 * The format of an encrypted column encryption key (ECEK), version 1, as Microsoft's key store
 * providers write it. This code uses no token. Sizes in bytes:
 *
 *   1   version, 1
 *   2   length of the key path in bytes, little endian
 *   2   length of the ciphertext in bytes, little endian: that of the RSA modulus (k)
 *   ..  key path, UTF-16LE; not used by this code, but covered by the signature
 *   k   RSA-OAEP (SHA-1, MGF1 with SHA-1, no label) of the 32-byte key
 *   k   RSASSA-PKCS1-v1_5 with SHA-256 over all bytes before it
 */
#ifndef CMK_ECEK_H
#define CMK_ECEK_H

#include <stdint.h>
#include "core/status.h"

/* Some drivers read the two lengths as signed 16-bit numbers. */
enum { CMK_ECEK_HEAD = 5, CMK_ECEK_PATH_MAX = 32767 };

/* The parts of an ECEK. The pointers point into the buffer that was parsed. */
typedef struct cmk_ecek {
    const uint8_t *path;
    size_t path_len;
    const uint8_t *ciphertext; /* k bytes */
    size_t ciphertext_len;
    const uint8_t *signature; /* k bytes */
    size_t signature_len;
    size_t signed_len; /* bytes from the beginning of the buffer that are signed */
} cmk_ecek;

/* Parses an ECEK for a key of `modulus_len` bytes (0: unknown, lengths are not compared with it).
 * ST_FORMAT with a text for each defect, checked in this order: empty, version, too short, length
 * of the ciphertext, truncated, length of the signature. */
CORE_MUST_USE core_status cmk_ecek_parse(const uint8_t *blob, size_t length, size_t modulus_len,
                                         cmk_ecek *out, core_err *err);

/* The size in bytes of an ECEK with the key path `path` (UTF-8) for a key of `modulus_len` bytes.
 * ST_INVALID_ARGUMENT: the path is empty, not UTF-8 or too long. */
CORE_MUST_USE core_status cmk_ecek_size(const char *path, size_t modulus_len, size_t *size,
                                        core_err *err);
/* Writes everything before the ciphertext, with the path in lower case. `blob` holds the bytes that
 * cmk_ecek_size returned; *offset is the position of the ciphertext, which the signature follows.
 */
CORE_MUST_USE core_status cmk_ecek_begin(const char *path, size_t modulus_len, uint8_t *blob,
                                         size_t size, size_t *offset, core_err *err);

#endif
