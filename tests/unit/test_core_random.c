/* SPDX-License-Identifier: Apache-2.0
 *
 * Initialization vectors, which must all differ: in a row, in threads, after a fork and without a
 * buffer; and the keyed hash of tables, compared with OpenSSL's SipHash.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/crypto.h"
#include "core/hash.h"
#include "test_core.h"

static int open_crypto(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int close_crypto(void)
{
    core_crypto_close();
    return 0;
}

/* More than the buffer holds. */
enum { IV_COUNT = 600 };
typedef uint8_t iv_list[IV_COUNT][CORE_IV_MAX];

static bool draw_ivs(iv_list list)
{
    bool drawn = true;
    for (size_t i = 0; i < IV_COUNT; i++)
        drawn = core_random_iv(list[i], CORE_IV_MAX) == ST_OK && drawn;
    return drawn;
}

static int compare_ivs(const void *a, const void *b)
{
    return memcmp(a, b, CORE_IV_MAX);
}

static void expect_distinct(uint8_t (*list)[CORE_IV_MAX], size_t count)
{
    qsort(list, count, CORE_IV_MAX, compare_ivs);
    for (size_t i = 1; i < count; i++)
        CU_ASSERT_NOT_EQUAL(memcmp(list[i - 1], list[i], CORE_IV_MAX), 0);
}

static void iv_length_checked(void)
{
    uint8_t iv[CORE_IV_MAX + 1] = {0};
    CU_ASSERT_EQUAL(core_random_iv(iv, CORE_IV_MAX + 1), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_random_iv(iv, 8), ST_OK);
    CU_ASSERT_EQUAL(memcmp(iv + 8, "\0\0\0\0\0\0\0\0", 8), 0);
    core_crypto_close();
    CU_ASSERT_EQUAL(core_random_iv(iv, 8), ST_FAILURE);
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
}

static void ivs_differ_after_a_fork(void)
{
    static iv_list lists[2];
    int ends[2], status = 0;
    CU_ASSERT_EQUAL(core_random_iv(lists[0][0], CORE_IV_MAX), ST_OK); /* the buffer is full */
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        const bool done = draw_ivs(lists[1]) &&
                          write(ends[1], lists[1], sizeof lists[1]) == (ssize_t)sizeof lists[1];
        core_crypto_close();
        _exit(done ? 0 : 1);
    }
    CU_ASSERT_TRUE(draw_ivs(lists[0]));
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(read(ends[0], lists[1], sizeof lists[1]), (ssize_t)sizeof lists[1]);
    expect_distinct(lists[0], (size_t)2 * IV_COUNT);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void *draw_in_thread(void *list)
{
    return draw_ivs(list) ? list : NULL;
}

static void ivs_differ_between_threads(void)
{
    enum { DRAWERS = 4 };
    static iv_list lists[DRAWERS];
    pthread_t threads[DRAWERS];
    for (int i = 0; i < DRAWERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, draw_in_thread, lists[i]), 0);
    for (int i = 0; i < DRAWERS; i++) {
        void *drawn = NULL;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &drawn), 0);
        CU_ASSERT_PTR_NOT_NULL(drawn);
    }
    expect_distinct(lists[0], (size_t)DRAWERS * IV_COUNT);
}

static bool refuse_allocation(size_t size)
{
    (void)size;
    return false;
}

/* Without memory for the buffer, the generator is asked each time. */
static void ivs_without_memory(void)
{
    uint8_t list[2][CORE_IV_MAX];
    core_crypto_close(); /* with the buffer */
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
    core_set_alloc_hook(refuse_allocation);
    CU_ASSERT_EQUAL(core_random_iv(list[0], CORE_IV_MAX), ST_OK);
    CU_ASSERT_EQUAL(core_random_iv(list[1], CORE_IV_MAX), ST_OK);
    core_set_alloc_hook(NULL);
    expect_distinct(list, 2);
}

static uint64_t siphash_of_openssl(const uint8_t key[CORE_HASH_KEY], const uint8_t *bytes,
                                   size_t length)
{
    unsigned c = 1, d = 3;
    size_t size = sizeof(uint64_t), written = 0;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
                                 OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d),
                                 OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};
    uint64_t hash = 0;
    CU_ASSERT_PTR_NOT_NULL(EVP_Q_mac(NULL, "SIPHASH", NULL, NULL, params, key, CORE_HASH_KEY, bytes,
                                     length, (uint8_t *)&hash, sizeof hash, &written));
    CU_ASSERT_EQUAL(written, sizeof hash);
    return hash;
}

static void hash_equals_that_of_openssl(void)
{
    uint8_t key[CORE_HASH_KEY], bytes[300];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 37);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 101 + 200);
    for (size_t length = 0; length <= sizeof bytes; length++)
        CU_ASSERT_EQUAL(core_hash(key, bytes, length), siphash_of_openssl(key, bytes, length));
}

static const test_case cases[] = {{"iv_length_checked", iv_length_checked},
                                  {"ivs_differ_after_a_fork", ivs_differ_after_a_fork},
                                  {"ivs_differ_between_threads", ivs_differ_between_threads},
                                  {"ivs_without_memory", ivs_without_memory},
                                  {"hash_equals_that_of_openssl", hash_equals_that_of_openssl},
                                  {NULL, NULL}};
const test_suite core_random_suite = {
    .name = "random", .cases = cases, .start = open_crypto, .stop = close_crypto};
