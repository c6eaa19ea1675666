/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts opened and closed at the same time, and children forked during both.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fault/race.h"

static race_fixture w;

typedef struct visit {
    tok_context *ctx;
    bool worked;
} visit;

static core_status open_context(void *arg)
{
    visit *v = arg;
    core_status st = tok_context_open(w.config, &v->ctx, NULL);
    return st;
}

static core_status close_context(void *arg)
{
    visit *v = arg;
    tok_context_close(v->ctx);
    return ST_OK;
}

static bool works(tok_context *ctx)
{
    race_fixture other = w;
    bool good = tok_token_find(ctx, "main", &other.token, NULL) == ST_OK;
    other.key = NULL;
    good = good && race_login(&other) == ST_OK &&
           tok_key_by_name(other.token, w.name, &other.key, NULL) == ST_OK &&
           race_work(&other) == ST_OK;
    tok_key_release(other.key);
    if (other.token != NULL)
        tok_token_logout(other.token);
    tok_token_release(other.token);
    return good;
}

/* Closes the context of the fixture but leaves its key on the token. */
static void leave_key(visit *v)
{
    race_open(&w, "");
    tok_key_release(w.key);
    (void)race_logout(&w);
    tok_token_release(w.token);
    v->ctx = w.ctx;
}

static void remove_key(visit *v)
{
    race_fixture last = w;
    last.ctx = v->ctx;
    CU_ASSERT(works(v->ctx));
    CU_ASSERT_EQUAL_FATAL(tok_token_find(v->ctx, "main", &last.token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(race_login(&last), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(last.token, w.name, &last.key, NULL), ST_OK);
    race_close(&last);
}

static void open_during_close_works(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;
        visit first = {0};
        visit second = {0};

        leave_key(&first);
        int place = race_park(&a, close_context, &first, "C_Finalize", after);
        race_start(&b, open_context, &second);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        remove_key(&second);
    }
}

static void open_during_open_works(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;
        visit first = {0};
        visit second = {0};
        p11memory_state before;
        p11memory_state now;

        leave_key(&first);
        tok_context_close(first.ctx);
        race.get(&before);
        int place = race_park(&a, open_context, &first, "C_Initialize", after);
        race_start(&b, open_context, &second);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_PTR_EQUAL(first.ctx, second.ctx);
        race.get(&now);
        CU_ASSERT_EQUAL(now.initialisations, before.initialisations + 1);
        tok_context_close(first.ctx);
        remove_key(&second);
    }
}

/* The work of a forked child: it uses the key and the login that it inherited. */
static void fork_and_work(void)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        (void)alarm(20); /* a lock held by a thread that does not exist here would block for ever */
        (void)race.plan("");
        _exit(race_work(&w) == ST_OK && race_work(&w) == ST_OK ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fork_during_work_child_works(void)
{
    static const char *const calls[] = {"C_OpenSession", "C_EncryptInit", "C_Encrypt"};
    for (size_t i = 0; i < 2 * sizeof calls / sizeof calls[0]; i++) {
        race_thread a;

        race_open(&w, "max_sessions = 1\n");
        (void)race_logout(&w);
        CU_ASSERT_EQUAL(race_login(&w), ST_OK);
        int place = race_park(&a, race_work, &w, calls[i / 2], i % 2);
        fork_and_work();
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        race_close(&w);
    }
}

static void fork_during_recovery_child_works(void)
{
    static const char *const calls[] = {"C_Finalize", "C_Initialize", "C_GetSlotList", "C_Login"};
    for (size_t i = 0; i < 2 * sizeof calls / sizeof calls[0]; i++) {
        race_thread a;

        race_open(&w, "");
        CU_ASSERT_EQUAL(race.plan("call=C_EncryptInit rv=0x30; call=C_GetTokenInfo rv=0x30"), 0);
        int place = race_park(&a, race_work, &w, calls[i / 2], i % 2);
        fork_and_work();
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        race_close(&w);
    }
}

static const test_case cases[] = {
    {"open_during_close_works", open_during_close_works},
    {"open_during_open_works", open_during_open_works},
    {"fork_during_work_child_works", fork_during_work_child_works},
    {"fork_during_recovery_child_works", fork_during_recovery_child_works},
    {NULL, NULL},
};
const test_suite race_context_suite = {.name = "context", .cases = cases};
