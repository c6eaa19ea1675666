/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of column encryption keys: a fixed array of entries with two sets of links, hash chains
 * and one list in order of use. A lookup uses a keyed hash of path and ECEK, and returns an entry
 * only if path and ECEK are equal byte by byte. Values with different hashes are not compared, and
 * nobody without the key of the hash can choose a value with a given hash, so the time of a lookup
 * tells only whether this very value is cached. All entries have the same lifetime, which use does
 * not renew, so `first_expiry` tells when a scan for expired entries is needed.
 */
#include "cmk/cache.h"

#include <string.h>
#include "core/crypto.h"
#include "core/hash.h"
#include "core/lock.h"
#include "core/memory.h"
#include "core/platform.h"

typedef uint32_t entry_index;
#define NONE UINT32_MAX

typedef struct cache_entry {
    uint64_t hash;
    size_t path_size, ecek_size; /* in `name`: the path with its NUL, then the ECEK */
    uint8_t *name;
    uint64_t expires_us;
    entry_index chain;        /* next in the hash bucket, or in the list of free entries */
    entry_index newer, older; /* in order of use */
    bool used;
    tok_key *opened_by; /* a reference, or NULL */
} cache_entry;

struct cmk_cache {
    core_lock lock; /* guards the members below */
    uint32_t process CORE_GUARDED;
    uint64_t lifetime_us;
    uint64_t first_expiry
        CORE_GUARDED; /* no entry expires before this time; UINT64_MAX while empty */
    unsigned size;
    unsigned count CORE_GUARDED;
    entry_index free CORE_GUARDED;
    entry_index newest CORE_GUARDED, oldest CORE_GUARDED;
    cache_entry *entries;
    entry_index *buckets; /* `size` of them */
    core_secret ceks;     /* `size` * CMK_CEK_LEN bytes, then the key of the hash */
};

static uint8_t *cek_of(cmk_cache *cache, entry_index i)
{
    return cache->ceks.data + (size_t)i * CMK_CEK_LEN;
}

static uint8_t *hash_key_of(const cmk_cache *cache)
{
    return cache->ceks.data + (size_t)cache->size * CMK_CEK_LEN;
}

static entry_index *bucket_of(cmk_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash % cache->size];
}

static void reset_locked(cmk_cache *cache) CORE_REQUIRES(cache->lock)
{
    core_wipe(cache->ceks.data, (size_t)cache->size * CMK_CEK_LEN);
    cache->count = 0;
    cache->first_expiry = UINT64_MAX;
    cache->newest = cache->oldest = NONE;
    cache->free = 0;
    for (entry_index i = 0; i < cache->size; i++) {
        cache->entries[i] = (cache_entry){.chain = i + 1 < cache->size ? i + 1 : NONE};
        cache->buckets[i] = NONE;
    }
}

/* Locks the cache. In a child of a fork the contents may be inconsistent, because another thread
 * may have been changing them, and locks on memory are not inherited. The child therefore empties
 * the cache and does not release the keys of its entries. */
static void lock_cache(cmk_cache *cache) CORE_ACQUIRE(cache->lock)
{
    core_lock_acquire(&cache->lock);
    if (cache->process == core_process_id())
        return;
    reset_locked(cache);
    cache->process = core_process_id();
}

core_status cmk_cache_open(unsigned entries, unsigned seconds,
                           cmk_cache **out) CORE_NO_ANALYSIS /* no other thread has the cache yet */
{
    *out = NULL;
    if (entries == 0 || seconds == 0)
        return ST_INVALID_ARGUMENT;
    cmk_cache *cache = core_calloc(1, sizeof *cache);
    if (cache == NULL)
        return ST_NO_MEMORY;
    *cache = (cmk_cache){.lock = CORE_LOCK_INIT,
                         .process = core_process_id(),
                         .lifetime_us = (uint64_t)seconds * 1000000,
                         .size = entries};
    cache->entries = core_calloc(entries, sizeof *cache->entries);
    cache->buckets = core_calloc(entries, sizeof *cache->buckets);
    if (cache->entries == NULL || cache->buckets == NULL ||
        core_secret_open(&cache->ceks, (size_t)entries * CMK_CEK_LEN + CORE_HASH_KEY) != ST_OK) {
        cmk_cache_close(cache);
        return ST_NO_MEMORY;
    }
    reset_locked(cache);
    const core_status st = core_random(hash_key_of(cache), CORE_HASH_KEY);
    if (st != ST_OK) {
        cmk_cache_close(cache);
        return st;
    }
    *out = cache;
    return ST_OK;
}

void cmk_cache_close(cmk_cache *cache)
{
    if (cache == NULL)
        return;
    core_secret_close(&cache->ceks);
    for (entry_index i = 0; cache->entries != NULL && i < cache->size; i++) {
        tok_key_release(cache->entries[i].opened_by);
        core_free(cache->entries[i].name);
    }
    core_free(cache->entries);
    core_free(cache->buckets);
    core_free(cache);
}

cmk_cache_key cmk_cache_key_of(const cmk_cache *cache, const char *path, const uint8_t *ecek,
                               size_t length)
{
    return (cmk_cache_key){path, ecek, length, core_hash(hash_key_of(cache), ecek, length)};
}

static void unlink_use(cmk_cache *cache, entry_index i) CORE_REQUIRES(cache->lock)
{
    const cache_entry *e = &cache->entries[i];
    *(e->newer == NONE ? &cache->newest : &cache->entries[e->newer].older) = e->older;
    *(e->older == NONE ? &cache->oldest : &cache->entries[e->older].newer) = e->newer;
}

static void link_newest(cmk_cache *cache, entry_index i) CORE_REQUIRES(cache->lock)
{
    cache_entry *e = &cache->entries[i];
    e->newer = NONE;
    e->older = cache->newest;
    *(cache->newest == NONE ? &cache->oldest : &cache->entries[cache->newest].newer) = i;
    cache->newest = i;
}

static void remove_locked(cmk_cache *cache, entry_index i) CORE_REQUIRES(cache->lock)
{
    cache_entry *e = &cache->entries[i];
    entry_index *at = bucket_of(cache, e->hash);
    while (*at != i)
        at = &cache->entries[*at].chain;
    *at = e->chain;
    unlink_use(cache, i);
    core_wipe(cek_of(cache, i), CMK_CEK_LEN);
    tok_key_release(e->opened_by);
    core_free(e->name);
    *e = (cache_entry){.chain = cache->free};
    cache->free = i;
    cache->count--;
}

static void expire_locked(cmk_cache *cache, uint64_t now_us) CORE_REQUIRES(cache->lock)
{
    if (now_us < cache->first_expiry)
        return;
    uint64_t first = UINT64_MAX;
    for (entry_index i = 0; i < cache->size; i++) {
        const cache_entry *e = &cache->entries[i];
        if (e->used && e->expires_us <= now_us)
            remove_locked(cache, i);
        else if (e->used && e->expires_us < first)
            first = e->expires_us;
    }
    cache->first_expiry = first;
}

static bool is_named(const cache_entry *e, const cmk_cache_key *key)
{
    return e->hash == key->hash && e->ecek_size == key->length &&
           memcmp(e->name + e->path_size, key->ecek, key->length) == 0 &&
           strcmp((const char *)e->name, key->path) == 0;
}

static entry_index find_locked(cmk_cache *cache, const cmk_cache_key *key)
    CORE_REQUIRES(cache->lock)
{
    entry_index i = *bucket_of(cache, key->hash);
    while (i != NONE && !is_named(&cache->entries[i], key))
        i = cache->entries[i].chain;
    return i;
}

bool cmk_cache_get(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   uint8_t cek[CMK_CEK_LEN], tok_key **opened_by)
{
    *opened_by = NULL;
    lock_cache(cache);
    expire_locked(cache, now_us);
    const entry_index i = find_locked(cache, key);
    if (i != NONE) {
        if (cache->entries[i].opened_by != NULL)
            *opened_by = tok_key_ref(cache->entries[i].opened_by);
        unlink_use(cache, i);
        link_newest(cache, i);
        memcpy(cek, cek_of(cache, i), CMK_CEK_LEN);
    }
    core_lock_release(&cache->lock);
    return i != NONE;
}

static entry_index claim_locked(cmk_cache *cache) CORE_REQUIRES(cache->lock)
{
    if (cache->free == NONE)
        remove_locked(cache, cache->oldest);
    const entry_index i = cache->free;
    cache->free = cache->entries[i].chain;
    cache->count++;
    return i;
}

void cmk_cache_put(cmk_cache *cache, const cmk_cache_key *key, uint64_t now_us,
                   const uint8_t cek[CMK_CEK_LEN], tok_key *opened_by)
{
    const size_t path_size = strlen(key->path) + 1;
    uint8_t *name = core_calloc(1, path_size + key->length);
    if (name == NULL)
        return;
    memcpy(name, key->path, path_size);
    memcpy(name + path_size, key->ecek, key->length);
    lock_cache(cache);
    expire_locked(cache, now_us);
    if (find_locked(cache, key) == NONE) {
        const entry_index i = claim_locked(cache);
        cache_entry *e = &cache->entries[i];
        entry_index *bucket = bucket_of(cache, key->hash);
        e->hash = key->hash;
        e->path_size = path_size;
        e->ecek_size = key->length;
        e->name = name;
        name = NULL;
        e->used = true;
        e->opened_by = opened_by == NULL ? NULL : tok_key_ref(opened_by);
        e->expires_us = now_us + cache->lifetime_us;
        e->chain = *bucket;
        *bucket = i;
        link_newest(cache, i);
        memcpy(cek_of(cache, i), cek, CMK_CEK_LEN);
        if (e->expires_us < cache->first_expiry)
            cache->first_expiry = e->expires_us;
    }
    core_lock_release(&cache->lock);
    core_free(name);
}

unsigned cmk_cache_count(cmk_cache *cache, uint64_t now_us)
{
    lock_cache(cache);
    expire_locked(cache, now_us);
    const unsigned count = cache->count;
    core_lock_release(&cache->lock);
    return count;
}
