/* SPDX-License-Identifier: Apache-2.0
 *
 * Key paths of two tokens: a C_Login that does not return stops the paths of its own token only.
 * The fault proxy makes the first C_Login hang until the next plan is set.
 *
 *   with-token --count softhsm cmk_logins
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/store.h"
#include "core/platform.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

enum { LONG_MS = 20000 }; /* limit for work of some milliseconds */

static fault_proxy count;

static const char *config(void)
{
    char text[1024];
    const char *pin = testing_file("pin", getenv("PIN"), strlen(getenv("PIN")), 0600);
    (void)snprintf(text, sizeof text, "pin_file = %s\n[token other]\ntoken = other-token\n", pin);
    return fault_proxy_config("logins.conf", text);
}

typedef struct call {
    cmk_store *store;
    const char *path;
    core_status st;
    atomic_bool done;
} call;

static void *describe(void *argument)
{
    call *c = argument;
    tok_key_info info;
    c->st = cmk_describe_key(c->store, c->path, &info, NULL);
    atomic_store(&c->done, true);
    return NULL;
}

static bool wait_for(const atomic_bool *done)
{
    const uint64_t until = core_now_us() + (uint64_t)LONG_MS * 1000;
    while (!atomic_load(done) && core_now_us() < until)
        core_sleep_ms(1);
    return atomic_load(done);
}

/* Neither path names a key: the test only checks that the token was asked. */
static void login_that_hangs_stops_paths_of_its_token_only(void)
{
    call slow = {.path = "pkcs11:token=other-token;object=none"}, other;
    char path[128];
    pthread_t threads[2];
    cmk_store *store = NULL;
    (void)snprintf(path, sizeof path, "pkcs11:token=%s;object=none", getenv("TOKEN"));
    CU_ASSERT_EQUAL_FATAL(cmk_store_open(config(), "main", NULL, 0, &store, NULL), ST_OK);
    slow.store = store;
    other = (call){.store = store, .path = path};
    count.reset();
    CU_ASSERT_EQUAL(count.plan("call=C_Login hang"), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[0], NULL, describe, &slow), 0);
    while (count.get("C_Login") == 0)
        core_sleep_ms(1);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[1], NULL, describe, &other), 0);
    CU_ASSERT_TRUE(wait_for(&other.done));
    CU_ASSERT_FALSE(atomic_load(&slow.done));
    CU_ASSERT_EQUAL(count.plan(""), 0);
    CU_ASSERT_TRUE(wait_for(&slow.done));
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    CU_ASSERT_EQUAL(slow.st, ST_NOT_FOUND);
    CU_ASSERT_EQUAL(other.st, ST_NOT_FOUND);
    CU_ASSERT_EQUAL(count.violations(), 0);
    cmk_store_close(store);
}

/* Threads that arrive during the login wait for it; the PIN is sent once. */
static void threads_of_one_token_share_one_login(void)
{
    enum { THREADS = 6 };
    call calls[THREADS];
    pthread_t threads[THREADS];
    char path[128];
    cmk_store *store = NULL;
    (void)snprintf(path, sizeof path, "pkcs11:token=%s;object=none", getenv("TOKEN"));
    CU_ASSERT_EQUAL_FATAL(cmk_store_open(config(), "main", NULL, 0, &store, NULL), ST_OK);
    count.reset();
    CU_ASSERT_EQUAL(count.plan("call=C_Login hang"), 0);
    for (size_t i = 0; i < THREADS; i++) {
        calls[i] = (call){.store = store, .path = path};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, describe, &calls[i]), 0);
    }
    while (count.get("C_Login") == 0)
        core_sleep_ms(1);
    core_sleep_ms(20);
    CU_ASSERT_EQUAL(count.plan(""), 0);
    for (size_t i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
        CU_ASSERT_EQUAL(calls[i].st, ST_NOT_FOUND);
    }
    CU_ASSERT_EQUAL(count.get("C_Login"), 1);
    cmk_store_close(store);
}

/* A key path is resolved by the labels of the token's keys: no key is used. */
static void path_is_bound_without_using_a_key(void)
{
    const tok_key_spec specs[] = {{"application", CORE_ALG_AES_256, 0, true, false},
                                  {"master", CORE_ALG_RSA_2048, 0, true, false}};
    const char *conf = config();
    char path[128];
    tok_context *context = NULL;
    tok_token *token = NULL;
    tok_key *keys[2] = {NULL, NULL};
    cmk_store *store = NULL;
    call c = {.path = path};
    (void)snprintf(path, sizeof path, "pkcs11:token=%s;object=master", getenv("TOKEN"));
    CU_ASSERT_EQUAL_FATAL(tok_context_open(conf, &context, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(context, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, NULL, 0, NULL), ST_OK);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &specs[i], &keys[i], NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(cmk_store_open(conf, "main", NULL, 0, &store, NULL), ST_OK);
    c.store = store;
    count.reset();
    (void)describe(&c);
    CU_ASSERT_EQUAL(c.st, ST_OK);
    CU_ASSERT_TRUE(count.get("C_FindObjectsInit") > 0);
    CU_ASSERT_EQUAL(count.get("C_EncryptInit"), 0);
    CU_ASSERT_EQUAL(count.get("C_DecryptInit"), 0);
    cmk_store_close(store);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(tok_key_destroy(keys[i], NULL), ST_OK);
        tok_key_release(keys[i]);
    }
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(context);
}

static const test_case cases[] = {
    {"login_that_hangs_stops_paths_of_its_token_only",
     login_that_hangs_stops_paths_of_its_token_only},
    {"threads_of_one_token_share_one_login", threads_of_one_token_share_one_login},
    {"path_is_bound_without_using_a_key", path_is_bound_without_using_a_key},
    {NULL, NULL}};
static const test_suite suite = {.name = "cmk_logins", .cases = cases};

int main(int argc, char **argv)
{
    const test_suite *const suites[] = {&suite};
    if (!fault_proxy_load(&count)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    if (!fault_proxy_second_token("other-token"))
        return EXIT_FAILURE;
    return testing_main(argc, argv, suites, 1);
}
