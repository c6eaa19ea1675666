/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of column encryption keys: bounds, time, last use, forks, threads, and speed.
 */
#include "test_cmk.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cmk/cache.h"
#include "core/crypto.h"
#include "core/platform.h"

enum { SECOND = 1000000 };

static _Thread_local tok_key *opened_by; /* these tests have no keys */

static int start(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int stop(void)
{
    core_crypto_close();
    return 0;
}

static cmk_cache *open_cache(unsigned entries, unsigned seconds)
{
    cmk_cache *cache = NULL;
    CU_ASSERT_EQUAL_FATAL(cmk_cache_open(entries, seconds, &cache), ST_OK);
    return cache;
}

/* Good until this thread makes the next one. */
static cmk_cache_key key_of(const cmk_cache *cache, unsigned n)
{
    static _Thread_local uint8_t ecek[4];
    const uint8_t bytes[] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), 0};
    memcpy(ecek, bytes, sizeof ecek);
    return cmk_cache_key_of(cache, "pkcs11:object=x", ecek, sizeof ecek);
}

static void put(cmk_cache *cache, unsigned n, uint64_t now)
{
    const cmk_cache_key key = key_of(cache, n);
    uint8_t cek[CMK_CEK_LEN];
    memset(cek, (int)(n & 0xff), sizeof cek);
    cmk_cache_put(cache, &key, now, cek, NULL);
}

/* True if `n` is in the cache; its value must be its own CEK. */
static bool has(cmk_cache *cache, unsigned n, uint64_t now)
{
    const cmk_cache_key key = key_of(cache, n);
    uint8_t cek[CMK_CEK_LEN], wanted[CMK_CEK_LEN];
    memset(wanted, (int)(n & 0xff), sizeof wanted);
    if (!cmk_cache_get(cache, &key, now, cek, &opened_by))
        return false;
    CU_ASSERT_EQUAL(memcmp(cek, wanted, sizeof cek), 0);
    return true;
}

static void finds_what_was_put(void)
{
    cmk_cache *cache = open_cache(100, 10);
    for (unsigned i = 0; i < 100; i++) {
        CU_ASSERT_FALSE(has(cache, i, 1));
        put(cache, i, 1);
        put(cache, i, 2);
    }
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 3), 100);
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_TRUE(has(cache, i, 3));
    cmk_cache_close(cache);
}

static void keys_differ_by_path_and_blob(void)
{
    static const uint8_t blob[] = {1, 2, 3}, other[] = {1, 2, 4};
    cmk_cache *cache = open_cache(100, 10);
    const cmk_cache_key key = cmk_cache_key_of(cache, "p", blob, 3),
                        others[] = {
                            cmk_cache_key_of(cache, "P", blob, 3),
                            cmk_cache_key_of(cache, "", blob, 3),
                            cmk_cache_key_of(cache, "pp", blob, 3),
                            cmk_cache_key_of(cache, "p", other, 3),
                            cmk_cache_key_of(cache, "p", blob, 2),
                            /* Where the path ends is part of it. */
                            cmk_cache_key_of(cache, "p\x01", blob + 1, 2),
                        };
    uint8_t cek[CMK_CEK_LEN] = {1};
    cmk_cache_put(cache, &key, 1, cek, NULL);
    CU_ASSERT_TRUE(cmk_cache_get(cache, &key, 1, cek, &opened_by));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cmk_cache_key same_hash = others[i];
        CU_ASSERT_FALSE(cmk_cache_get(cache, &others[i], 1, cek, &opened_by));
        same_hash.hash = key.hash; /* as if two values had one hash */
        CU_ASSERT_FALSE(cmk_cache_get(cache, &same_hash, 1, cek, &opened_by));
    }
    cmk_cache_close(cache);
}

/* The entry has a copy of what it is found by. */
static void keeps_what_was_put(void)
{
    cmk_cache *cache = open_cache(2, 10);
    char path[] = "pkcs11:object=x";
    uint8_t ecek[600] = {5}, cek[CMK_CEK_LEN] = {1};
    cmk_cache_key key = cmk_cache_key_of(cache, path, ecek, sizeof ecek);
    cmk_cache_put(cache, &key, 1, cek, NULL);
    path[0] = 'q';
    ecek[599] = 1;
    CU_ASSERT_FALSE(cmk_cache_get(cache, &key, 1, cek, &opened_by));
    path[0] = 'p';
    ecek[599] = 0;
    CU_ASSERT_TRUE(cmk_cache_get(cache, &key, 1, cek, &opened_by));
    cmk_cache_close(cache);
}

static void drops_least_recently_used(void)
{
    cmk_cache *cache = open_cache(3, 10);
    put(cache, 1, 1);
    put(cache, 2, 1);
    put(cache, 3, 1);
    CU_ASSERT_TRUE(has(cache, 1, 1));
    put(cache, 4, 1);
    CU_ASSERT_FALSE(has(cache, 2, 1));
    CU_ASSERT_TRUE(has(cache, 1, 1) && has(cache, 3, 1) && has(cache, 4, 1));
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 1), 3);
    for (unsigned i = 0; i < 1000; i++)
        put(cache, i, 2);
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 2), 3);
    CU_ASSERT_TRUE(has(cache, 997, 2) && has(cache, 998, 2) && has(cache, 999, 2));
    cmk_cache_close(cache);
}

static void expires(void)
{
    cmk_cache *cache = open_cache(4, 10);
    put(cache, 1, 1);
    put(cache, 2, 5 * SECOND);
    CU_ASSERT_TRUE(has(cache, 1, 10 * SECOND));
    CU_ASSERT_FALSE(has(cache, 1, 10 * SECOND + 1)); /* a hit did not extend its life */
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 10 * SECOND + 1), 1);
    CU_ASSERT_TRUE(has(cache, 2, 15 * SECOND - 1));
    CU_ASSERT_FALSE(has(cache, 2, 15 * SECOND));
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 15 * SECOND), 0);
    put(cache, 3, 16 * SECOND);
    CU_ASSERT_TRUE(has(cache, 3, 16 * SECOND));
    cmk_cache_close(cache);
}

/* After an entry was removed, its CEK is nowhere in this process's locked block. The block is found
 * by its content while the entry exists. */
static void wipes(void)
{
    cmk_cache *cache = open_cache(1, 10);
    const cmk_cache_key key = key_of(cache, 7);
    uint8_t cek[CMK_CEK_LEN];
    memset(cek, 7, sizeof cek);
    cmk_cache_put(cache, &key, 1, cek, NULL);
    CU_ASSERT_TRUE(cmk_cache_get(cache, &key, 1, cek, &opened_by));
    CU_ASSERT_EQUAL(cmk_cache_count(cache, 11 * SECOND), 0);
    memset(cek, 0xee, sizeof cek);
    CU_ASSERT_FALSE(cmk_cache_get(cache, &key, 11 * SECOND, cek, &opened_by));
    for (size_t i = 0; i < sizeof cek; i++)
        CU_ASSERT_EQUAL(cek[i], 0xee);
    cmk_cache_close(cache);
}

static void child_starts_empty(void)
{
    cmk_cache *cache = open_cache(4, 10);
    int status = -1;
    put(cache, 1, 1);
    const pid_t child = fork();
    if (child == 0) {
        const bool empty = !has(cache, 1, 1) && cmk_cache_count(cache, 1) == 0;
        put(cache, 2, 1);
        _exit(empty && has(cache, 2, 1) ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(has(cache, 1, 1));
    CU_ASSERT_FALSE(has(cache, 2, 1));
    cmk_cache_close(cache);
}

static void refuses_none(void)
{
    cmk_cache *cache = NULL;
    CU_ASSERT_EQUAL(cmk_cache_open(0, 10, &cache), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(cmk_cache_open(10, 0, &cache), ST_INVALID_ARGUMENT);
    CU_ASSERT_PTR_NULL(cache);
    cmk_cache_close(NULL);
}

static void *worker(void *argument)
{
    cmk_cache *cache = argument;
    size_t wrong = 0;
    for (unsigned i = 0; i < 2000; i++) {
        const unsigned n = i * 7 % 50;
        const cmk_cache_key key = key_of(cache, n);
        uint8_t cek[CMK_CEK_LEN];
        memset(cek, (int)n, sizeof cek);
        if (i % 3 == 0)
            cmk_cache_put(cache, &key, i, cek, NULL);
        else if (cmk_cache_get(cache, &key, i, cek, &opened_by))
            wrong += cek[0] != n || cek[CMK_CEK_LEN - 1] != n;
    }
    return (void *)wrong;
}

static void serves_threads(void)
{
    cmk_cache *cache = open_cache(20, 10);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, cache), 0);
    for (size_t i = 0; i < 8; i++) {
        void *wrong = NULL;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &wrong), 0);
        CU_ASSERT_PTR_NULL(wrong);
    }
    CU_ASSERT_TRUE(cmk_cache_count(cache, 0) <= 20);
    cmk_cache_close(cache);
}

/* Prints the time of a complete hit; bench/ checks it against a limit. */
static void measures_a_hit(void)
{
    enum { ROUNDS = 20000 };
    cmk_cache *cache = open_cache(1000, 100);
    static uint8_t ecek[627];
    uint8_t cek[CMK_CEK_LEN] = {1};
    unsigned hits = 0;
    cmk_cache_key key = cmk_cache_key_of(cache, "pkcs11:token=t;object=k", ecek, sizeof ecek);
    cmk_cache_put(cache, &key, core_now_us(), cek, NULL);
    const uint64_t begin = core_now_us();
    for (unsigned i = 0; i < ROUNDS; i++) {
        key = cmk_cache_key_of(cache, "pkcs11:token=t;object=k", ecek, sizeof ecek);
        if (cmk_cache_get(cache, &key, core_now_us(), cek, &opened_by))
            hits++;
    }
    const uint64_t took = core_now_us() - begin;
    CU_ASSERT_EQUAL(hits, ROUNDS);
    printf("a hit takes %.2f us ", (double)took / ROUNDS);
    cmk_cache_close(cache);
}

static bool open_once(void *context)
{
    cmk_cache *cache = NULL;
    (void)context;
    const core_status st = cmk_cache_open(10, 10, &cache);
    cmk_cache_close(cache);
    return st == ST_OK;
}

static void survives_no_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(open_once, NULL, 10, 0) >= 5);
}

static const test_case cases[] = {{"finds_what_was_put", finds_what_was_put},
                                  {"keys_differ_by_path_and_blob", keys_differ_by_path_and_blob},
                                  {"keeps_what_was_put", keeps_what_was_put},
                                  {"drops_least_recently_used", drops_least_recently_used},
                                  {"expires", expires},
                                  {"wipes", wipes},
                                  {"child_starts_empty", child_starts_empty},
                                  {"refuses_none", refuses_none},
                                  {"serves_threads", serves_threads},
                                  {"measures_a_hit", measures_a_hit},
                                  {"survives_no_memory", survives_no_memory},
                                  {NULL, NULL}};
const test_suite cmk_cache_suite = {
    .name = "cmk_cache", .cases = cases, .start = start, .stop = stop};
