/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests that the call gate does not block forever: on a log that hangs, on locks that another
 * thread held during a fork, and when a thread that is inside the gate releases a key.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include "core/platform.h"
#include "pkcs11/group/group_private.h"
#include "tests/field/gate_fixture.h"

#define DIRECT "module_loader = direct\n"

static gate_fixture one, two;

/* --- the system's log --- */

static atomic_bool log_hangs;
static atomic_int log_lines;

static void write_line(void)
{
    atomic_fetch_add(&log_lines, 1);
    while (atomic_load(&log_hangs))
        core_sleep_ms(1);
}

/* Replaces the C library's functions: syslog, and the one that _FORTIFY_SOURCE calls. */
#undef syslog
void syslog(int priority, const char *format, ...)
{
    (void)priority;
    (void)format;
    write_line();
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    (void)priority;
    (void)flag;
    (void)format;
    write_line();
}

static void *lose(void *arg)
{
    const core_err err = {.status = ST_DEVICE, .text = "gone"};
    (void)arg;
    tok_mark_unavailable(two.token, ST_DEVICE, &err);
    return NULL;
}

static void slow_log_does_not_stop_other_tokens(void)
{
    pthread_t thread;

    gate_reset();
    gate_start(&one, getenv("TOKEN"), DIRECT "log = syslog\n");
    gate_login(&two, "other", DIRECT);
    const int before = atomic_load(&log_lines);
    atomic_store(&log_hangs, true);
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, lose, NULL), 0);
    for (int i = 0; atomic_load(&log_lines) == before && i < 2000; i++)
        core_sleep_ms(1);
    CU_ASSERT(atomic_load(&log_lines) > before);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(gate_work(&one, NULL), ST_OK);
    CU_ASSERT(core_now_us() - from < 1000000);
    atomic_store(&log_hangs, false);
    pthread_join(thread, NULL);
    gate_close(&two);
    gate_close(&one);
}

/* --- forks --- */

static atomic_bool holds, stop_holding;

static void *hold_lock(void *mutex)
{
    core_mutex_lock(mutex);
    atomic_store(&holds, true);
    while (!atomic_load(&stop_holding))
        core_sleep_ms(1);
    core_mutex_unlock(mutex);
    return NULL;
}

/* A child in which the lock is held by a thread that does not exist in it. */
static void child_closes(core_mutex *mutex, tok_token *group)
{
    pthread_t thread;
    int status = -1;

    atomic_store(&holds, false);
    atomic_store(&stop_holding, false);
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, hold_lock, mutex), 0);
    while (!atomic_load(&holds))
        core_sleep_ms(1);
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(10);
        tok_token_release(group);
        tok_context_close(one.ctx);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    atomic_store(&stop_holding, true);
    pthread_join(thread, NULL);
}

static void forked_child_closes_whatever_lock_was_held(void)
{
    tok_token *group = NULL;

    gate_reset();
    gate_login(&one, getenv("TOKEN"),
               DIRECT "[token b]\ntoken = other\n[token both]\nmembers = b, main\n");
    CU_ASSERT_EQUAL_FATAL(tok_token_find(one.ctx, "both", &group, NULL), ST_OK);
    child_closes(&group->lock, group);
    child_closes(&one.token->lock, group);
    child_closes(&one.ctx->gate->lock, group);
    child_closes(&one.ctx->gate->notes.lock, group);
    tok_token_release(group);
    gate_close(&one);
}

/* --- entered once --- */

/* The release of a session key enters the gate. A search is inside the gate, so it must not take a
 * key for a session key when the token does not return its CKA_TOKEN. */
static void serialized_search_enters_the_gate_once(void)
{
    tok_key **keys = NULL;
    size_t count = 0;

    gate_reset();
    gate_start(&one, getenv("TOKEN"), DIRECT "serialize = yes\n");
    gate_import(&one, "twice");
    gate_import(&one, "twice");
    atomic_store(&knobs->hides_token, true);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(tok_key_list(one.token, &keys, &count, NULL), ST_OK);
    tok_key_list_free(keys, count);
    tok_key *key = NULL;
    CU_ASSERT_EQUAL(tok_key_by_name(one.token, "twice", &key, NULL), ST_KEY_AMBIGUOUS);
    CU_ASSERT(core_now_us() - from < 2000000);
    atomic_store(&knobs->hides_token, false);
    CU_ASSERT(tok_context_serialized(one.ctx));
    gate_close(&one);
}

/* If one configuration sets serialize, the calls of all contexts on the library are serialized. */
static void serialize_of_one_configuration_holds_for_all(void)
{
    gate_reset();
    gate_start(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_FALSE(tok_context_serialized(one.ctx));
    gate_open(&two, "other", DIRECT "serialize = yes\n");
    CU_ASSERT(tok_context_serialized(one.ctx));
    CU_ASSERT_EQUAL(gate_work(&one, NULL), ST_OK);
    gate_close(&two);
    gate_close(&one);
    gate_open(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_FALSE(tok_context_serialized(one.ctx));
    gate_close(&one);
}

static const test_case cases[] = {
    {"slow_log_does_not_stop_other_tokens", slow_log_does_not_stop_other_tokens},
    {"forked_child_closes_whatever_lock_was_held", forked_child_closes_whatever_lock_was_held},
    {"serialized_search_enters_the_gate_once", serialized_search_enters_the_gate_once},
    {"serialize_of_one_configuration_holds_for_all", serialize_of_one_configuration_holds_for_all},
    {NULL, NULL},
};
const test_suite gate_lock_suite = {.name = "lock", .cases = cases};
