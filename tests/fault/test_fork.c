/* SPDX-License-Identifier: Apache-2.0
 *
 * A host forks while one of its threads opens or closes a context and so holds locks of the
 * process. The child, in which that thread does not exist, can still use its token. If the locks
 * are p11-kit's, which cannot be repaired, the child gets an error at once.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "pkcs11/token.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

static fault_proxy proxy;

/* The work of the other thread. */
typedef struct other {
    const char *config;
    tok_context *ctx;
    core_status opened;
} other;

static void *open_apart(void *argument)
{
    other *o = argument;
    o->opened = tok_context_open(o->config, &o->ctx, NULL);
    return NULL;
}

static void *close_apart(void *argument)
{
    other *o = argument;
    tok_context_close(o->ctx);
    return NULL;
}

static core_status use_token(const char *config)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    const char *pin = getenv("PIN");
    core_status st = tok_context_open(config, &ctx, NULL);

    if (st == ST_OK)
        st = tok_token_find(ctx, "main", &token, NULL);
    if (st == ST_OK)
        st = tok_token_login(token, pin, strlen(pin), NULL);
    if (st == ST_OK)
        tok_token_logout(token);
    if (token != NULL)
        tok_token_release(token);
    tok_context_close(ctx);
    return st;
}

/* Forks while `apart` is at work; the module, or the plan in the call of this name, makes that
 * slow. */
static void fork_during(void *(*apart)(void *), other *o, const char *call, const char *config,
                        core_status expected)
{
    pthread_t thread;
    int status = -1;

    proxy.reset();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, apart, o), 0);
    for (int i = 0; call != NULL && proxy.get(call) == 0 && i < 500; i++)
        core_sleep_ms(10);
    core_sleep_ms(500);
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(10); /* a lock held by a thread that does not exist here would block for ever */
        (void)proxy.plan("");
        _exit(use_token(config) == expected ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    (void)proxy.plan("");
}

static void fork_during_module_load_child_works(void)
{
    other o = {.config = testing_file("slow.conf", SLOW_CONF, sizeof SLOW_CONF - 1, 0600)};

    fork_during(open_apart, &o, NULL, fault_proxy_config("fork.conf", ""), ST_OK);
    CU_ASSERT_EQUAL(o.opened, ST_MODULE_LOAD);
}

static void while_it_initialises(const char *loader, core_status expected)
{
    other o = {.config = fault_proxy_config("fork.conf", loader)};

    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Initialize delay=2000"), 0);
    fork_during(open_apart, &o, "C_Initialize", o.config, expected);
    CU_ASSERT_EQUAL(o.opened, ST_OK);
    CU_ASSERT_EQUAL(use_token(o.config), ST_OK);
    tok_context_close(o.ctx);
}

static void while_it_is_finalised(const char *loader, core_status expected)
{
    other o = {.config = fault_proxy_config("fork.conf", loader)};

    (void)open_apart(&o);
    CU_ASSERT_EQUAL_FATAL(o.opened, ST_OK);
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Finalize delay=2000"), 0);
    fork_during(close_apart, &o, "C_Finalize", o.config, expected);
    CU_ASSERT_EQUAL(use_token(o.config), ST_OK);
}

static void fork_during_initialise_child_works(void)
{
    while_it_initialises("", ST_OK);
}

static void fork_during_finalise_child_works(void)
{
    while_it_is_finalised("", ST_OK);
}

static void fork_during_p11kit_initialise_child_refused(void)
{
    while_it_initialises("module_loader = p11-kit", ST_MODULE_INIT);
}

static void fork_during_p11kit_finalise_child_refused(void)
{
    while_it_is_finalised("module_loader = p11-kit", ST_MODULE_INIT);
}

static const test_case cases[] = {
    {"fork_during_module_load_child_works", fork_during_module_load_child_works},
    {"fork_during_initialise_child_works", fork_during_initialise_child_works},
    {"fork_during_finalise_child_works", fork_during_finalise_child_works},
    {NULL, NULL},
};
static const test_suite suite_fork = {.name = "fork", .cases = cases};

/* A module is loaded once per process, so these cases need a process of their own. */
static const test_case p11kit_cases[] = {
    {"fork_during_p11kit_initialise_child_refused", fork_during_p11kit_initialise_child_refused},
    {"fork_during_p11kit_finalise_child_refused", fork_during_p11kit_finalise_child_refused},
    {NULL, NULL},
};
static const test_suite suite_p11kit = {.name = "p11-kit", .cases = p11kit_cases};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_fork, &suite_p11kit};

    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 2);
}
