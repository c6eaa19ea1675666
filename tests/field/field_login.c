/* SPDX-License-Identifier: Apache-2.0
 *
 * The login of a process: our login survives whatever happens to one session, and a user with wrong
 * PINs does not block the others.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/field/login_fixture.h"

static login_fixture w;

/* Replaces OpenSSL's comparison, which compares PINs: a thread can be stopped right after it. */
static _Thread_local bool stops_after_compare;
static atomic_bool compared, goes_on;
int CRYPTO_memcmp(const void *a, const void *b, size_t length);
int CRYPTO_memcmp(const void *a, const void *b, size_t length)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t different = 0;

    for (size_t i = 0; i < length; i++)
        different |= x[i] ^ y[i];
    if (stops_after_compare) {
        stops_after_compare = false;
        atomic_store(&compared, true);
        while (!atomic_load(&goes_on))
            core_sleep_ms(1);
    }
    return different;
}

/* --- one login state --- */

typedef struct worker {
    pthread_t thread;
    core_status st;
} worker;

static void *work_once(void *arg)
{
    ((worker *)arg)->st = fixture_work(&w, NULL);
    return NULL;
}

/* How many of `most` operations are in the token at the same time. */
static unsigned at_work_together(unsigned most, unsigned wait_ms)
{
    worker all[8];
    int places[8];
    unsigned there = 0;

    for (unsigned i = 0; i < most; i++)
        places[i] = memory.park("C_Decrypt", 0);
    for (unsigned i = 0; i < most; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&all[i].thread, NULL, work_once, &all[i]), 0);
    while (there < most && memory.await(places[there], wait_ms))
        there++;
    for (unsigned i = 0; i < most; i++)
        memory.go(places[i], CKR_OK);
    for (unsigned i = 0; i < most; i++) {
        pthread_join(all[i].thread, NULL);
        CU_ASSERT_EQUAL(all[i].st, ST_OK);
    }
    return there;
}

static const char *const policies[] = {"relogin = no\n", "relogin = yes\n"};

static void login_session_lost_alone_work_goes_on(void)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        worker one;
        core_err err = {0};

        fixture_open(&w, policies[i]);
        fixture_start(&w);
        CU_ASSERT_EQUAL(at_work_together(3, 10000), 3); /* the login is held by three sessions */
        memory.quirks(NULL);
        int place = memory.park("C_DecryptInit", 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&one.thread, NULL, work_once, &one), 0);
        CU_ASSERT(memory.await(place, 10000));
        memory.lose_oldest();
        memory.go(place,
                  CKR_KEY_HANDLE_INVALID); /* some tokens report a lost login with this code */
        pthread_join(one.thread, NULL);
        CU_ASSERT_EQUAL(one.st, ST_OK);
        CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_logins(), 0); /* our other sessions held the login */
        for (int k = 0; k < 3; k++)
            tok_token_logout(w.token);
        fixture_close(&w);
    }
}

/* Without a cached PIN, the next user who presents it restores the login for all. */
static void login_lost_right_pin_brings_it_back(void)
{
    core_err err = {0};

    fixture_open(&w, "relogin = no\n");
    fixture_start(&w);
    memory.lose_sessions();
    memory.quirks(NULL);
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_LOGIN_LOST);
    CU_ASSERT_EQUAL(fixture_login(&w, "0000", &err), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_LOGIN_LOST);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
    tok_token_logout(w.token);
    CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_login(&w, "0001", &err), ST_AUTH_FAILED); /* compared again */
    CU_ASSERT_EQUAL(fixture_logins(), 2);
    tok_token_logout(w.token);
    fixture_close(&w);
}

static void *log_out(void *arg)
{
    tok_token_logout(arg);
    return NULL;
}

static core_status second_st;
static void *second_user(void *arg)
{
    (void)arg;
    stops_after_compare = true;
    second_st = fixture_login(&w, "1234", NULL);
    return NULL;
}

/* The first user logs out after the second one's PIN was compared and before the second is
 * counted. */
static void last_logout_during_login_nothing_lost(void)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        pthread_t thread;
        core_err err = {0};

        fixture_open(&w, policies[i]);
        fixture_start(&w);
        atomic_store(&compared, false);
        atomic_store(&goes_on, false);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, second_user, NULL), 0);
        while (!atomic_load(&compared))
            core_sleep_ms(1);
        pthread_t leaver;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&leaver, NULL, log_out, w.token), 0);
        core_sleep_ms(20);
        atomic_store(&goes_on, true);
        pthread_join(thread, NULL);
        pthread_join(leaver, NULL);
        CU_ASSERT_EQUAL(second_st, ST_OK);
        CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_work(&w, &err), ST_OK);
        tok_token_logout(w.token);
        tok_token_logout(w.token);
        fixture_close(&w);
    }
}

/* Another component of the process is logged in; its login is ended, and our PIN is verified. */
static void foreign_login_ended_pin_is_verified(void)
{
    CK_FUNCTION_LIST *f = NULL;
    CK_C_GetFunctionList get = NULL;
    CK_SESSION_HANDLE theirs = 0;
    CK_UTF8CHAR pin[] = "1234";
    core_err err = {0};

    void *library = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    CU_ASSERT_FATAL(get != NULL && get(&f) == CKR_OK);
    fixture_open(&w, "foreign_login = logout\n");
    CU_ASSERT_EQUAL(f->C_OpenSession((CK_SLOT_ID)tok_token_info_of(w.token)->slot,
                                     CKF_SERIAL_SESSION, NULL, NULL, &theirs),
                    CKR_OK);
    CU_ASSERT_EQUAL(f->C_Login(theirs, CKU_USER, pin, 4), CKR_OK);
    memory.quirks(NULL);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    CU_ASSERT_EQUAL(fixture_login(&w, "0000", &err),
                    ST_AUTH_FAILED); /* sent, since it may be a new PIN */
    CU_ASSERT_EQUAL(fixture_wrong(), 1);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", &err), ST_OK);
    tok_token_logout(w.token);
    tok_token_logout(w.token);
    CU_ASSERT_EQUAL(f->C_CloseSession(theirs), CKR_OK);
    fixture_close(&w);
    (void)dlclose(library);
}

/* --- wrong PINs during a slow call --- */

enum { WORKERS = 8, MEASURE_MS = 1200 };
static atomic_bool over;
static atomic_uint operations, failures, attempts;
static _Atomic uint64_t longest_us;

static void *work_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        const uint64_t from = core_now_us();
        atomic_fetch_add(fixture_work(&w, NULL) == ST_OK ? &operations : &failures, 1);
        testing_most(&longest_us, core_now_us() - from);
        core_sleep_ms(2);
    }
    return NULL;
}

static void *try_wrong_pins(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        char pin[16];
        (void)snprintf(pin, sizeof pin, "8%05u", atomic_fetch_add(&attempts, 1));
        CU_ASSERT_EQUAL(fixture_login(&w, pin, NULL), ST_AUTH_FAILED);
    }
    return NULL;
}

static unsigned measure(bool with_wrong_pins)
{
    pthread_t workers[WORKERS];
    pthread_t attacker;

    atomic_store(&over, false);
    atomic_store(&operations, 0);
    for (size_t i = 0; i < WORKERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&workers[i], NULL, work_on, NULL), 0);
    if (with_wrong_pins)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&attacker, NULL, try_wrong_pins, NULL), 0);
    core_sleep_ms(MEASURE_MS);
    const unsigned done = atomic_load(&operations);
    atomic_store(&over, true);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    if (with_wrong_pins)
        pthread_join(attacker, NULL);
    return done;
}

static void wrong_pins_during_slow_call_others_work(void)
{
    worker slow;
    double share = 0;

    fixture_open(&w, "session_wait_ms = 2000\n");
    fixture_start(&w);
    memory.quirks(NULL);
    atomic_store(&failures, 0);
    atomic_store(&attempts, 0);
    atomic_store(&longest_us, 0);
    int place = memory.park("C_Decrypt", 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&slow.thread, NULL, work_once, &slow), 0);
    CU_ASSERT(memory.await(place, 10000));
    /* The machine may be busy: one good measurement of three is enough. */
    for (int i = 0; i < 3 && share < 0.9; i++) {
        const unsigned alone = measure(false);
        share = (double)measure(true) / (alone > 0 ? alone : 1);
    }
    printf("[%.2f of the throughput, longest %u ms, %u wrong PINs] ", share,
           (unsigned)(atomic_load(&longest_us) / 1000), atomic_load(&attempts));
    CU_ASSERT(share >= 0.9);
    CU_ASSERT(atomic_load(&longest_us) < 900000); /* formerly half of session_wait_ms */
    CU_ASSERT(atomic_load(&attempts) > 0);
    CU_ASSERT_EQUAL(atomic_load(&failures), 0);
    CU_ASSERT_EQUAL(fixture_logins(), 0); /* the token could not be asked */
    memory.go(place, CKR_OK);
    pthread_join(slow.thread, NULL);
    CU_ASSERT_EQUAL(slow.st, ST_OK);
    /* After the call has returned, a changed PIN is sent to the token. */
    memory.set_pin("4321");
    core_status st = fixture_login(&w, "4321", NULL);
    for (int i = 0; i < 10 && st != ST_OK; i++)
        st = fixture_login(&w, "4321", NULL);
    CU_ASSERT_EQUAL(st, ST_OK);
    tok_token_logout(w.token);
    tok_token_logout(w.token);
    fixture_close(&w);
}

/* --- the limit of the wait for another login --- */

static void *log_in(void *arg)
{
    ((worker *)arg)->st = fixture_login(&w, "1234", NULL);
    return NULL;
}

static void many_at_once_without_a_session_wait_all_log_in(void)
{
    worker all[16];

    fixture_open(&w, "session_wait_ms = 0\n");
    memory.quirks(&(p11memory_quirks){.login_ms = 100});
    for (size_t i = 0; i < 16; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&all[i].thread, NULL, log_in, &all[i]), 0);
    for (size_t i = 0; i < 16; i++) {
        pthread_join(all[i].thread, NULL);
        CU_ASSERT_EQUAL(all[i].st, ST_OK);
    }
    CU_ASSERT_EQUAL(fixture_logins(), 1);
    for (size_t i = 0; i < 16; i++)
        tok_token_logout(w.token);
    fixture_close(&w);
}

/* --- the pool --- */

static void full_token_has_room_again_pool_grows(void)
{
    char line[600];
    size_t length = 0;
    tok_token_stats stats;

    (void)remove(testing_path("pool.log"));
    (void)snprintf(line, sizeof line, "log = %s\nmax_sessions = 6\n", testing_path("pool.log"));
    fixture_open(&w, line);
    fixture_start(&w);
    memory.limit(3); /* the login session and two others */
    CU_ASSERT_EQUAL(at_work_together(6, 300), 2);
    memory.limit(0);
    core_sleep_ms(1000);
    CU_ASSERT_EQUAL(at_work_together(6, 5000), 6);
    tok_token_stats_get(w.token, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 7);
    tok_token_logout(w.token);
    fixture_close(&w);
    char *log = testing_read(testing_path("pool.log"), &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(log);
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "would not open another session"));
    CU_ASSERT_PTR_NOT_NULL(strstr(log, "has room for 6 sessions again"));
    free(log);
}

static const test_case cases[] = {
    {"login session lost alone: work goes on", login_session_lost_alone_work_goes_on},
    {"login lost: the right PIN brings it back", login_lost_right_pin_brings_it_back},
    {"last_logout_during_login_nothing_lost", last_logout_during_login_nothing_lost},
    {"foreign login ended: the PIN is verified", foreign_login_ended_pin_is_verified},
    {"wrong_pins_during_slow_call_others_work", wrong_pins_during_slow_call_others_work},
    {"many at once without a session wait: all log in",
     many_at_once_without_a_session_wait_all_log_in},
    {"full token has room again: the pool grows", full_token_has_room_again_pool_grows},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {.name = "login", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!memory_load()) {
        printf("SKIPPED: no memory token: run it by tests/tokens/with-token memory\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
