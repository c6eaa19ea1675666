/* SPDX-License-Identifier: Apache-2.0
 *
 * Life cycle, provider information, algorithms, sessions and handles.
 */
#include <string.h>
#include "core/text.h"
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

static void test_life_cycle_repeats(void)
{
    fake_reset(NULL);
    for (int n = 0; n < 1000; n++) {
        SqlCpSession s = NULL;
        CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), scp_err_Success);
        CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(fake_live(), 0);
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 0), scp_err_ProviderError);
    }
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_context_open), 1000);
    CU_ASSERT_EQUAL(fake_misuses(), 0);
}

static void test_session_does_not_survive_free(void)
{
    SqlCpSession s = fx_begin(NULL);
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_AuthFailure);
    fx_end();
}

static void test_initialise_reports_the_cause(void)
{
    fake_reset(NULL);
    fake_fail(FAKE_tok_context_open, ST_CONFIG_MISSING, 1);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), 2049);
    SqlCpProviderInfo info = {0};
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_ProviderError);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    fx_end();
}

static void test_provider_info(void)
{
    fx_begin(NULL);
    SqlCpProviderInfo info;
    memset(&info, 0xA5, sizeof info);
    info.name.cb = 0;
    info.name.ws = NULL;
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(info.name.cb, 54);
    CU_ASSERT_PTR_NULL(info.name.ws);
    CU_ASSERT_EQUAL(info.cbKeyThumbLen, 0xA5A5A5A5);
    SqlCpWchar name[40];
    info.name.ws = name;
    info.name.cb = 53;
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(info.name.cb, 54);
    info.name.cb = sizeof name;
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_Success);
    CU_ASSERT_EQUAL(info.name.cb, 54);
    CU_ASSERT_PTR_EQUAL(info.name.ws, name);
    char text[64];
    CU_ASSERT_EQUAL(core_utf16_to_utf8(name, info.name.cb, text, sizeof text), ST_OK);
    CU_ASSERT_STRING_EQUAL(text, "p11ekm PKCS#11 EKM provider");

    /* Every byte except the name is known, including padding. */
    SqlCpProviderInfo want;
    memset(&want, 0, sizeof want);
    want.name = info.name;
    want.guid =
        (SqlCpGuid){0x7807b56f, 0x373f, 0x4954, {0xaa, 0x47, 0x32, 0x8a, 0x7a, 0x04, 0xc9, 0x70}};
    want.version.major = P11EKM_VERSION_MAJOR;
    want.version.minor = P11EKM_VERSION_MINOR;
    want.version.build = P11EKM_VERSION_PATCH;
    want.scpVersion.major = 1;
    want.scpVersion.minor = 1;
    want.authType = scp_auth_Basic;
    want.symmKeySupport = scp_kf_Supported | scp_kf_Volatile | scp_kf_Exportable;
    want.asymmKeySupport = want.symmKeySupport;
    want.cbKeyThumbLen = 16;
    want.fAcceptsKeyName = 1;
    /* Byte by byte, from the end of the string's own padding. */
    size_t from = offsetof(SqlCpProviderInfo, guid);
    CU_ASSERT(memcmp((uint8_t *)&info + from, (uint8_t *)&want + from, sizeof info - from) == 0);
    CU_ASSERT_EQUAL(fake_calls_all() - fake_calls(FAKE_tok_context_open) -
                        fake_calls(FAKE_tok_token_find) - fake_calls(FAKE_tok_token_login),
                    0);
    fx_end();
}

typedef struct expected_algorithm {
    const char *tag;
    SqlCpKeyType type;
    unsigned bits, iv;
} expected_algorithm;

static void check_algorithm(SqlCpAlgId id, const expected_algorithm *want)
{
    SqlCpWchar tag[60];
    SqlCpAlgorithmInfo info = {0};
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(id, &info), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(info.algTag.cb, 2 * strlen(want->tag));
    CU_ASSERT_EQUAL(info.algId, 0);
    info.algTag.ws = tag;
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(id, &info), scp_err_Success);
    char text[60];
    CU_ASSERT_EQUAL(core_utf16_to_utf8(tag, info.algTag.cb, text, sizeof text), ST_OK);
    CU_ASSERT_STRING_EQUAL(text, want->tag);
    CU_ASSERT_EQUAL(info.algId, id);
    CU_ASSERT_EQUAL(info.type, want->type);
    CU_ASSERT_EQUAL(info.bitLen, want->bits);
    CU_ASSERT_EQUAL(info.ivLen, want->iv);
}

static void test_algorithms(void)
{
    static const expected_algorithm want[] = {
        {"RSA_2048", scp_kt_Asymmetric, 2048, 0},      {"RSA_3072", scp_kt_Asymmetric, 3072, 0},
        {"RSA_4096", scp_kt_Asymmetric, 4096, 0},      {"AES_128", scp_kt_Symmetric, 128, 128},
        {"AES_192", scp_kt_Symmetric, 192, 128},       {"AES_256", scp_kt_Symmetric, 256, 128},
        {"TRIPLE_DES_3KEY", scp_kt_Symmetric, 192, 64}};
    fx_begin(FAKE_CONFIG "algorithms = RSA_2048,RSA_3072,RSA_4096,AES_128,AES_192,AES_256,"
                         "TRIPLE_DES_3KEY\n" FAKE_ALIAS);
    SqlCpAlgId id = 0;
    for (unsigned n = 0; n < 7; n++) {
        CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_Success);
        CU_ASSERT_EQUAL(id, n + 1);
        check_algorithm(id, &want[n]);
    }
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_NotFound);
    CU_ASSERT_EQUAL(id, 7);
    id = UINT32_MAX;
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_NotFound);
    SqlCpAlgorithmInfo info = {0};
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(0, &info), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(fx_alg(CORE_ALG_RSA_1024), &info),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(9, &info), scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(UINT32_MAX, &info), scp_err_NotSupported);
    fx_end();
}

static void test_algorithms_by_policy(void)
{
    SqlCpSession s = fx_begin(FAKE_CONFIG "algorithms = RSA_3072,AES_256\n" FAKE_ALIAS);
    SqlCpAlgId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_Success);
    CU_ASSERT_EQUAL(id, fx_alg(CORE_ALG_RSA_3072));
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_Success);
    CU_ASSERT_EQUAL(id, fx_alg(CORE_ALG_AES_256));
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&id), scp_err_NotFound);
    uint8_t thumb[FX_THUMB];
    fx_key key;
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), scp_err_NotSupported);
    /* An existing key of an unknown algorithm counts as absent. */
    fake_put_key("foreign", CORE_ALG_RSA_2048, thumb);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "foreign", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_NotFound);
    SqlCpKeyId kid = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &kid), scp_err_NotFound);
    fx_end();
}

static void test_credentials(void)
{
    SqlCpSession s = fx_begin(NULL);
    SqlCpSession other = (void *)1;
    CU_ASSERT_EQUAL(fx_open("fake token", "1234", &other), scp_err_Success);
    CU_ASSERT_PTR_NOT_EQUAL(s, other);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&other, 0), scp_err_Success);
    CU_ASSERT_EQUAL(fx_open("alpha", "12345", &other), scp_err_AuthFailure);
    CU_ASSERT_PTR_NULL(other);
    CU_ASSERT_EQUAL(fx_open("alpha", "", &other), 2065);
    CU_ASSERT_EQUAL(fx_open("beta", "1234", &other), 2054);
    CU_ASSERT_EQUAL(fx_open("", "1234", &other), scp_err_InvalidArgument);
    /* A lone surrogate is not valid text and cannot be a PIN. */
    fx_text name;
    SqlCpWchar lone[] = {0xD800, '1'};
    SqlCpCredential credential = {*fx_str(&name, "alpha"), {sizeof lone, lone}};
    CU_ASSERT_EQUAL(SqlCryptOpenSession(&credential, &other), scp_err_AuthFailure);
    credential.name = credential.password;
    CU_ASSERT_EQUAL(SqlCryptOpenSession(&credential, &other), scp_err_InvalidArgument);
    fx_end();
}

static void test_handles(void)
{
    SqlCpSession s = fx_begin(NULL);
    SqlCpKeyId id = 0;
    uint64_t value = (uintptr_t)s;
    SqlCpSession copy = s;
    for (unsigned bit = 0; bit < 64; bit++) {
        SqlCpSession wrong = (SqlCpSession)(uintptr_t)(value ^ (UINT64_C(1) << bit));
        CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&wrong, &id), scp_err_AuthFailure);
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&wrong, 0), scp_err_AuthFailure);
    }
    SqlCpSession pointer = &id;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&pointer, &id), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 1), scp_err_Success);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 0), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&copy, 0), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&copy, &id), scp_err_AuthFailure);
    /* The next session reuses the table entry, not the handle. */
    for (unsigned n = 0; n < 200; n++) {
        CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), scp_err_Success);
        CU_ASSERT_PTR_NOT_EQUAL(s, copy);
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 0), scp_err_Success);
    }
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&copy, &id), scp_err_AuthFailure);
    fx_end();
}

static void test_many_sessions(void)
{
    enum { MANY = 3000 };
    static SqlCpSession sessions[MANY];
    fx_begin(NULL);
    for (int n = 0; n < MANY; n++)
        CU_ASSERT_EQUAL_FATAL(fx_open("alpha", "1234", &sessions[n]), scp_err_Success);
    SqlCpKeyId id = 0;
    for (int n = 0; n < MANY; n++)
        CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&sessions[n], &id), scp_err_NotFound);
    for (int n = 0; n < MANY; n += 2)
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&sessions[n], 0), scp_err_Success);
    fx_end();
}

static void test_waits_for_a_late_token(void)
{
    SqlCpSession s = NULL;
    fake_reset("module = /usr/lib/fake.so\nlog = none\naudit = none\nstartup_tries = 3\n"
               "startup_interval_seconds = 1\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    fake_fail(FAKE_tok_token_find, ST_TOKEN_NOT_FOUND, 2);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), scp_err_Success);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_find), 3);
    /* The start-up wait is over: an absence is now reported at once. */
    fake_fail(FAKE_tok_token_find, ST_DEVICE, 1);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), 2056);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_find), 4);
    /* A misspelled name or a wrong PIN causes no wait. */
    CU_ASSERT_EQUAL(fx_open("aplha", "1234", &s), 2054);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_find), 5);
    CU_ASSERT_EQUAL(fx_open("fake token", "4321", &s), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_find), 6);
    fx_end();
}

static void test_wait_is_bounded(void)
{
    SqlCpSession s = NULL;
    fake_reset("module = /usr/lib/fake.so\nlog = none\naudit = none\nstartup_tries = 2\n"
               "startup_interval_seconds = 1\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    fake_fail(FAKE_tok_token_login, ST_DEVICE_BACKOFF, 0);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), 2057);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_login), 2);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), 2057);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_token_login), 3);
    fake_fail(FAKE_tok_token_login, ST_OK, 0);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &s), scp_err_Success);
    fx_end();
}

void add_session_suite(void)
{
    CU_pSuite suite = CU_add_suite("sessions", NULL, NULL);
    CU_ADD_TEST(suite, test_life_cycle_repeats);
    CU_ADD_TEST(suite, test_session_does_not_survive_free);
    CU_ADD_TEST(suite, test_initialise_reports_the_cause);
    CU_ADD_TEST(suite, test_provider_info);
    CU_ADD_TEST(suite, test_algorithms);
    CU_ADD_TEST(suite, test_algorithms_by_policy);
    CU_ADD_TEST(suite, test_credentials);
    CU_ADD_TEST(suite, test_handles);
    CU_ADD_TEST(suite, test_many_sessions);
    CU_ADD_TEST(suite, test_waits_for_a_late_token);
    CU_ADD_TEST(suite, test_wait_is_bounded);
}
