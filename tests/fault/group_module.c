/* SPDX-License-Identifier: Apache-2.0
 *
 * What all members of a group share, the module, is not initialised: none of them can cover that,
 * and it must not be taken for the failure of one. And what of a group is at work while the process
 * forks.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "pkcs11/keys/keys_private.h"
#include "tests/fault/counter.h"
#include "tests/fault/group.h"

static grp_world w;
static counter judge;

static void open_counted(const char *globals)
{
    char lines[200];

    if (!counter_load(&judge))
        TEST_SKIP("the counting module is not in front: with-token --count");
    snprintf(lines, sizeof lines, "module_loader = direct\n%s", globals);
    CU_ASSERT_FATAL(grp_open_with(&w, lines, ""));
}

/* It is tried again though there is no end of operations that fail meanwhile. */
static void back_under_load(void)
{
    uint64_t until;

    open_counted("");
    CU_ASSERT_EQUAL_FATAL(judge.plan("call=C_Initialize rv=0x6 times=1000000;"
                                     "call=C_OpenSession rv=0x30 times=1000000;"
                                     "call=C_DecryptInit rv=0x30 times=1000000;"),
                          0);
    for (until = core_now_us() + 2000000; core_now_us() < until; core_sleep_ms(20))
        CU_ASSERT_NOT_EQUAL(grp_decrypt(&w, NULL), ST_OK);
    CU_ASSERT_EQUAL(judge.plan(""), 0);
    long took = grp_until(&w, "pair-0", GRP_BACK_MS);
    printf("[back after %ld ms] ", took);
    CU_ASSERT(took >= 0);
    CU_ASSERT_EQUAL(judge.violations(), 0);
    grp_close(&w);
}

/* In the child the module has to be initialised first, which is no failure at all. */
static void used_by_a_child(void)
{
    int status = -1;

    open_counted("");
    const pid_t child = fork();
    if (child == 0) {
        core_err err = {0};
        (void)alarm(20);
        core_status st = grp_decrypt(&w, &err);
        if (st != ST_OK)
            fprintf(stderr, "in the child: %s\n", err.text);
        _exit(st == ST_OK ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    grp_close(&w);
}

static void *find_key(void *arg)
{
    tok_key *key = NULL;
    (void)arg;
    core_status st = tok_key_by_name(w.group, "shared", &key, NULL);
    tok_key_release(key);
    return st == ST_OK ? &w : NULL;
}

/* A member is logged in to behind the others, which takes longer than the last user waits: nothing
 * of that login stays. */
static void the_last_goes_while_one_joins(void)
{
    pthread_t thread;
    tok_token_stats stats;
    unsigned long before;

    if (!counter_load(&judge))
        TEST_SKIP("the counting module is not in front: with-token --count");
    CU_ASSERT_EQUAL_FATAL(judge.plan("call=C_Login nth=2 rv=0x30 times=1000000"), 0);
    /* Each login that fails counts as a wrong PIN; here they are not to be rationed. */
    CU_ASSERT_FATAL(grp_open_with(&w, "module_loader = direct\npin_tries = 100\n",
                                  "group_order = round-robin\nsession_wait_ms = 200\n"));
    CU_ASSERT_EQUAL_FATAL(judge.plan("call=C_Login delay=2000"), 0);
    before = judge.get("C_Login");
    core_sleep_ms(4000); /* by now it is time to look for the lost one again */
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, find_key, NULL), 0);
    for (int i = 0; judge.get("C_Login") == before && i < 500; i++) {
        (void)find_key(NULL);
        core_sleep_ms(10);
    }
    tok_token_logout(w.group);
    pthread_join(thread, NULL);
    CU_ASSERT(judge.get("C_Login") > before);
    tok_token_stats_get(w.group, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 0);
    CU_ASSERT_EQUAL(judge.plan(""), 0);
    grp_close(&w);
}

/* A member that was never seen is looked for when it is time, not by each who comes. */
static void one_was_never_there(void)
{
    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    open_counted("");
    judge.reset();
    for (int i = 0; i < 20; i++) {
        tok_token *group = NULL;
        CU_ASSERT_EQUAL(tok_token_find(w.ctx, "ha", &group, NULL), ST_OK);
        tok_token_release(group);
    }
    printf("[%lu lists of slots] ", judge.get("C_GetSlotList"));
    CU_ASSERT(judge.get("C_GetSlotList") < 20);
    CU_ASSERT(grp_setup("plug-0"));
    grp_close(&w);
}

static void *decrypt_slowly(void *arg)
{
    *(core_status *)arg = grp_decrypt(&w, NULL);
    return NULL;
}

/* To look for it the module is initialised anew; who is at work does not wait until a call that is
 * slow lets that begin. */
static void a_look_waits_for_a_slow_call(void)
{
    pthread_t thread;
    core_status slow = ST_FAILURE;
    uint64_t longest = 0;
    uint64_t until;

    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    open_counted("");
    CU_ASSERT_EQUAL_FATAL(judge.plan("call=C_Decrypt delay=7000"), 0);
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, decrypt_slowly, &slow), 0);
    core_sleep_ms(100);
    for (until = core_now_us() + 6800000; core_now_us() < until; core_sleep_ms(20)) {
        uint64_t from = core_now_us();
        CU_ASSERT_EQUAL(grp_decrypt(&w, NULL), ST_OK);
        uint64_t took = core_now_us() - from;
        longest = took > longest ? took : longest;
    }
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(slow, ST_OK);
    printf("[the longest %lu ms] ", (unsigned long)(longest / 1000));
    CU_ASSERT(longest < 1000000);
    CU_ASSERT_EQUAL(judge.plan(""), 0);
    CU_ASSERT(grp_setup("plug-0"));
    grp_close(&w);
}

/* One is lost, and who is at work on the other could not log in again, or would lose a volatile
 * key: for the lost one's sake the module is not initialised anew. */
static void a_reset_spares(const char *globals, bool session_keys)
{
    tok_key_spec spec = {"passing", CORE_ALG_RSA_2048, TOK_CAN_SIGN, false, false};
    tok_token *one = NULL;
    tok_key *key = NULL;
    uint8_t out[256];
    uint64_t until;
    core_status st = ST_OK;

    CU_ASSERT_FATAL(grp_open_with(&w, globals, ""));
    if (session_keys) {
        CU_ASSERT_EQUAL_FATAL(tok_token_find(w.ctx, "one", &one, NULL), ST_OK);
        CU_ASSERT_EQUAL(grp_login(one, getenv("PIN"), NULL), ST_OK);
        CU_ASSERT_EQUAL_FATAL(tok_key_create(one, &spec, &key, NULL), ST_OK);
    }
    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    for (until = core_now_us() + 4000000; core_now_us() < until && st == ST_OK; core_sleep_ms(20)) {
        core_err err = {0};
        size_t out_len = sizeof out;
        st = grp_decrypt(&w, &err);
        if (st == ST_OK && session_keys)
            st = tok_rsa_sign(key, (const uint8_t *)"x", 1, out, &out_len, &err);
        if (st != ST_OK)
            printf("%s ", err.text);
    }
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT(grp_setup("plug-0"));
    if (session_keys) {
        tok_key_release(key);
        tok_token_logout(one);
        tok_token_release(one);
        CU_ASSERT(grp_until(&w, "pair-0", GRP_BACK_MS) >= 0);
    }
    grp_close(&w);
}

static void a_reset_spares_logins(void)
{
    a_reset_spares("relogin = no\n", false);
}

static void a_reset_spares_volatile_keys(void)
{
    a_reset_spares("", true);
}

/* A key that wants the PIN for each use does not get one a second time that was refused. */
static void a_pin_refused_for_a_use(void)
{
    open_counted("");
    w.rsa->always_authenticate = true;
    CU_ASSERT_EQUAL_FATAL(judge.plan("call=C_Login rv=0xa0 times=1000"), 0);
    judge.reset();
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(grp_decrypt(&w, NULL), ST_AUTH_FAILED);
    printf("[sent %lu times] ", judge.get("C_Login"));
    CU_ASSERT_EQUAL(judge.get("C_Login"), 1);
    CU_ASSERT_EQUAL(judge.plan(""), 0);
    w.rsa->always_authenticate = false;
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    grp_close(&w);
}

static const test_case module_cases[] = {
    {"back under load", back_under_load},
    {"used by a child", used_by_a_child},
    {"the last goes while one joins", the_last_goes_while_one_joins},
    {"one was never there", one_was_never_there},
    {"a PIN refused for a use", a_pin_refused_for_a_use},
    {"a reset spares logins", a_reset_spares_logins},
    {"a reset spares volatile keys", a_reset_spares_volatile_keys},
    {"a look waits for a slow call", a_look_waits_for_a_slow_call},
    {NULL, NULL},
};
const test_suite suite_module = {.name = "module", .cases = module_cases};
