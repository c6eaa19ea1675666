/* SPDX-License-Identifier: Apache-2.0
 *
 * Column encryption keys that were decrypted, for drivers without a cache of their own. Bounded in
 * number and time; the least recently used goes first. The keys lie in one block of locked memory
 * and are wiped when they expire (at the next call after it), are pushed out, or the cache closes.
 * A forked child starts with an empty one. Thread-safe.
 */
#ifndef CMK_CACHE_H
#define CMK_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "cmk/name.h"
#include "core/status.h"
#include "pkcs11/key.h"

typedef struct cmk_cache cmk_cache;

/* SHA-256 over the key path with its NUL and the ECEK: what was verified is what is found. */
typedef struct cmk_cache_key {
    uint8_t digest[32];
} cmk_cache_key;

CORE_MUST_USE core_status cmk_cache_open(unsigned entries, unsigned seconds, cmk_cache **out);
void cmk_cache_close(cmk_cache *cache);

CORE_MUST_USE core_status cmk_cache_key_make(const char *path, const uint8_t *ecek, size_t length,
                                             cmk_cache_key *out);
/* Copies the CEK out, and gives a reference to the key that opened it, for the audit record; false
 * when it is not there. `now_us`: core_now_us(). */
bool cmk_cache_get(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   uint8_t cek[CMK_CEK_LEN], tok_key **opened_by);
/* `opened_by` may be NULL; the cache takes a reference of its own. */
void cmk_cache_put(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   const uint8_t cek[CMK_CEK_LEN], tok_key *opened_by);
/* How many are in it now, expired ones not counted. */
unsigned cmk_cache_count(cmk_cache *cache, uint64_t now_us);

#endif
