/* SPDX-License-Identifier: Apache-2.0
 *
 * See race.h.
 */
#include "tests/fault/race.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "core/platform.h"

race_functions race;

static const uint8_t plain[] = "the races' known plaintext";
static uint8_t iv[16] = {7};

bool race_load(void)
{
    const char *real = getenv("P11COUNT_MODULE");
    const char *module = getenv("MODULE");
    void *token = real != NULL ? dlopen(real, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *proxy = module != NULL ? dlopen(module, RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct {
        void *library;
        const char *name;
        void *where;
    } functions[] = {
        {token, "p11memory_park", (void *)&race.park},
        {token, "p11memory_await", (void *)&race.await},
        {token, "p11memory_go", (void *)&race.go},
        {token, "p11memory_lose_sessions", (void *)&race.lose_sessions},
        {token, "p11memory_unplug", (void *)&race.unplug},
        {token, "p11memory_limit", (void *)&race.limit},
        {token, "p11memory_get", (void *)&race.get},
        {proxy, "p11count_violations", (void *)&race.violations},
        {proxy, "p11count_plan", (void *)&race.plan},
        {proxy, "p11count_reset", (void *)&race.reset},
        {proxy, "p11count_log", (void *)&race.log},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *found =
            functions[i].library != NULL ? dlsym(functions[i].library, functions[i].name) : NULL;
        memcpy(functions[i].where, &found, sizeof found);
        if (found == NULL)
            return false;
    }
    return true;
}

/* --- the fixture --- */

/* Each fixture has its own file, so that no test shares the context of one that failed. */
static bool write_config(race_fixture *w, unsigned serial, const char *more)
{
    char text[2048];

    (void)snprintf(w->name, sizeof w->name, "race-%u", serial);
    (void)snprintf(w->config, sizeof w->config, "%s/race-%u.conf", testing_dir(), serial);
    /* Loaded directly: p11-kit's own locks are out of our tests' control. */
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = none\nstartup_tries = 1\n%s\n"
                          "[token main]\ntoken = %s\n",
                          getenv("MODULE"), more, getenv("TOKEN"));
    return core_file_create(w->config, text, (size_t)length, NULL) == ST_OK;
}

static core_status seal(race_fixture *w, uint8_t out[32])
{
    size_t length = 32;
    core_err err = {0};
    core_status st = tok_encrypt(w->key, iv, sizeof iv, plain, sizeof plain, out, &length, &err);
    return st;
}

core_status race_work(void *fixture)
{
    race_fixture *w = fixture;
    uint8_t out[32] = {0};
    core_status st = seal(w, out);
    return st == ST_OK && memcmp(out, w->sealed, sizeof out) != 0 ? ST_FAILURE : st;
}

core_status race_login(void *fixture)
{
    race_fixture *w = fixture;
    const char *pin = getenv("PIN");
    return tok_token_login(w->token, pin, strlen(pin), NULL);
}

core_status race_logout(void *fixture)
{
    race_fixture *w = fixture;
    tok_token_logout(w->token);
    return ST_OK;
}

void race_open(race_fixture *w, const char *more)
{
    static unsigned serial;
    const tok_key_spec spec = {w->name, CORE_ALG_AES_256, 0, true, false};

    memset(w, 0, sizeof *w);
    race.lose_sessions();
    CU_ASSERT_EQUAL(race.plan(""), 0);
    race.reset();
    CU_ASSERT_FATAL(write_config(w, ++serial, more));
    CU_ASSERT_EQUAL_FATAL(tok_context_open(w->config, &w->ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w->ctx, "main", &w->token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(race_login(w), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w->token, &spec, &w->key, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(seal(w, w->sealed), ST_OK);
}

void race_close_logged_out(race_fixture *w)
{
    p11memory_state state;

    race.get(&state);
    CU_ASSERT_EQUAL(state.sessions, 0);
    CU_ASSERT_EQUAL(state.session_objects, 0);
    CU_ASSERT(!state.logged_in);
    CU_ASSERT_EQUAL(race_login(w), ST_OK);
    CU_ASSERT_EQUAL(race_work(w), ST_OK);
    CU_ASSERT_EQUAL(tok_key_destroy(w->key, NULL), ST_OK);
    tok_key_release(w->key);
    (void)race_logout(w);
    race.get(&state);
    CU_ASSERT_EQUAL(state.sessions, 0);
    tok_token_release(w->token);
    tok_context_close(w->ctx);
    CU_ASSERT_EQUAL(race.violations(), 0);
    if (race.violations() > 0)
        for (const char *at = race.log(); (at = strstr(at, "VIOLATION")) != NULL; at++)
            fprintf(stderr, "%.*s\n", (int)strcspn(at, "\n"), at);
}

void race_close(race_fixture *w)
{
    CU_ASSERT_EQUAL(race_work(w), ST_OK);
    (void)race_logout(w);
    race_close_logged_out(w);
}

/* --- threads --- */

static void *run(void *arg)
{
    race_thread *t = arg;
    t->st = t->op(t->arg);
    atomic_store(&t->done, true);
    return NULL;
}

void race_start(race_thread *t, race_op op, void *arg)
{
    t->op = op;
    t->arg = arg;
    t->st = ST_FAILURE;
    atomic_store(&t->done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t->id, NULL, run, t), 0);
}

core_status race_join(race_thread *t)
{
    enum { MOST_MS = 30000 };
    for (unsigned i = 0; i < MOST_MS / 5 && !atomic_load(&t->done); i++)
        core_sleep_ms(5);
    if (!atomic_load(&t->done)) {
        printf("FAILED: %s: a thread does not come back\n", CU_get_current_test()->pName);
        (void)fflush(stdout);
        _exit(1);
    }
    pthread_join(t->id, NULL);
    return t->st;
}

bool race_waits(const race_thread *t)
{
    enum { LONG_MS = 150 };
    for (unsigned i = 0; i < LONG_MS / 5 && !atomic_load(&t->done); i++)
        core_sleep_ms(5);
    return !atomic_load(&t->done);
}

int race_park(race_thread *t, race_op op, void *arg, const char *function, bool after)
{
    int place = race.park(function, after);
    CU_ASSERT_FATAL(place >= 0);
    race_start(t, op, arg);
    const bool there = race.await(place, 10000);
    if (!there)
        fprintf(stderr, "%s: nobody came to %s\n", CU_get_current_test()->pName, function);
    CU_ASSERT(there);
    return place;
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&race_pool_suite, &race_recovery_suite,
                                               &race_login_suite, &race_key_suite,
                                               &race_context_suite};

    if (!race_load()) {
        printf("SKIPPED: no memory token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
