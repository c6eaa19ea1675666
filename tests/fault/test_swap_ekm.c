/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL Server's interface on a token that misbehaves in the ways that test_swap.c has for the room
 * below: it is exchanged for another one, uses session handles again, ends operations at a question
 * for their size, answers short, lacks a mechanism, lacks sessions, finds things twice, has codes
 * of its own, hangs.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "core/status.h"
#include "testing.h"
#include "tests/fault/counter.h"
#include "tests/unit/ekm_fixture.h"

static counter judge;
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
    const char *config = counter_config("swap.conf", "audit = none\ndrop = destroy\n");

    if (config == NULL || setenv("P11EKM_CONF", config, 1) != 0 || !counter_second_token("other") ||
        SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("other", pin, &other) != scp_err_Success ||
        fx_create(other, "swap", CORE_ALG_RSA_2048, 0, thumb) != scp_err_Success ||
        SqlCryptCloseSession(&other, 0) != scp_err_Success ||
        fx_open("main", pin, &session) != scp_err_Success ||
        fx_create(session, "swap", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_create(session, "swap-aes", CORE_ALG_AES_256, 0, aes) != scp_err_Success ||
        seal() != scp_err_Success)
        return 1;
    judge.reset();
    return setenv("P11COUNT_OTHER", "other", 1);
}

/* The fixture's own assertions need a test around them. */
static void world(void)
{
    CU_ASSERT_EQUAL_FATAL(furnish(), 0);
}

static int stop(void)
{
    judge.plan("");
    (void)SqlCryptCloseSession(&session, 0);
    (void)SqlCryptFreeProvider();
    if (judge.violations() != 0)
        fprintf(stderr, "%s\n", judge.log());
    return judge.violations() == 0 ? 0 : 1;
}

enum { WRONG_RESULT = 9999 };

/* Without the fixture, whose assertions are not for threads. */
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
    CU_ASSERT_EQUAL_FATAL(judge.plan(text), 0);
}

/* The token is not there, or its rest is not over. */
static bool is_away(SqlCpError e)
{
    return e == core_status_code(ST_TOKEN_NOT_FOUND) || e == core_status_code(ST_DEVICE) ||
           e == core_status_code(ST_DEVICE_BACKOFF);
}

static void another_token_is_in_the_slot(void)
{
    SqlCpSession late = NULL;
    fx_key key;
    uint8_t thumb[FX_THUMB];

    judge.reset();
    plan("call=* times=0 swap");
    CU_ASSERT(is_away(open_one(rsa)));
    CU_ASSERT(is_away(open_one(aes)));
    CU_ASSERT(is_away(fx_info(session, FX_BY_NAME, "swap", &key)));
    CU_ASSERT(is_away(fx_create(session, "swap-new", CORE_ALG_AES_256, 0, thumb)));
    CU_ASSERT(is_away(fx_drop(session, rsa)));
    CU_ASSERT(is_away(fx_open("main", getenv("PIN"), &late)));
    CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
    CU_ASSERT_EQUAL(judge.get("C_GenerateKey"), 0);
    CU_ASSERT_EQUAL(judge.get("C_DestroyObject"), 0);
    plan("");
    CU_ASSERT(comes_back());
}

static void swapped_at_any_moment(void)
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

static void handles_are_used_again(void)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};

    judge.reset();
    plan("reuse; call=C_DecryptInit nth=5 close; call=C_Decrypt nth=20 close; "
         "call=C_DecryptInit nth=40 times=3 close; call=C_Decrypt nth=90 close");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    CU_ASSERT(judge.get("C_OpenSession") > 0);
    plan("");
}

/* The engine asks for sizes; the token is not asked. */
static void sizes_and_short_answers(void)
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

static void codes_mechanisms_sessions(void)
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

static void a_call_hangs(void)
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
    {"world", world},
    {"another token is in the slot", another_token_is_in_the_slot},
    {"swapped at any moment", swapped_at_any_moment},
    {"handles are used again", handles_are_used_again},
    {"sizes and short answers", sizes_and_short_answers},
    {"codes, mechanisms, sessions", codes_mechanisms_sessions},
    {"a call hangs", a_call_hangs},
    {NULL, NULL},
};
static const test_suite suite_swap = {.name = "swap", .cases = cases, .stop = stop};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_swap};

    if (!counter_load(&judge) || getenv("P11EKM_SOURCE_DIR") == NULL) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
