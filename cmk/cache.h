/* SPDX-License-Identifier: Apache-2.0
 *
 * A cache of decrypted column encryption keys, for drivers that have none. Its number of entries
 * and their lifetime are limited; the least recently used entry is replaced first. The keys are in
 * one block of locked memory. A key is wiped at the first call after it expires, when it is
 * replaced, and when the cache is closed. In a child of a fork the cache is empty. Thread-safe.
 */
#ifndef CMK_CACHE_H
#define CMK_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "cmk/name.h"
#include "core/status.h"
#include "pkcs11/key.h"

typedef struct cmk_cache cmk_cache;

/* Identifies an entry: the key path and all bytes of the ECEK, so only the value that was verified
 * can match. Path and ECEK are the caller's memory, which must stay valid while this is in use. The
 * cache sets `hash`. */
typedef struct cmk_cache_key {
    const char *path;
    const uint8_t *ecek;
    size_t length;
    uint64_t hash;
} cmk_cache_key;

CORE_MUST_USE core_status cmk_cache_open(unsigned entries, unsigned seconds, cmk_cache **out);
void cmk_cache_close(cmk_cache *cache);

/* The identity of an entry, valid for this cache only. */
cmk_cache_key cmk_cache_key_of(const cmk_cache *cache, const char *path, const uint8_t *ecek,
                               size_t length);
/* Copies the CEK to `cek` and, for the audit record, returns a reference to the key that decrypted
 * it in *opened_by; false if there is no entry. `now_us`: core_now_us(). */
bool cmk_cache_get(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   uint8_t cek[CMK_CEK_LEN], tok_key **opened_by);
/* Adds an entry; without memory for it, the CEK is not cached. The cache takes a reference to
 * `opened_by`, which may be NULL. */
void cmk_cache_put(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   const uint8_t cek[CMK_CEK_LEN], tok_key *opened_by);
/* The number of entries that have not expired. */
unsigned cmk_cache_count(cmk_cache *cache, uint64_t now_us);

#endif
