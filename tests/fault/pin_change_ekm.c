/* SPDX-License-Identifier: Apache-2.0
 *
 * A changed PIN as SQL Server sees it: sessions of the old credential are at work (a database's
 * sessions are never closed), another process changes the PIN on the token, then sessions open with
 * the altered credential, with one that was not altered, and with a wrong one.
 *
 *   with-token --count COUNTER KIND pin_change_ekm
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "testing.h"
#include "tests/fault/another.h"
#include "tests/fault/fault_proxy.h"
#include "tests/unit/ekm_fixture.h"
#include "token_conf.h"

enum { THREADS = 6, LOAD_MS = 300, RATIONED = 2063 };

typedef struct worker {
    pthread_t thread;
    SqlCpSession session;
    atomic_uint rounds;
} worker;

static worker workers[THREADS];
static fault_proxy proxy;
static uint8_t rsa[FX_THUMB];
static uint8_t sealed[256];
static size_t sealed_len = sizeof sealed;
static const char secret[] = "a database encryption key, or so";
static atomic_bool over;
static atomic_uint done, failed;
/* See pin_change.c. */
static bool rekeys;

static SqlCpError decrypt(SqlCpSession session)
{
    uint8_t out[256];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpData from = {(SqlCpUlong)sealed_len, sealed};
    SqlCpData to = {sizeof out, out};
    SqlCpError e = SqlCryptDecrypt(&session, &key, 1, NULL, 0, &from, &to);
    bool right = to.cb == sizeof secret && memcmp(out, secret, sizeof secret) == 0;
    return e == scp_err_Success && !right ? scp_err_Failure : e;
}

static SqlCpError look(SqlCpSession session)
{
    SqlCpKeyId id = 0;
    SqlCpError e;
    while ((e = SqlCryptGetNextKeyId(&session, &id)) == scp_err_Success) {
    }
    return e == scp_err_NotFound ? scp_err_Success : e;
}

static void *work(void *arg)
{
    worker *w = arg;
    for (; !atomic_load(&over); atomic_fetch_add(&w->rounds, 1)) {
        SqlCpError e = atomic_load(&w->rounds) % 4 == 3 ? look(w->session) : decrypt(w->session);
        atomic_fetch_add(e == scp_err_Success ? &done : &failed, 1);
        if (e != scp_err_Success && !rekeys)
            fprintf(stderr, "failed with code %d\n", (int)e);
    }
    return NULL;
}

/* Waits until every thread has ended its current operation and `count` further ones. */
static void wait_rounds(unsigned count)
{
    for (size_t i = 0; i < THREADS; i++) {
        unsigned seen = atomic_load(&workers[i].rounds);
        while (atomic_load(&workers[i].rounds) - seen < count)
            core_sleep_ms(1);
    }
}

static void begin_work(void)
{
    SqlCpSession first = NULL;

    CU_ASSERT_EQUAL_FATAL(fx_open("test", getenv("PIN"), &first), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(first, "pin change", CORE_ALG_RSA_2048, 0, rsa),
                          scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(
        fx_encrypt(first, rsa, NULL, 0, secret, sizeof secret, sealed, &sealed_len),
        scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&first, 0), scp_err_Success);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(fx_open("test", getenv("PIN"), &workers[i].session), scp_err_Success);
    proxy.reset();
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    core_sleep_ms(LOAD_MS);
}

static void end_work(void)
{
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
}

static void altered_credential_taken_over(void)
{
    static const char new[] = "765432";
    SqlCpSession session = NULL;
    SqlCpSession other = NULL;
    unsigned refused = 0;
    char wrong[] = "90000x";

    begin_work();
    CU_ASSERT_FATAL(another_does("setpin", getenv("PIN"), new));
    wait_rounds(2);
    CU_ASSERT_EQUAL(fx_open("test", new, &session), scp_err_Success);
    wait_rounds(2);
    unsigned before = rekeys ? atomic_exchange(&failed, 0) : 0;
    CU_ASSERT_EQUAL(decrypt(session), scp_err_Success);

    CU_ASSERT_EQUAL(fx_open("test", getenv("PIN"), &other), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 1); /* the old one was not sent */
    for (char c = '0'; c <= '9'; c++) {
        wrong[5] = c;
        for (int again = 0; again < 2; again++) {
            SqlCpError e = fx_open("test", wrong, &other);
            CU_ASSERT(e == scp_err_AuthFailure || e == RATIONED);
            refused += e != scp_err_Success;
        }
    }
    CU_ASSERT_EQUAL(
        proxy.get("C_Login"),
        1 + 2 * 2); /* two wrong ones, each followed by the right one to restore the login */
    CU_ASSERT_EQUAL(fx_open("test", new, &other), scp_err_Success);
    wait_rounds(4);
    end_work();

    /* The old sessions work like the new one, and each may outlive the others. */
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(decrypt(workers[i].session), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&session, 0), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&other, 0), scp_err_Success);
    CU_ASSERT_EQUAL(decrypt(workers[0].session), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(workers[0].session, rsa), scp_err_Success);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&workers[i].session, 0), scp_err_Success);
    printf("[%u operations of old sessions, %u failed", atomic_load(&done), atomic_load(&failed));
    if (rekeys)
        printf(" and %u before the new session came", before);
    printf("; %u sessions refused, %lu C_Login] ", refused, proxy.get("C_Login"));
    CU_ASSERT_EQUAL(atomic_load(&failed), 0);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

static int start(void)
{
    rekeys = strcmp(getenv("TOKEN"), "NSS Certificate DB") == 0;
    return fault_proxy_load(&proxy) && token_conf_make("log = none\npin_tries = 2\n") &&
                   SqlCryptInitializeProvider() == scp_err_Success
               ? 0
               : 1;
}

static int stop(void)
{
    SqlCpError e = SqlCryptFreeProvider();
    token_conf_remove();
    return e == scp_err_Success ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"altered_credential_taken_over", altered_credential_taken_over}, {NULL, NULL}};
    static const test_suite suite = {
        .name = "PIN change by SQL Server", .cases = cases, .start = start, .stop = stop};
    static const test_suite *const suites[] = {&suite};
    int status = 0;

    if (another_is(argc, argv, &status))
        return status;
    if (getenv("MODULE") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
