/* SPDX-License-Identifier: Apache-2.0
 *
 * The module that all members share is not initialised: no member can cover that, and it must not
 * count as the failure of one. Also: the process forks while a group is in use.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "pkcs11/keys/keys_private.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/group.h"

static grp_fixture w;
static fault_proxy proxy;

static void open_counted(const char *globals)
{
    char lines[200];

    if (!fault_proxy_load(&proxy))
        TEST_SKIP("no fault proxy: run it by with-token --count");
    snprintf(lines, sizeof lines, "module_loader = direct\n%s", globals);
    CU_ASSERT_FATAL(grp_open_with(&w, lines, ""));
}

/* Recovery succeeds although operations keep failing while it runs. */
static void uninitialised_module_recovers_under_load(void)
{
    uint64_t until;

    open_counted("");
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Initialize rv=0x6 times=1000000;"
                                     "call=C_OpenSession rv=0x30 times=1000000;"
                                     "call=C_DecryptInit rv=0x30 times=1000000;"),
                          0);
    for (until = core_now_us() + 2000000; core_now_us() < until; core_sleep_ms(20))
        CU_ASSERT_NOT_EQUAL(grp_decrypt(&w, NULL), ST_OK);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    long took = grp_until(&w, "pair-0", GRP_BACK_MS);
    printf("[back after %ld ms] ", took);
    CU_ASSERT(took >= 0);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
    grp_close(&w);
}

/* A child has to initialise the module first, which is not a failure. */
static void child_initialises_module(void)
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

/* The last user leaves while a member is being logged in, which takes longer than the logout waits:
 * nothing of that login may remain. */
static void last_logout_during_member_login_leaves_nothing(void)
{
    pthread_t thread;
    tok_token_stats stats;
    unsigned long before;

    if (!fault_proxy_load(&proxy))
        TEST_SKIP("no fault proxy: run it by with-token --count");
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Login nth=2 rv=0x30 times=1000000"), 0);
    /* Each failed login counts as a wrong PIN; the limit must not apply here. */
    CU_ASSERT_FATAL(grp_open_with(&w, "module_loader = direct\npin_tries = 100\n",
                                  "group_order = round-robin\nsession_wait_ms = 200\n"));
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Login delay=2000"), 0);
    before = proxy.get("C_Login");
    core_sleep_ms(4000); /* the back-off of the lost member has expired */
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, find_key, NULL), 0);
    for (int i = 0; proxy.get("C_Login") == before && i < 500; i++) {
        (void)find_key(NULL);
        core_sleep_ms(10);
    }
    tok_token_logout(w.group);
    pthread_join(thread, NULL);
    CU_ASSERT(proxy.get("C_Login") > before);
    tok_token_stats_get(w.group, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 0);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    grp_close(&w);
}

/* A member that has never been found is probed when its back-off has expired, not by each login. */
static void unseen_member_probed_after_back_off(void)
{
    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    open_counted("");
    proxy.reset();
    for (int i = 0; i < 20; i++) {
        tok_token *group = NULL;
        CU_ASSERT_EQUAL(tok_token_find(w.ctx, "ha", &group, NULL), ST_OK);
        tok_token_release(group);
    }
    printf("[%lu lists of slots] ", proxy.get("C_GetSlotList"));
    CU_ASSERT(proxy.get("C_GetSlotList") < 20);
    CU_ASSERT(grp_setup("plug-0"));
    grp_close(&w);
}

static void *decrypt_slowly(void *arg)
{
    *(core_status *)arg = grp_decrypt(&w, NULL);
    return NULL;
}

/* Probing for a lost member re-initialises the module. Other threads must not block while the probe
 * waits for a slow call to finish. */
static void probe_during_slow_call_blocks_no_thread(void)
{
    pthread_t thread;
    core_status slow = ST_FAILURE;
    uint64_t longest = 0;
    uint64_t until;

    CU_ASSERT_FATAL(grp_setup("unplug-0"));
    open_counted("");
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Decrypt delay=7000"), 0);
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
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    CU_ASSERT(grp_setup("plug-0"));
    grp_close(&w);
}

/* One member is lost, and users of the other could not log in again or would lose a session key:
 * the module must not be re-initialised to recover the lost member. */
static void expect_no_reset(const char *globals, bool session_keys)
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

static void lost_member_not_reset_over_logins(void)
{
    expect_no_reset("relogin = no\n", false);
}

static void lost_member_not_reset_over_session_keys(void)
{
    expect_no_reset("", true);
}

/* A PIN that was refused for a key that needs it for each use is not sent again. */
static void refused_key_pin_not_sent_again(void)
{
    open_counted("");
    w.rsa->always_authenticate = true;
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_Login rv=0xa0 times=1000"), 0);
    proxy.reset();
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(grp_decrypt(&w, NULL), ST_AUTH_FAILED);
    printf("[sent %lu times] ", proxy.get("C_Login"));
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    w.rsa->always_authenticate = false;
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    grp_close(&w);
}

static const test_case module_cases[] = {
    {"uninitialised_module_recovers_under_load", uninitialised_module_recovers_under_load},
    {"child_initialises_module", child_initialises_module},
    {"last_logout_during_member_login_leaves_nothing",
     last_logout_during_member_login_leaves_nothing},
    {"unseen_member_probed_after_back_off", unseen_member_probed_after_back_off},
    {"refused_key_pin_not_sent_again", refused_key_pin_not_sent_again},
    {"lost_member_not_reset_over_logins", lost_member_not_reset_over_logins},
    {"lost_member_not_reset_over_session_keys", lost_member_not_reset_over_session_keys},
    {"probe_during_slow_call_blocks_no_thread", probe_during_slow_call_blocks_no_thread},
    {NULL, NULL},
};
const test_suite suite_module = {.name = "module", .cases = module_cases};
