/* SPDX-License-Identifier: Apache-2.0
 *
 * OAEP blocks made from the text of RFC 8017 (7.1.1 and B.2.1), independent of the code under test:
 * start one, change its parts, finish it. For a modulus of 2048 bits.
 */
#ifndef OAEP_DRAFT_H
#define OAEP_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OAEP_SIZE = 256, OAEP_HASH_MOST = 64 };

/* The parts before masking. */
typedef struct oaep_draft {
    const char *hash;
    size_t hash_len;
    uint8_t first;
    uint8_t seed[OAEP_HASH_MOST];
    uint8_t db[OAEP_SIZE]; /* lHash, zeros, 1, message */
    size_t db_len;
} oaep_draft;

/* False if OpenSSL's hash fails. */
bool oaep_start(oaep_draft *d, const char *hash, size_t hash_len, const uint8_t *message,
                size_t length);
bool oaep_seal(const oaep_draft *d, uint8_t block[OAEP_SIZE]);

#endif
