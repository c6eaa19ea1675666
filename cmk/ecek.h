/* SPDX-License-Identifier: Apache-2.0
 *
 * The encrypted column encryption key (ECEK), byte for byte; no token here.
 *
 *   1   version, 1
 *   2   length of the key path in bytes, little endian
 *   2   length of the ciphertext in bytes, little endian: that of the RSA modulus (k)
 *   ..  key path, UTF-16LE, informative: read by nobody, but signed
 *   k   RSA-OAEP (SHA-1, MGF1 with SHA-1, no label) of the 32 bytes of the key
 *   k   RSASSA-PKCS1-v1_5 with SHA-256 over all before it
 */
#ifndef CMK_ECEK_H
#define CMK_ECEK_H

#include <stdint.h>
#include "core/status.h"

/* Some drivers read the two lengths as signed numbers. */
enum { CMK_ECEK_HEAD = 5, CMK_ECEK_PATH_MAX = 32767 };

/* Points into the blob it was parsed from. */
typedef struct cmk_ecek {
    const uint8_t *path;
    size_t path_len;
    const uint8_t *ciphertext; /* k bytes */
    size_t ciphertext_len;
    const uint8_t *signature; /* k bytes */
    size_t signature_len;
    size_t signed_len; /* of the blob's beginning */
} cmk_ecek;

/* Takes a blob apart, for a key of `modulus_len` bytes (0: not known, lengths are not compared).
 * ST_FORMAT with one text for each thing that may be wrong, in this order: empty, version, too
 * short, length of the ciphertext, blob ends within, length of the signature. */
CORE_MUST_USE core_status cmk_ecek_parse(const uint8_t *blob, size_t length, size_t modulus_len,
                                         cmk_ecek *out, core_err *err);

/* The length of the ECEK that names `path` (UTF-8) and is made with a key of `modulus_len` bytes.
 * ST_INVALID_ARGUMENT: a path that is empty, not UTF-8 or too long. */
CORE_MUST_USE core_status cmk_ecek_size(const char *path, size_t modulus_len, size_t *size,
                                        core_err *err);
/* Writes all before the ciphertext, the path in lower case. `blob` has room for cmk_ecek_size;
 * *offset: where the ciphertext goes, and behind it the signature. */
CORE_MUST_USE core_status cmk_ecek_begin(const char *path, size_t modulus_len, uint8_t *blob,
                                         size_t size, size_t *offset, core_err *err);

#endif
