/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery on a token that is unplugged under load: the p11-kit server is killed, openCryptoki's
 * daemon stopped, SoftHSM's directory moved away. While it is gone every operation fails soon and
 * says why; after its return operations succeed within one step of the back-off; nothing is lost,
 * and the log has one line for each change of state. SIGPIPE keeps its default disposition in this
 * process.
 *
 *   with-token KIND recovery KIND SETUP-SCRIPT [SUITE...]
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "tests/fault/recovery.h"

extern char **environ;

enum { BACK_MS = 11000 }; /* the longest back-off and one operation */

static const char *kind;
static const char *script;
static char log_path[512];
static const uint8_t plain[] = "a database encryption key, or so";

const char *rec_kind(void)
{
    return kind;
}

bool rec_setup(const char *verb)
{
    pid_t pid;
    int status = -1;
    const char *dir = getenv("TOKEN_DIR");
    char *const argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)verb,
                          (char *)(uintptr_t)dir, NULL};

    return posix_spawn(&pid, script, NULL, NULL, argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

unsigned rec_logged(const char *text)
{
    size_t length = 0;
    unsigned count = 0;
    char *log = testing_read(log_path, &length);

    for (const char *at = log; at != NULL && (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    free(log);
    return count;
}

static const char *write_config(void)
{
    char text[2048];
    const char *init = getenv("INIT_ARGS");
    const char *path = testing_path("recovery.conf");

    snprintf(log_path, sizeof log_path, "%s", testing_path("recovery.log"));
    (void)remove(path);
    (void)remove(log_path);
    const char *extra = getenv("CONF_EXTRA");
    int length =
        snprintf(text, sizeof text,
                 "module = %s\nlog = %s\nlog_level = info\n%s%s%s\nstartup_tries = 1\n"
                 "session_wait_ms = 4000\n%s\n[token main]\ntoken = %s\n",
                 getenv("MODULE"), log_path, init && *init ? "init_args = \"" : "",
                 init ? init : "", init && *init ? "\"" : "", extra ? extra : "", getenv("TOKEN"));
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

static bool make_key(rec_fixture *w, core_err *err)
{
    tok_key_spec spec = {"recovery", CORE_ALG_RSA_2048, 0, true, false};
    tok_key **keys = NULL;
    core_status st = tok_key_create(w->token, &spec, &w->rsa, err);

    if (st == ST_OK) {
        w->cipher_len = sizeof w->cipher;
        st = tok_encrypt(w->rsa, NULL, 0, plain, sizeof plain, w->cipher, &w->cipher_len, err);
    }
    if (st == ST_OK) {
        st = tok_key_list(w->token, &keys, &w->keys, err);
        tok_key_list_free(keys, w->keys);
    }
    return st == ST_OK;
}

bool rec_open(rec_fixture *w)
{
    const char *pin = getenv("PIN");
    core_err err = {0};

    memset(w, 0, sizeof *w);
    bool good = tok_context_open(write_config(), &w->ctx, &err) == ST_OK &&
                tok_token_find(w->ctx, "main", &w->token, &err) == ST_OK &&
                tok_token_login(w->token, pin, strlen(pin), &err) == ST_OK && make_key(w, &err);
    if (!good) {
        fprintf(stderr, "%s\n", err.text);
    }
    return good;
}

bool rec_close(rec_fixture *w)
{
    bool destroyed = tok_key_destroy(w->rsa, NULL) == ST_OK;
    tok_key_release(w->rsa);
    tok_token_logout(w->token);
    tok_token_release(w->token);
    tok_context_close(w->ctx);
    return destroyed;
}

core_status rec_decrypt(rec_fixture *w, core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(w->rsa, NULL, 0, w->cipher, w->cipher_len, out, &out_len, err);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;

    return st == ST_OK && !right ? ST_FAILURE : st;
}

long rec_until_good(rec_fixture *w, unsigned most_ms)
{
    uint64_t from = core_now_us();
    core_err err = {0};

    while (rec_decrypt(w, &err) != ST_OK) {
        if (core_now_us() - from > (uint64_t)most_ms * 1000) {
            fprintf(stderr, "still: %s\n", err.text);
            return -1;
        }
        core_sleep_ms(20);
    }
    return (long)((core_now_us() - from) / 1000);
}

bool rec_says_away(core_status st)
{
    return core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
}

bool rec_complete(rec_fixture *w)
{
    tok_key **keys = NULL;
    size_t count = 0;
    bool good = tok_key_list(w->token, &keys, &count, NULL) == ST_OK && count == w->keys;

    tok_key_list_free(keys, count);
    return good;
}

/* --- under load --- */

enum { THREADS = 4 };

static rec_fixture fixture;
static atomic_bool over;
static atomic_uint good, away, odd, wrong;
static _Atomic uint64_t slowest_us;

static void *work(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        core_err err = {0};
        uint64_t from = core_now_us();
        core_status st = rec_decrypt(&fixture, &err);
        testing_most(&slowest_us, core_now_us() - from);
        if (st == ST_OK) {
            atomic_fetch_add(&good, 1);
        } else if (st == ST_FAILURE || st == ST_DECRYPT_FAILED) {
            atomic_fetch_add(&wrong, 1);
        } else if (rec_says_away(st)) {
            atomic_fetch_add(&away, 1);
        } else if (atomic_fetch_add(&odd, 1) < 5) {
            fprintf(stderr, "odd: %s\n", err.text);
        }
        if (st != ST_OK) {
            core_sleep_ms(10);
        }
    }
    return NULL;
}

/* Unplugs the token for a while and prints how long it took to come back after that. */
static void one_outage(unsigned gone_ms)
{
    unsigned lost = rec_logged(" lost:");
    unsigned back = rec_logged(": back");

    CU_ASSERT_FATAL(rec_setup("unplug"));
    core_sleep_ms(300);
    unsigned before = atomic_load(&good);
    atomic_store(&away, 0);
    core_sleep_ms(gone_ms);
    unsigned unplugged = atomic_load(&away);
    CU_ASSERT_EQUAL(atomic_load(&good), before); /* it is really gone */
    CU_ASSERT(unplugged > 0);
    CU_ASSERT(rec_setup("plug"));
    long took = rec_until_good(&fixture, BACK_MS);
    printf("[%u errors in %u ms, back after %ld ms] ", unplugged, gone_ms, took);
    CU_ASSERT(took >= 0);
    core_sleep_ms(200);
    CU_ASSERT(rec_complete(&fixture));
    CU_ASSERT_EQUAL(rec_logged(" lost:"), lost + 1);
    CU_ASSERT_EQUAL(rec_logged(": back"), back + 1);
}

static void unplugged_token_fails_soon_then_recovers(void)
{
    pthread_t threads[THREADS];
    struct sigaction action;

    if (strcmp(kind, "opencryptoki") == 0)
        TEST_SKIP("openCryptoki works on without its daemon once it is initialised");
    CU_ASSERT_FATAL(rec_open(&fixture));
    atomic_store(&over, false);
    for (size_t i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, NULL), 0);
    }
    core_sleep_ms(300);
    one_outage(1000);
    one_outage(2500);
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT_EQUAL(atomic_load(&odd), 0);
    CU_ASSERT(atomic_load(&good) > 0);
    printf("[%u good, longest call %lu ms] ", atomic_load(&good),
           (unsigned long)(atomic_load(&slowest_us) / 1000));
    CU_ASSERT(atomic_load(&slowest_us) < 6000000);
    CU_ASSERT_EQUAL(sigaction(SIGPIPE, NULL, &action), 0);
    CU_ASSERT(action.sa_handler == SIG_DFL);
    CU_ASSERT(rec_close(&fixture));
}

/* No calls are made while it is away. */
static void token_back_without_calls_recovers(void)
{
    rec_fixture w;

    CU_ASSERT_FATAL(rec_open(&w));
    CU_ASSERT_FATAL(rec_setup("unplug"));
    core_sleep_ms(200);
    CU_ASSERT(rec_setup("plug"));
    CU_ASSERT(rec_until_good(&w, BACK_MS) >= 0);
    CU_ASSERT(rec_complete(&w));
    CU_ASSERT(rec_close(&w));
}

/* The token is away when the context is opened and appears later. */
static void token_away_at_open_appears_later(void)
{
    const char *pin = getenv("PIN");
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err = {0};

    CU_ASSERT_FATAL(rec_setup("unplug"));
    CU_ASSERT_EQUAL(tok_context_open(write_config(), &ctx, &err), ST_OK);
    core_status st = tok_token_find(ctx, "main", &token, &err);
    CU_ASSERT(rec_says_away(st));
    CU_ASSERT(rec_setup("plug"));
    uint64_t until = core_now_us() + BACK_MS * 1000ULL;
    while (st != ST_OK && core_now_us() < until) {
        core_sleep_ms(50);
        st = tok_token_find(ctx, "main", &token, &err);
    }
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(token, pin, strlen(pin), &err), ST_OK);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
}

static const test_case unplugged_cases[] = {
    {"unplugged_token_fails_soon_then_recovers", unplugged_token_fails_soon_then_recovers},
    {"token_back_without_calls_recovers", token_back_without_calls_recovers},
    {"token_away_at_open_appears_later", token_away_at_open_appears_later},
    {NULL, NULL},
};
const test_suite suite_unplugged = {.name = "unplugged", .cases = unplugged_cases};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_unplugged, &suite_others};

    if (getenv("MODULE") == NULL || getenv("TOKEN_DIR") == NULL || argc < 3) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    kind = argv[1];
    script = argv[2];
    argv[2] = argv[0];
    return testing_main(argc - 2, argv + 2, suites, sizeof suites / sizeof suites[0]);
}
