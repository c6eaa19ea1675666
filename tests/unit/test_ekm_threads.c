/* SPDX-License-Identifier: Apache-2.0
 *
 * Many threads at once: mixed work in several sessions, sessions closed and the provider freed
 * during the work, and Free during the wait for a late token. The sanitizers' findings matter as
 * much as the assertions. CUnit is not thread-safe: threads count, the test asserts.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "core/platform.h"
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

enum { THREADS = 16, ROUNDS = 150 };

static SqlCpSession shared;
static uint8_t rsa[FX_THUMB];
static uint8_t aes[FX_THUMB];
static atomic_uint wrong;
static atomic_bool stop;

static void expect(SqlCpError got, SqlCpError want)
{
    if (got != want)
        atomic_fetch_add(&wrong, 1);
}

/* Encrypts and decrypts without the fixture's assertions. */
static SqlCpError round_trip(SqlCpSession s, uint8_t *key, uint8_t seed)
{
    uint8_t plain[32];
    uint8_t cipher[256];
    uint8_t back[256];
    memset(plain, seed, sizeof plain);
    SqlCpKeyThumbprint thumb = {FX_THUMB, key};
    SqlCpData in = {sizeof plain, plain};
    SqlCpData out = {sizeof cipher, cipher};
    SqlCpError e = SqlCryptEncrypt(&s, &thumb, 1, NULL, 0, &in, &out);
    if (e != scp_err_Success)
        return e;
    SqlCpData result = {sizeof back, back};
    e = SqlCryptDecrypt(&s, &thumb, 1, NULL, 0, &out, &result);
    if (e == scp_err_Success)
        expect(result.cb == sizeof plain && memcmp(back, plain, sizeof plain) == 0, 1);
    return e;
}

static SqlCpError open_quietly(SqlCpSession *out)
{
    SqlCpWchar name[] = {'a', 'l', 'p', 'h', 'a'};
    SqlCpWchar pin[] = {'1', '2', '3', '4'};
    SqlCpCredential credential = {{sizeof name, name}, {sizeof pin, pin}};
    return SqlCryptOpenSession(&credential, out);
}

static SqlCpError create_quietly(SqlCpSession s, unsigned number, SqlCpKeyFlags flags,
                                 uint8_t thumb[FX_THUMB])
{
    SqlCpWchar text[3] = {'#', (SqlCpWchar)(0x4E00 + number), 'k'};
    SqlCpStr name = {sizeof text, text};
    SqlCpKeyThumbprint out = {FX_THUMB, thumb};
    return SqlCryptCreateKey(&s, &name, fx_alg(CORE_ALG_AES_256), flags, &out);
}

static void *mixed_work(void *arg)
{
    unsigned me = *(unsigned *)arg;
    for (unsigned n = 0; n < ROUNDS; n++) {
        SqlCpSession s = NULL;
        uint8_t made[FX_THUMB];
        SqlCpKeyId id = 0;
        expect(open_quietly(&s), scp_err_Success);
        expect(round_trip(s, rsa, (uint8_t)n), scp_err_Success);
        expect(round_trip(shared, aes, (uint8_t)me), scp_err_Success);
        expect(create_quietly(s, me, scp_kf_Volatile, made), scp_err_Success);
        expect(round_trip(s, made, 7), scp_err_Success);
        expect(round_trip(shared, made, 7), scp_err_NotFound);
        expect(create_quietly(shared, me, scp_kf_Volatile, made), scp_err_Success);
        expect(SqlCryptGetNextKeyId(&shared, &id), scp_err_Success);
        SqlCpKeyThumbprint thumb = {FX_THUMB, made};
        expect(SqlCryptDropKey(&shared, &thumb), scp_err_Success);
        expect(SqlCryptCloseSession(&s, 0), scp_err_Success);
    }
    return NULL;
}

static void run(void *(*function)(void *), unsigned count)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned n = 0; n < count; n++) {
        numbers[n] = n;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[n], NULL, function, &numbers[n]), 0);
    }
    for (unsigned n = 0; n < count; n++)
        pthread_join(threads[n], NULL);
}

static void begin(void)
{
    shared = fx_begin(NULL);
    fake_put_key("rsa", CORE_ALG_RSA_2048, rsa);
    fake_put_key("aes", CORE_ALG_AES_256, aes);
    atomic_store(&wrong, 0);
    atomic_store(&stop, false);
}

static void test_mixed_work(void)
{
    begin();
    run(mixed_work, THREADS);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    fx_end();
}

/* Each result must be possible at that moment. */
static void allow(SqlCpError e)
{
    if (e != scp_err_Success && e != scp_err_ProviderError && e != scp_err_AuthFailure)
        atomic_fetch_add(&wrong, 1);
}

static void *restless_work(void *arg)
{
    unsigned me = *(unsigned *)arg;
    if (me == 0) {
        for (unsigned n = 0; n < 60; n++) {
            expect(SqlCryptFreeProvider(), scp_err_Success);
            expect(SqlCryptInitializeProvider(), scp_err_Success);
            core_sleep_ms(1);
        }
        atomic_store(&stop, true);
        return NULL;
    }
    while (!atomic_load(&stop)) {
        SqlCpSession s = NULL;
        uint8_t made[FX_THUMB];
        allow(open_quietly(&s));
        allow(round_trip(s, rsa, 1));
        allow(create_quietly(s, me, scp_kf_Volatile, made));
        if (me % 2)
            allow(SqlCryptCloseSession(&s, 1));
        if (me == 2)
            allow(SqlCryptInitializeProvider());
    }
    return NULL;
}

static void test_free_under_work(void)
{
    begin();
    run(restless_work, 8);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    fx_end();
}

typedef struct one_call {
    SqlCpSession session;
    SqlCpError result;
    atomic_bool done;
} one_call;

static void *one_decrypt(void *arg)
{
    one_call *call = arg;
    call->result = round_trip(call->session, rsa, 9);
    atomic_store(&call->done, true);
    return NULL;
}

static void *one_open(void *arg)
{
    one_call *call = arg;
    call->result = open_quietly(&call->session);
    atomic_store(&call->done, true);
    return NULL;
}

static void test_close_during_a_call(void)
{
    begin();
    one_call call = {0};
    pthread_t thread;
    CU_ASSERT_EQUAL(open_quietly(&call.session), scp_err_Success);
    SqlCpSession closing = call.session;
    fake_delay_ms(300);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, one_decrypt, &call), 0);
    while (fake_calls(FAKE_tok_decrypt) == 0)
        core_sleep_ms(1);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&closing, 1), scp_err_Success);
    CU_ASSERT_FALSE(atomic_load(&call.done));
    CU_ASSERT_EQUAL(round_trip(call.session, rsa, 1), scp_err_AuthFailure);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(call.result, scp_err_Success);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    fx_end();
}

static void test_free_waits_for_calls(void)
{
    begin();
    one_call call = {.session = shared};
    pthread_t thread;
    fake_delay_ms(300);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, one_decrypt, &call), 0);
    while (fake_calls(FAKE_tok_decrypt) == 0)
        core_sleep_ms(1);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(fake_live(), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(call.result, scp_err_Success);
    CU_ASSERT_EQUAL(fake_misuses(), 0);
}

static void test_free_ends_the_wait_for_a_token(void)
{
    one_call call = {0};
    pthread_t thread;
    fake_reset("module = /usr/lib/fake.so\nlog = none\naudit = none\nstartup_tries = 100\n"
               "startup_interval_seconds = 60\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    fake_fail(FAKE_tok_token_find, ST_DEVICE, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, one_open, &call), 0);
    while (fake_calls(FAKE_tok_token_find) == 0)
        core_sleep_ms(1);
    core_sleep_ms(50);
    uint64_t before = core_now_us();
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT(core_now_us() - before < 5000000);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(call.result, 2056);
    CU_ASSERT_EQUAL(fake_live(), 0);
}

void add_thread_suite(void)
{
    CU_pSuite suite = CU_add_suite("threads", NULL, NULL);
    CU_ADD_TEST(suite, test_mixed_work);
    CU_ADD_TEST(suite, test_free_under_work);
    CU_ADD_TEST(suite, test_close_during_a_call);
    CU_ADD_TEST(suite, test_free_waits_for_calls);
    CU_ADD_TEST(suite, test_free_ends_the_wait_for_a_token);
}
