/* SPDX-License-Identifier: Apache-2.0
 *
 * Many threads and forked children with one context.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "tests/tokens/token_suite.h"

static tok_context *ctx;
static tok_token *token;
static tok_key *rsa;
static uint8_t cipher[512];
static size_t cipher_len;
static const uint8_t plain[] = "sixteen and more";

static int start(void)
{
    if (!suite_open(suite_config("threads.conf", "max_sessions = 5\n"), &ctx, &token) ||
        (rsa = suite_make(token, CORE_ALG_RSA_2048, 0, suite_name("threads"))) == NULL)
        return 1;
    cipher_len = sizeof cipher;
    return tok_encrypt(rsa, NULL, 0, plain, sizeof plain, cipher, &cipher_len, NULL) == ST_OK ? 0
                                                                                              : 1;
}

static int stop(void)
{
    suite_destroy(rsa);
    suite_close(ctx, token);
    return 0;
}

static atomic_uint wrong;
static atomic_uint done;

static bool decrypt_once(void)
{
    core_err err = {0};
    uint8_t back[512];
    size_t back_len = sizeof back;
    core_status st = tok_decrypt(rsa, NULL, 0, cipher, cipher_len, back, &back_len, &err);

    if (st != ST_OK)
        fprintf(stderr, "%s: %s\n", core_status_name(st), err.text);
    return st == ST_OK && back_len == sizeof plain && memcmp(back, plain, back_len) == 0;
}

static void *work(void *arg)
{
    uint64_t until = core_now_us() + 2000000;
    unsigned n = (unsigned)(uintptr_t)arg;

    while (core_now_us() < until) {
        tok_key *key = NULL;
        bool good = true;
        switch (n++ % 4) {
        case 0:
            good = tok_token_login(token, suite_pin(), strlen(suite_pin()), NULL) == ST_OK;
            if (good)
                tok_token_logout(token);
            break;
        case 1:
            good = tok_key_by_thumb(token, tok_key_info_of(rsa)->thumb, &key, NULL) == ST_OK;
            tok_key_release(key);
            break;
        default:
            good = decrypt_once();
        }
        atomic_fetch_add(good ? &done : &wrong, 1);
    }
    return NULL;
}

static void sixteen_threads(void)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];

    atomic_store(&wrong, 0);
    atomic_store(&done, 0);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT(atomic_load(&done) > THREADS);
    tok_token_stats stats;
    tok_token_stats_get(token, &stats);
    CU_ASSERT(stats.sessions <= 6); /* max_sessions and the login session */
}

static void children(void)
{
    enum { CHILDREN = 8 };
    pid_t pids[CHILDREN];

    if (suite_limit("no-fork"))
        TEST_SKIP("the module's connection to its device is no good in a child");
    for (size_t i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            bool good = decrypt_once() && decrypt_once();
            _exit(good ? 0 : 1);
        }
    }
    for (size_t i = 0; i < CHILDREN; i++) {
        int status = -1;
        CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CU_ASSERT(decrypt_once());
}

static const test_case cases[] = {
    {"sixteen threads", sixteen_threads},
    {"forked children", children},
    {NULL, NULL},
};
const test_suite suite_threads = {.name = "threads", .cases = cases, .start = start, .stop = stop};
