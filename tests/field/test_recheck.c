/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes that another process makes to a key take effect in a running provider within
 * key_recheck_seconds, at the cost of one more Cryptoki call for each key and period. A handle that
 * denotes another key by now is never used.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/field/recheck_fixture.h"

static void use_in_period_costs_no_call(void)
{
    size_t length = SIZE;

    begin(RECHECK);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(proxy.get(NULL), 20);
    period();
    proxy.reset();
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get(NULL), 11);
    period();
    proxy.reset();
    /* A size query makes no call. */
    SqlCpKeyThumbprint t = {FX_THUMB, rsa};
    SqlCpData out = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&session, &t, 1, NULL, 0,
                                    &(SqlCpData){(SqlCpUlong)rsa_cipher_len, rsa_cipher}, &out),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &t, 1, NULL, 0,
                                    &(SqlCpData){4, (SqlCpByte *)(uintptr_t)plain}, &out),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(proxy.get(NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(seal(aes, cell, &length), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get(NULL), 11);
    end();
}

static void recheck_off_makes_no_call(void)
{
    begin("key_recheck_seconds = 0\n");
    period();
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get(NULL), 2);
    end();
}

static void *open_much(void *arg)
{
    SqlCpError *e = arg;
    for (unsigned i = 0; i < 20 && *e == scp_err_Success; i++)
        *e = open_aes();
    return NULL;
}

static void threads_at_once_ask_once(void)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    SqlCpError results[THREADS] = {scp_err_Success};

    begin(RECHECK);
    period();
    proxy.reset();
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, open_much, &results[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
        CU_ASSERT_EQUAL(results[i], scp_err_Success);
    }
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    end();
}

static void retired_elsewhere_only_decrypts(void)
{
    fx_key info;

    begin(RECHECK);
    CU_ASSERT_TRUE(retire_outside("RK", "p11ekm-retired:2026-11-28T00:00:00Z:RK"));
    CU_ASSERT_TRUE(retire_outside("SK", "p11ekm-retired:2026-11-28T00:00:00Z:SK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(seal_aes(), USAGE);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "free name", &info), scp_err_NotFound);
    CU_ASSERT_EQUAL(log_count("free name"), 0);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "RK", &info), scp_err_NotFound);
    CU_ASSERT_EQUAL(log_count("key \"RK\" on token \"memory\" is retired since "
                              "2026-11-28T00:00:00Z; p11ekm key restore RK"),
                    1);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, rsa, &info), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is retired and still decrypts"), 1);
    CU_ASSERT_EQUAL(log_count("\"SK\" on token \"memory\" is retired and still decrypts"), 1);
    /* Decryption also continues after a new login, which searches all keys again. */
    other_close(&outside);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&session, 0), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_open("main", getenv("PIN"), &session), scp_err_Success);
    CU_ASSERT_EQUAL(tok_token_login(token, getenv("PIN"), strlen(getenv("PIN")), NULL), ST_OK);
    CU_ASSERT_TRUE_FATAL(other_open(&outside));
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "RK", &info), scp_err_NotFound);
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&session, &id), scp_err_NotFound);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    /* A restored key is usable again within the same time. */
    CU_ASSERT_TRUE(retire_outside("p11ekm-retired:2026-11-28T00:00:00Z:RK", "RK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    end();
}

static void disabled_elsewhere_refused_until_enabled(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = private_key("RK");
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_DECRYPT, false));
    /* The token refuses at once; the next use then rechecks the key. */
    CU_ASSERT_EQUAL(open_rsa(), USAGE);
    proxy.reset();
    CU_ASSERT_EQUAL(open_rsa(), USAGE);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_DecryptInit"), 0);
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_EncryptInit"), 0);
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_DECRYPT, true));
    period();
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    end();
}

/* A public object can be changed without the PIN. */
static void public_object_changes_nothing(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = other_find(&outside, CKO_PUBLIC_KEY, "RK");
    CU_ASSERT_TRUE(other_text(&outside, object, CKA_END_DATE, "20200101"));
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_VERIFY, false));
    CU_ASSERT_TRUE(other_text(&outside, object, CKA_LABEL, "p11ekm-retired:x:RK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    end();
}

static void expired_elsewhere_refuses_new_uses(void)
{
    begin(RECHECK);
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, "20200101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), EXPIRED);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is in use outside its dates"), 1);
    end();
    begin(RECHECK "expiry = deny\n");
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, "20200101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), EXPIRED);
    CU_ASSERT_EQUAL(open_rsa(), EXPIRED);
    end();
    begin(RECHECK "expiry = warn\n");
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_START_DATE, "22220101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    end();
}

static void end_in_a_month_logged_once_a_day(void)
{
    char soon[16];
    uint32_t date = core_utc_date();

    begin(RECHECK);
    (void)snprintf(soon, sizeof soon, "%08u", date);
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, soon));
    period();
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(log_count("it still decrypts"), 1);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is valid to"), 1);
    /* A listing makes new key descriptions, for which the message is not logged again. */
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&session, &id), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is valid to"), 1);
    end();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"use_in_period_costs_no_call", use_in_period_costs_no_call},
        {"recheck_off_makes_no_call", recheck_off_makes_no_call},
        {"threads_at_once_ask_once", threads_at_once_ask_once},
        {"retired_elsewhere_only_decrypts", retired_elsewhere_only_decrypts},
        {"disabled_elsewhere_refused_until_enabled", disabled_elsewhere_refused_until_enabled},
        {"public_object_changes_nothing", public_object_changes_nothing},
        {"expired_elsewhere_refuses_new_uses", expired_elsewhere_refuses_new_uses},
        {"end_in_a_month_logged_once_a_day", end_in_a_month_logged_once_a_day},
        {NULL, NULL}};
    static const test_suite suite = {.name = "recheck", .cases = cases};
    static const test_suite handles = {.name = "recheck handles", .cases = recheck_handle_cases};
    static const test_suite *const suites[] = {&suite, &handles};

    return provider_main(argc, argv, suites, 2);
}
