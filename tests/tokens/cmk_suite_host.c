/* SPDX-License-Identifier: Apache-2.0
 *
 * How hosts use a key store: many threads, children forked as by PHP-FPM and Python's
 * multiprocessing, and an audit trail.
 */
#include "tests/tokens/cmk_suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/crypto.h"

#define OWN "ae_own_2048.key.pem"
enum { THREADS = 8, ROUNDS = 40, CHILDREN = 20 };
static const uint8_t sample_cek[CMK_CEK_LEN] = {0x77};
static uint8_t ecek[1024];
static size_t ecek_len;

static int start(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int stop(void)
{
    core_crypto_close();
    return 0;
}

static void make_sample(void)
{
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    ecek_len = suite_ecek(key, sample_cek, sizeof sample_cek, false, ecek);
    EVP_PKEY_free(key);
}

static bool open_one(cmk_store *store, const char *path)
{
    uint8_t cek[CMK_CEK_LEN];
    core_err err = {0};
    const core_status st = cmk_decrypt_cek(store, path, "RSA_OAEP", ecek, ecek_len, cek, &err);
    if (st != ST_OK)
        fprintf(stderr, "pid %d: %s\n", (int)getpid(), core_err_text(&err, st));
    return st == ST_OK && memcmp(cek, sample_cek, sizeof cek) == 0;
}

typedef struct work {
    cmk_store *store;
    const char *path;
    atomic_uint good;
} work;

static void *worker(void *argument)
{
    work *w = argument;
    for (unsigned i = 0; i < ROUNDS; i++)
        if (open_one(w->store, w->path))
            atomic_fetch_add(&w->good, 1);
    return NULL;
}

/* All threads start at once on a store that has not logged in yet. */
static void serves_threads(void)
{
    static const char *const globals[] = {"", "cek_cache_entries = 4"};
    make_sample();
    for (size_t g = 0; g < 2; g++) {
        work w = {.store = suite_store(globals[g]), .path = suite_path(OWN)};
        pthread_t threads[THREADS];
        count_reset();
        for (size_t i = 0; i < THREADS; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, &w), 0);
        for (size_t i = 0; i < THREADS; i++)
            CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
        CU_ASSERT_EQUAL(w.good, THREADS * ROUNDS);
        if (counting() && g == 0)
            CU_ASSERT_EQUAL(count_of("C_Decrypt"), THREADS * ROUNDS);
        CU_ASSERT_TRUE(count_of("C_Login") <= 1);
        suite_store_close();
    }
}

/* Children of a parent that has used the store; the parent continues to use it. */
static void serves_children(void)
{
    make_sample();
    cmk_store *store = suite_store("cek_cache_entries = 4");
    const char *path = suite_path(OWN);
    pid_t children[CHILDREN];
    CU_ASSERT_TRUE_FATAL(open_one(store, path));
    for (size_t i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            bool good = true;
            for (unsigned n = 0; good && n < 5; n++)
                good = open_one(store, path);
            _exit(good ? 0 : 1);
        }
    }
    CU_ASSERT_TRUE(open_one(store, path));
    for (size_t i = 0; i < CHILDREN; i++) {
        int status = -1;
        CU_ASSERT_EQUAL(waitpid(children[i], &status, 0), children[i]);
        CU_ASSERT_EQUAL(status, 0);
    }
    CU_ASSERT_TRUE(open_one(store, path));
    suite_store_close();
}

static void *forker(void *argument)
{
    work *w = argument;
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(60);
        _exit(open_one(w->store, w->path) ? 0 : 1);
    }
    if (waitpid(child, &status, 0) == child && status == 0)
        atomic_fetch_add(&w->good, 1);
    return NULL;
}

/* Forked by a thread that is not the first one, which does not exist in the child. No other thread
 * may be inside the token's library: its locks would stay locked in the child for ever. */
static void serves_children_of_a_thread(void)
{
    make_sample();
    work w = {.store = suite_store(""), .path = suite_path(OWN)};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, &w), 0);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    CU_ASSERT_EQUAL(w.good, 2 * ROUNDS);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[0], NULL, forker, &w), 0);
    CU_ASSERT_EQUAL(pthread_join(threads[0], NULL), 0);
    CU_ASSERT_EQUAL(w.good, 2 * ROUNDS + 1);
    CU_ASSERT_TRUE(open_one(w.store, w.path));
    suite_store_close();
}

static void audits(void)
{
    char globals[600], cek_hex[] = "77000000";
    const char *file = testing_path("audit.log");
    uint8_t made[1024];
    size_t length = 0;
    make_sample();
    (void)snprintf(globals, sizeof globals, "audit = %s\naudit_data = yes", file);
    cmk_store *store = suite_store(globals);
    CU_ASSERT_TRUE(open_one(store, suite_path(OWN)));
    length = sizeof made;
    CU_ASSERT_EQUAL(
        cmk_generate_cek(store, suite_path(OWN), "RSA_OAEP", CMK_IN_TOKEN, made, &length, NULL),
        ST_OK);
    ecek[10] ^= 1;
    uint8_t cek[CMK_CEK_LEN];
    CU_ASSERT_EQUAL(cmk_decrypt_cek(store, suite_path(OWN), "RSA_OAEP", ecek, ecek_len, cek, NULL),
                    ST_SIGNATURE_INVALID);
    suite_store_close();
    char *text = testing_read(file, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"operation\":\"DecryptCEK\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"operation\":\"GenerateCEK\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"key\":\"" OWN "\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"result\":\"SIGNATURE_INVALID\""));
    CU_ASSERT_PTR_NULL(strstr(text, cek_hex));
    CU_ASSERT_PTR_NULL(strstr(text, getenv("PIN")));
    free(text);
}

static const test_case cases[] = {{"serves_threads", serves_threads},
                                  {"serves_children", serves_children},
                                  {"serves_children_of_a_thread", serves_children_of_a_thread},
                                  {"audits", audits},
                                  {NULL, NULL}};
const test_suite cmk_host_suite = {
    .name = "cmk_host", .cases = cases, .start = start, .stop = stop};
