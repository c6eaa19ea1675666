/* SPDX-License-Identifier: Apache-2.0
 *
 * Invalid calls: NULL, short, odd, huge and stale arguments of every function. Each must be an
 * error, change nothing on the token, and leave the provider usable.
 */
#include <string.h>
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

static SqlCpSession session;
static uint8_t rsa[FX_THUMB];
static uint8_t bytes[600];
static SqlCpWchar wide[300] = {'k'};

static void begin(void)
{
    session = fx_begin(NULL);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "rsa", CORE_ALG_RSA_2048, 0, rsa), scp_err_Success);
}

static SqlCpKeyThumbprint thumb_of(SqlCpUlong cb)
{
    return (SqlCpKeyThumbprint){cb, rsa};
}

static void test_before_initialise(void)
{
    fake_reset(NULL);
    SqlCpSession s = bytes;
    SqlCpStr name = {2, wide};
    SqlCpCredential credential = {name, name};
    SqlCpKeyThumbprint thumb = {16, rsa};
    SqlCpData data = {16, bytes};
    SqlCpKeyInfo info = {0};
    SqlCpAlgorithmInfo algorithm = {0};
    SqlCpProviderInfo provider = {0};
    SqlCpKeyId id = 0;
    const SqlCpError all[] = {
        SqlCryptOpenSession(&credential, &s),
        SqlCryptCloseSession(&s, 0),
        SqlCryptGetProviderInfo(&provider),
        SqlCryptGetNextAlgorithmId(&id),
        SqlCryptGetAlgorithmInfo(1, &algorithm),
        SqlCryptCreateKey(&s, &name, 1, 0, &thumb),
        SqlCryptDropKey(&s, &thumb),
        SqlCryptGetNextKeyId(&s, &id),
        SqlCryptGetKeyInfoByKeyId(&s, 1, &info),
        SqlCryptGetKeyInfoByThumb(&s, &thumb, &info),
        SqlCryptGetKeyInfoByName(&s, &name, &info),
        SqlCryptExportKey(&s, &thumb, NULL, scp_kb_PublicKeyBlob, &data),
        SqlCryptImportKey(&s, &name, NULL, scp_kb_PublicKeyBlob, 0, &data),
        SqlCryptEncrypt(&s, &thumb, 1, NULL, 0, &data, &data),
        SqlCryptDecrypt(&s, &thumb, 1, NULL, 0, &data, &data),
    };
    for (size_t n = 0; n < sizeof all / sizeof *all; n++)
        CU_ASSERT_EQUAL(all[n], scp_err_ProviderError);
    CU_ASSERT_EQUAL(fake_calls_all(), 0);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
}

/* The ten functions in a session, with all other arguments right. */
static void call_all(const SqlCpSession *s, SqlCpError out[10])
{
    SqlCpStr name = {2, wide};
    SqlCpKeyThumbprint thumb = thumb_of(16);
    uint8_t room[16];
    SqlCpKeyThumbprint made = {16, room};
    SqlCpData data = {16, bytes};
    SqlCpKeyInfo info = {0};
    SqlCpKeyId id = 0;
    SqlCpError all[10] = {
        SqlCryptCreateKey(s, &name, 4, 0, &made),
        SqlCryptDropKey(s, &thumb),
        SqlCryptGetNextKeyId(s, &id),
        SqlCryptGetKeyInfoByKeyId(s, 1, &info),
        SqlCryptGetKeyInfoByThumb(s, &thumb, &info),
        SqlCryptGetKeyInfoByName(s, &name, &info),
        SqlCryptExportKey(s, &thumb, NULL, scp_kb_PublicKeyBlob, &data),
        SqlCryptImportKey(s, &name, NULL, scp_kb_PublicKeyBlob, 0, &data),
        SqlCryptEncrypt(s, &thumb, 1, NULL, 0, &data, &data),
        SqlCryptDecrypt(s, &thumb, 1, NULL, 0, &data, &data),
    };
    memcpy(out, all, sizeof all);
}

static void test_sessions(void)
{
    begin();
    uint64_t before = fake_state();
    SqlCpError got[10];
    SqlCpSession closed = NULL;
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &closed), scp_err_Success);
    SqlCpSession stale = closed;
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&closed, 0), scp_err_Success);
    SqlCpSession wrong[] = {NULL, stale, (SqlCpSession)(uintptr_t)1, (SqlCpSession)UINTPTR_MAX,
                            bytes};
    call_all(NULL, got);
    for (unsigned n = 0; n < 10; n++)
        CU_ASSERT_EQUAL(got[n], scp_err_InvalidArgument);
    for (unsigned w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        call_all(&wrong[w], got);
        for (unsigned n = 0; n < 10; n++)
            CU_ASSERT_EQUAL(got[n], scp_err_AuthFailure);
        CU_ASSERT_EQUAL(SqlCryptCloseSession(&wrong[w], 0), scp_err_AuthFailure);
    }
    CU_ASSERT_EQUAL(SqlCryptCloseSession(NULL, 0), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fake_state(), before);
    fx_end();
}

static void test_null(void)
{
    begin();
    SqlCpStr name = {2, wide};
    SqlCpKeyThumbprint thumb = thumb_of(16);
    SqlCpData data = {16, bytes};
    SqlCpKeyInfo info = {0};
    SqlCpKeyId id = 0;
    const SqlCpSession *s = &session;
    unsigned calls = fake_calls_all();
    const SqlCpError all[] = {
        SqlCryptOpenSession(NULL, &session),
        SqlCryptGetProviderInfo(NULL),
        SqlCryptGetNextAlgorithmId(NULL),
        SqlCryptGetAlgorithmInfo(1, NULL),
        SqlCryptGetNextKeyId(s, NULL),
        SqlCryptImportKey(s, NULL, NULL, scp_kb_PublicKeyBlob, 0, &data),
    };
    /* OpenSession sets its output to no session even then. */
    CU_ASSERT_PTR_NULL(session);
    for (size_t n = 0; n < sizeof all / sizeof *all - 2; n++)
        CU_ASSERT_EQUAL(all[n], scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &session), scp_err_Success);
    const SqlCpError more[] = {
        SqlCryptCreateKey(s, NULL, 1, 0, &thumb),
        SqlCryptCreateKey(s, &name, 1, 0, NULL),
        SqlCryptDropKey(s, NULL),
        SqlCryptGetNextKeyId(s, NULL),
        SqlCryptGetKeyInfoByThumb(s, NULL, &info),
        SqlCryptGetKeyInfoByThumb(s, &thumb, NULL),
        SqlCryptGetKeyInfoByName(s, NULL, &info),
        SqlCryptGetKeyInfoByKeyId(s, 0, &info),
        SqlCryptExportKey(s, NULL, NULL, scp_kb_PublicKeyBlob, &data),
        SqlCryptExportKey(s, &thumb, NULL, scp_kb_PublicKeyBlob, NULL),
        SqlCryptImportKey(s, NULL, NULL, scp_kb_PublicKeyBlob, 0, &data),
        SqlCryptImportKey(s, &name, NULL, scp_kb_PublicKeyBlob, 0, NULL),
        SqlCryptEncrypt(s, NULL, 1, NULL, 0, &data, &data),
        SqlCryptEncrypt(s, &thumb, 1, NULL, 0, NULL, &data),
        SqlCryptEncrypt(s, &thumb, 1, NULL, 0, &data, NULL),
        SqlCryptDecrypt(s, NULL, 1, NULL, 0, &data, &data),
        SqlCryptDecrypt(s, &thumb, 1, NULL, 0, NULL, &data),
        SqlCryptDecrypt(s, &thumb, 1, NULL, 0, &data, NULL),
    };
    for (size_t n = 0; n < sizeof more / sizeof *more; n++)
        CU_ASSERT_EQUAL(more[n], scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(s, &id), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptGetKeyInfoByKeyId(s, id, NULL), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), 1);
    CU_ASSERT(fake_calls_all() > calls);
    fx_end();
}

/* Strings: NULL with a length, odd, too long, not text. */
static void test_strings(void)
{
    begin();
    SqlCpWchar lone[] = {'a', 0xDC00};
    SqlCpWchar nul[] = {'a', 0, 'b'};
    SqlCpStr wrong[] = {{2, NULL},           {1, wide},
                        {513, wide},         {514, wide},
                        {UINT32_MAX, wide},  {0x80000000U, wide},
                        {sizeof lone, lone}, {sizeof nul, nul},
                        {0, NULL},           {0, wide}};
    uint8_t room[16];
    SqlCpKeyThumbprint thumb = {16, room};
    SqlCpKeyInfo info = {0};
    SqlCpStr right = {8, NULL};
    for (unsigned n = 0; n < sizeof wrong / sizeof *wrong; n++) {
        CU_ASSERT_EQUAL(SqlCryptCreateKey(&session, &wrong[n], 4, 0, &thumb),
                        scp_err_InvalidArgument);
        CU_ASSERT_EQUAL(SqlCryptGetKeyInfoByName(&session, &wrong[n], &info),
                        scp_err_InvalidArgument);
        fx_text text;
        right = *fx_str(&text, "1234");
        SqlCpSession s;
        SqlCpCredential credential = {wrong[n], right};
        CU_ASSERT_EQUAL(SqlCryptOpenSession(&credential, &s), scp_err_InvalidArgument);
        credential = (SqlCpCredential){*fx_str(&text, "alpha"), wrong[n]};
        SqlCpError e = SqlCryptOpenSession(&credential, &s);
        CU_ASSERT(e == scp_err_InvalidArgument || e == scp_err_AuthFailure || e == 2065);
    }
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), 1);
    fx_end();
}

static void test_thumbprints(void)
{
    begin();
    uint64_t before = fake_state();
    static const SqlCpUlong lengths[] = {0, 1, 15, 17, 32, 33, 0x80000000U, UINT32_MAX};
    SqlCpKeyInfo info = {0};
    SqlCpData data = {16, bytes};
    for (unsigned n = 0; n <= sizeof lengths / sizeof *lengths; n++) {
        bool null = n == sizeof lengths / sizeof *lengths;
        SqlCpKeyThumbprint t = {null ? 16 : lengths[n], null ? NULL : bytes};
        CU_ASSERT_EQUAL(SqlCryptDropKey(&session, &t), scp_err_InvalidArgument);
        CU_ASSERT_EQUAL(SqlCryptGetKeyInfoByThumb(&session, &t, &info), scp_err_InvalidArgument);
        CU_ASSERT_EQUAL(SqlCryptExportKey(&session, &t, NULL, scp_kb_PublicKeyBlob, &data),
                        scp_err_InvalidArgument);
        CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &t, 1, NULL, 0, &data, &data),
                        scp_err_InvalidArgument);
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&session, &t, 1, NULL, 0, &data, &data),
                        scp_err_InvalidArgument);
    }
    SqlCpKeyThumbprint unknown = {16, bytes};
    CU_ASSERT_EQUAL(SqlCryptDropKey(&session, &unknown), scp_err_NotFound);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &unknown, 1, NULL, 0, &data, &data),
                    scp_err_NotFound);
    CU_ASSERT_EQUAL(fake_state(), before);
    fx_end();
}

static void test_import(void)
{
    begin();
    SqlCpStr name = {2, wide};
    SqlCpData blob = {16, bytes};
    SqlCpKeyThumbprint decryptor = {33, bytes};
    SqlCpKeyThumbprint hollow = {16, NULL};
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, &decryptor, scp_kb_SimpleBlob, 0, &blob),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, &hollow, scp_kb_SimpleBlob, 0, &blob),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, NULL, (SqlCpKeyBlobType)2, 0, &blob),
                    scp_err_InvalidArgument);
    blob.cb = 2049;
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, NULL, scp_kb_SimpleBlob, 0, &blob),
                    scp_err_InvalidArgument);
    blob.cb = 16;
    name.cb = 3;
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, NULL, scp_kb_SimpleBlob, 0, &blob),
                    scp_err_InvalidArgument);
    name.cb = 2;
    CU_ASSERT_EQUAL(SqlCryptImportKey(&session, &name, NULL, scp_kb_SimpleBlob, 0xFFFF, &blob),
                    scp_err_NotSupported);
    fx_end();
}

void add_argument_suite(void)
{
    CU_pSuite suite = CU_add_suite("arguments", NULL, NULL);
    CU_ADD_TEST(suite, test_before_initialise);
    CU_ADD_TEST(suite, test_sessions);
    CU_ADD_TEST(suite, test_null);
    CU_ADD_TEST(suite, test_strings);
    CU_ADD_TEST(suite, test_thumbprints);
    CU_ADD_TEST(suite, test_import);
}
