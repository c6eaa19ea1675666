/* SPDX-License-Identifier: Apache-2.0
 *
 * A fast keyed hash for tables. It is no digest: equal hashes do not prove equal bytes.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { CORE_HASH_KEY = 16 };
/* SipHash-1-3 of `length` bytes. Without the random, secret key nobody can find bytes that share a
 * hash, or tell from the time of a search how near they came to one. */
uint64_t core_hash(const uint8_t key[CORE_HASH_KEY], const uint8_t *bytes, size_t length);

#endif
