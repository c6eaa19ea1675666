/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL Server's interface on a token that misbehaves as in test_swap.c: it is replaced by another
 * one, reuses session handles, ends operations at a size query, returns too short lengths, lacks a
 * mechanism, lacks sessions, finds objects twice, returns vendor-defined codes, hangs.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "core/status.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/unit/ekm_fixture.h"

static fault_proxy proxy;
static SqlCpSession session;
static uint8_t rsa[FX_THUMB], aes[FX_THUMB], sealed[256], cell[128];
static size_t sealed_len = sizeof sealed, cell_len = sizeof cell;
static const uint8_t plain[] = "a database encryption key, or so";

static SqlCpError seal(void)
{
    sealed_len = sizeof sealed;
    cell_len = sizeof cell;
    SqlCpError e = fx_encrypt(session, rsa, NULL, 0, plain, sizeof plain, sealed, &sealed_len);
    return e == scp_err_Success
               ? fx_encrypt(session, aes, NULL, 0, plain, sizeof plain, cell, &cell_len)
               : e;
}

static int furnish(void)
{
    SqlCpSession other = NULL;
    uint8_t thumb[FX_THUMB];
    const char *pin = getenv("PIN");
    const char *config = fault_proxy_config("swap.conf", "audit = none\ndrop = destroy\n");

    if (config == NULL || setenv("P11EKM_CONF", config, 1) != 0 ||
        !fault_proxy_second_token("other") || SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("other", pin, &other) != scp_err_Success ||
        fx_create(other, "swap", CORE_ALG_RSA_2048, 0, thumb) != scp_err_Success ||
        SqlCryptCloseSession(&other, 0) != scp_err_Success ||
        fx_open("main", pin, &session) != scp_err_Success ||
        fx_create(session, "swap", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_create(session, "swap-aes", CORE_ALG_AES_256, 0, aes) != scp_err_Success ||
        seal() != scp_err_Success)
        return 1;
    proxy.reset();
    return setenv("P11COUNT_OTHER", "other", 1);
}

/* The fixture's assertions need a running CUnit test. */
static void fixture_is_set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(furnish(), 0);
}

static int stop(void)
{
    proxy.plan("");
    (void)SqlCryptCloseSession(&session, 0);
    (void)SqlCryptFreeProvider();
    if (proxy.violations() != 0)
        fprintf(stderr, "%s\n", proxy.log());
    return proxy.violations() == 0 ? 0 : 1;
}

enum { WRONG_RESULT = 9999 };

/* Without the fixture, whose assertions are not thread-safe. */
static SqlCpError open_one(const uint8_t *thumb)
{
    uint8_t name[FX_THUMB], in[256], out[256];
    SqlCpKeyThumbprint key = {FX_THUMB, name};
    SqlCpData input = {(SqlCpUlong)(thumb == rsa ? sealed_len : cell_len), in};
    SqlCpData output = {sizeof out, out};

    memcpy(name, thumb, sizeof name);
    memcpy(in, thumb == rsa ? sealed : cell, input.cb);
    SqlCpError e = SqlCryptDecrypt(&session, &key, 1, NULL, 0, &input, &output);
    bool right = output.cb == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return e == scp_err_Success && !right ? (SqlCpError)WRONG_RESULT : e;
}

static bool comes_back(void)
{
    uint64_t until = core_now_us() + 4000000;
    while (open_one(rsa) != scp_err_Success || open_one(aes) != scp_err_Success) {
        if (core_now_us() > until)
            return false;
        core_sleep_ms(20);
    }
    return true;
}

static void plan(const char *text)
{
    CU_ASSERT_EQUAL_FATAL(proxy.plan(text), 0);
}

/* The token is away, or its back-off has not expired. */
static bool is_away(SqlCpError e)
{
    return e == core_status_code(ST_TOKEN_NOT_FOUND) || e == core_status_code(ST_DEVICE) ||
           e == core_status_code(ST_DEVICE_BACKOFF);
}

static void other_token_in_slot_not_used(void)
{
    SqlCpSession late = NULL;
    fx_key key;
    uint8_t thumb[FX_THUMB];

    proxy.reset();
    plan("call=* times=0 swap");
    CU_ASSERT(is_away(open_one(rsa)));
    CU_ASSERT(is_away(open_one(aes)));
    CU_ASSERT(is_away(fx_info(session, FX_BY_NAME, "swap", &key)));
    CU_ASSERT(is_away(fx_create(session, "swap-new", CORE_ALG_AES_256, 0, thumb)));
    CU_ASSERT(is_away(fx_drop(session, rsa)));
    CU_ASSERT(is_away(fx_open("main", getenv("PIN"), &late)));
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
    CU_ASSERT_EQUAL(proxy.get("C_GenerateKey"), 0);
    CU_ASSERT_EQUAL(proxy.get("C_DestroyObject"), 0);
    plan("");
    CU_ASSERT(comes_back());
}

static void swap_at_any_call_recovered(void)
{
    char text[64];

    for (unsigned nth = 1; nth <= 14; nth++) {
        (void)snprintf(text, sizeof text, "call=* nth=%u times=0 swap", nth);
        plan(text);
        for (int i = 0; i < 4; i++) {
            SqlCpError e = open_one(i % 2 != 0 ? aes : rsa);
            CU_ASSERT(e == scp_err_Success || is_away(e));
        }
        plan("");
        CU_ASSERT(comes_back());
    }
}

static void *work(void *wrong)
{
    for (int i = 0; i < 40; i++)
        *(unsigned *)wrong += open_one(i % 2 != 0 ? aes : rsa) != scp_err_Success;
    return NULL;
}

static void reused_handles_recovered(void)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};

    proxy.reset();
    plan("reuse; call=C_DecryptInit nth=5 close; call=C_Decrypt nth=20 close; "
         "call=C_DecryptInit nth=40 times=3 close; call=C_Decrypt nth=90 close");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    CU_ASSERT(proxy.get("C_OpenSession") > 0);
    plan("");
}

/* The engine asks for sizes; that causes no call of the token. */
static void size_query_makes_no_call(void)
{
    plan("call=* times=0 consume");
    CU_ASSERT_EQUAL(seal(), scp_err_Success);
    CU_ASSERT_EQUAL(open_one(rsa), scp_err_Success);
    CU_ASSERT_EQUAL(open_one(aes), scp_err_Success);
    plan("call=C_Encrypt times=0 short=1");
    CU_ASSERT_EQUAL(seal(), core_status_code(ST_DEVICE));
    plan("call=C_Encrypt nth=2 times=0 length=40");
    CU_ASSERT_NOT_EQUAL(seal(), scp_err_Success);
    plan("");
    core_sleep_ms(300);
    CU_ASSERT_EQUAL(seal(), scp_err_Success);
    CU_ASSERT(comes_back());
}

static void codes_mechanisms_sessions_reported(void)
{
    uint8_t thumb[FX_THUMB];
    fx_key key;

    plan("call=C_DecryptInit rv=0x8000001a");
    CU_ASSERT_EQUAL(open_one(rsa), scp_err_Success);
    plan("call=* mechanism=0x9 times=0 absent");
    CU_ASSERT_EQUAL(open_one(rsa), core_status_code(ST_MECHANISM));
    plan("call=* mechanism=0x1080 times=0 absent");
    CU_ASSERT_EQUAL(fx_create(session, "swap-none", CORE_ALG_AES_128, 0, thumb),
                    core_status_code(ST_MECHANISM));
    plan("call=C_OpenSession times=0 rv=0xb1; call=C_DecryptInit close");
    SqlCpError e = open_one(rsa);
    CU_ASSERT(is_away(e) || e == core_status_code(ST_TOKEN_FULL));
    plan("");
    CU_ASSERT(comes_back());
    plan("call=C_FindObjects times=0 twice");
    e = fx_info(session, FX_BY_NAME, "swap", &key);
    CU_ASSERT(e == core_status_code(ST_KEY_AMBIGUOUS) ||
              (e == scp_err_Success && memcmp(key.thumb, rsa, FX_THUMB) == 0));
    plan("");
}

static void *open_apart(void *out)
{
    *(SqlCpError *)out = open_one(rsa);
    return NULL;
}

static void hanging_call_blocks_no_other(void)
{
    pthread_t thread;
    SqlCpError apart = scp_err_Failure;

    plan("call=C_Decrypt hang");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, open_apart, &apart), 0);
    core_sleep_ms(200);
    for (int i = 0; i < 10; i++) {
        uint64_t from = core_now_us();
        CU_ASSERT_EQUAL(open_one(i % 2 != 0 ? aes : rsa), scp_err_Success);
        CU_ASSERT(core_now_us() - from < 1000000);
    }
    CU_ASSERT_EQUAL(apart, scp_err_Failure);
    plan("");
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(apart, scp_err_Success);
}

static const test_case cases[] = {
    {"fixture_is_set_up", fixture_is_set_up},
    {"other_token_in_slot_not_used", other_token_in_slot_not_used},
    {"swap_at_any_call_recovered", swap_at_any_call_recovered},
    {"reused_handles_recovered", reused_handles_recovered},
    {"size_query_makes_no_call", size_query_makes_no_call},
    {"codes_mechanisms_sessions_reported", codes_mechanisms_sessions_reported},
    {"hanging_call_blocks_no_other", hanging_call_blocks_no_other},
    {NULL, NULL},
};
static const test_suite suite_swap = {.name = "swap", .cases = cases, .stop = stop};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_swap};

    if (!fault_proxy_load(&proxy) || getenv("P11EKM_SOURCE_DIR") == NULL) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
