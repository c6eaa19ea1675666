/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: create, drop, find, enumerate, session keys, and public keys.
 */
#include <stdio.h>
#include <string.h>
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

static void test_create_and_find(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    fx_key key;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "Schlüssel ß 鍵", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_create(s, "Schlüssel ß 鍵", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), 1);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "Schlüssel ß 鍵", &key), scp_err_Success);
    CU_ASSERT(memcmp(key.thumb, thumb, sizeof thumb) == 0);
    CU_ASSERT_EQUAL(key.alg, fx_alg(CORE_ALG_RSA_2048));
    CU_ASSERT_EQUAL(key.flags, scp_kf_Supported);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
    CU_ASSERT_STRING_EQUAL(key.name, "Schlüssel ß 鍵");
    CU_ASSERT_EQUAL(fx_create(s, "Schlüssel ß 鍵", CORE_ALG_AES_128, 0, thumb), 2067);
    CU_ASSERT_EQUAL(fx_create(s, "schlüssel ß 鍵", CORE_ALG_AES_128, 0, thumb), scp_err_Success);
    fx_end();
}

static void test_size_query_creates_nothing(void)
{
    SqlCpSession s = fx_begin(NULL);
    fx_text name;
    uint8_t thumb[FX_THUMB];
    SqlCpKeyThumbprint out = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptCreateKey(&s, fx_str(&name, "k"), 1, 0, &out),
                    scp_err_InsufficientBuffer);
    out = (SqlCpKeyThumbprint){15, thumb};
    CU_ASSERT_EQUAL(SqlCryptCreateKey(&s, fx_str(&name, "k"), 1, 0, &out),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(out.cb, 16);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), 0);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_by_name), 0);
    out = (SqlCpKeyThumbprint){UINT32_MAX, thumb};
    CU_ASSERT_EQUAL(SqlCryptCreateKey(&s, fx_str(&name, "k"), 1, 0, &out), scp_err_Success);
    CU_ASSERT_EQUAL(out.cb, 16);
    fx_end();
}

static void test_create_refusals(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint64_t before = fake_state();
    uint8_t thumb[FX_THUMB];
    char longest[257];
    memset(longest, 'x', 256);
    longest[256] = '\0';
    CU_ASSERT_EQUAL(fx_create(s, "p11ekm-retired:x", CORE_ALG_AES_128, 0, thumb),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_create(s, "P11EKM-Retired:x", CORE_ALG_AES_128, 0, thumb),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_create(s, "", CORE_ALG_AES_128, 0, thumb), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_128, 16, thumb), scp_err_NotSupported);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_128, 0x80000000, thumb), scp_err_NotSupported);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_128, scp_kf_Importable, thumb),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_1024, 0, thumb), scp_err_NotSupported);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_COUNT, 0, thumb), scp_err_NotSupported);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), 0);
    CU_ASSERT_EQUAL(fake_state(), before);
    CU_ASSERT_EQUAL(fx_create(s, longest, CORE_ALG_AES_128, 0, thumb), scp_err_Success);
    fx_key key;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
    CU_ASSERT_STRING_EQUAL(key.name, longest);
    fx_end();
}

static void test_flags(void)
{
    SqlCpSession s = fx_begin(NULL);
    static const SqlCpKeyFlags all[] = {0, scp_kf_Supported, scp_kf_Exportable, scp_kf_Volatile,
                                        scp_kf_Volatile | scp_kf_Exportable | scp_kf_Supported};
    for (unsigned n = 0; n < sizeof all / sizeof *all; n++) {
        char name[8];
        uint8_t thumb[FX_THUMB];
        fx_key key = {0};
        snprintf(name, sizeof name, "k%u", n);
        CU_ASSERT_EQUAL(fx_create(s, name, CORE_ALG_AES_256, all[n], thumb), scp_err_Success);
        CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
        CU_ASSERT_EQUAL(key.flags, all[n] | scp_kf_Supported);
    }
    fx_end();
}

static void test_volatile_keys(void)
{
    SqlCpSession s = fx_begin(NULL);
    SqlCpSession other = NULL;
    uint8_t thumb[FX_THUMB];
    uint8_t persistent[FX_THUMB];
    fx_key key;
    uint64_t before = fake_state();
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &other), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(s, "#temp", CORE_ALG_AES_256, scp_kf_Volatile, thumb),
                    scp_err_Success);
    CU_ASSERT_EQUAL(fake_state(), before);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "#temp", &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_Success);
    CU_ASSERT_STRING_EQUAL(key.name, "#temp");
    /* No other session finds it. */
    CU_ASSERT_EQUAL(fx_info(other, FX_BY_NAME, "#temp", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(other, FX_BY_THUMB, thumb, &key), scp_err_NotFound);
    id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&other, &id), scp_err_NotFound);
    /* Names are unique among the keys that a session can use, in both directions. */
    CU_ASSERT_EQUAL(fx_create(s, "#temp", CORE_ALG_AES_256, scp_kf_Volatile, thumb), 2067);
    CU_ASSERT_EQUAL(fx_create(s, "#temp", CORE_ALG_AES_256, 0, thumb), 2067);
    CU_ASSERT_EQUAL(fx_create(other, "#temp", CORE_ALG_AES_256, 0, persistent), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(other, "#temp", CORE_ALG_AES_256, scp_kf_Volatile, thumb), 2067);
    /* It can be dropped whatever the policy, and ends with the session. */
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "#temp", &key), scp_err_Success);
    CU_ASSERT_EQUAL(key.flags, scp_kf_Supported | scp_kf_Volatile);
    CU_ASSERT_EQUAL(fx_drop(s, key.thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_retire), 0);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, key.thumb, &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_create(s, "#two", CORE_ALG_RSA_2048, scp_kf_Volatile, thumb),
                    scp_err_Success);
    unsigned live = fake_live();
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 0), scp_err_Success);
    CU_ASSERT_EQUAL(fake_live(), live - 3); /* key, token, login */
    fx_end();
}

static void test_drop_retires(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    uint8_t again[FX_THUMB];
    fx_key key;
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_retire), 1);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_destroy), 0);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_NotFound);
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, again), scp_err_Success);
    fx_end();
}

static void test_drop_by_policy(void)
{
    uint8_t thumb[FX_THUMB];
    SqlCpSession s = fx_begin(FAKE_CONFIG "drop = destroy\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_destroy), 1);
    fx_end();
    s = fx_begin(FAKE_CONFIG "drop = deny\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    uint64_t before = fake_state();
    CU_ASSERT_EQUAL(fx_drop(s, thumb), 2071);
    CU_ASSERT_EQUAL(fake_state(), before);
    CU_ASSERT_EQUAL(fx_create(s, "t", CORE_ALG_AES_128, scp_kf_Volatile, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    fx_end();
    s = fx_begin(FAKE_CONFIG "create = no\n" FAKE_ALIAS);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), 2071);
    fx_end();
}

static void test_enumeration_is_stable(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[5][FX_THUMB];
    uint8_t ignored[FX_THUMB];
    fx_key key;
    fake_put_key("unknown algorithm", CORE_ALG_COUNT, ignored);
    fake_put_key("small", CORE_ALG_RSA_1024, ignored);
    fake_put_key("c", CORE_ALG_AES_256, thumb[2]);
    fake_put_key("a", CORE_ALG_RSA_2048, thumb[0]);
    fake_put_key("b", CORE_ALG_RSA_2048, thumb[1]);
    fake_copy_key(thumb[1], "b again");
    SqlCpKeyId id = 0;
    for (SqlCpKeyId n = 1; n <= 3; n++) {
        CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_Success);
        CU_ASSERT_EQUAL(id, n);
        CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_Success);
        CU_ASSERT(memcmp(key.thumb, thumb[n - 1], FX_THUMB) == 0);
    }
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_NotFound);
    CU_ASSERT_EQUAL(id, 3);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_list), 1);

    /* One is dropped, two are made, the ids stay. */
    CU_ASSERT_EQUAL(fx_drop(s, thumb[0]), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(s, "0", CORE_ALG_AES_128, 0, thumb[3]), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(s, "z", CORE_ALG_AES_128, 0, thumb[4]), scp_err_Success);
    id = 1;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_NotFound);
    id = 0;
    static const SqlCpKeyId expected[] = {2, 3, 4, 5};
    for (unsigned n = 0; n < 4; n++) {
        CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_Success);
        CU_ASSERT_EQUAL(id, expected[n]);
        CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_Success);
        CU_ASSERT(memcmp(key.thumb, thumb[id - 1], FX_THUMB) == 0);
    }
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_NotFound);
    id = 6;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_NotFound);
    id = UINT32_MAX;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&s, &id), scp_err_NotFound);
    id = 0;
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_ID, &id, &key), scp_err_InvalidArgument);
    fx_end();
}

static void test_enumeration_of_many(void)
{
    enum { MANY = 2000 };
    static uint8_t seen[MANY + 1];
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    for (unsigned n = 0; n < MANY; n++) {
        char name[16];
        snprintf(name, sizeof name, "key %05u", n);
        fake_put_key(name, CORE_ALG_AES_256, thumb);
    }
    memset(seen, 0, sizeof seen);
    SqlCpKeyId id = 0;
    unsigned count = 0;
    while (SqlCryptGetNextKeyId(&s, &id) == scp_err_Success && id <= MANY && !seen[id]) {
        seen[id] = 1;
        count++;
    }
    CU_ASSERT_EQUAL(count, MANY);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_list), 1);
    fx_end();
}

static void test_unshowable_names(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    fx_key key;
    char hex[2 * FX_THUMB + 1];
    fake_put_key("\xff\xfe not UTF-8", CORE_ALG_AES_256, thumb);
    for (size_t n = 0; n < FX_THUMB; n++)
        snprintf(hex + 2 * n, 3, "%02x", thumb[n]);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
    CU_ASSERT_STRING_EQUAL(key.name, hex);
    fake_put_key("", CORE_ALG_AES_256, thumb);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_THUMB, thumb, &key), scp_err_Success);
    CU_ASSERT_EQUAL(strlen(key.name), 32);
    fx_end();
}

static void test_info_sets_both_sizes(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    uint8_t room[FX_THUMB];
    SqlCpWchar name[10];
    fake_put_key("name", CORE_ALG_AES_256, thumb);
    SqlCpKeyThumbprint wanted = {FX_THUMB, thumb};
    SqlCpKeyInfo shapes[] = {
        {.name = {sizeof name, name}},
        {.thumb = {sizeof room, room}},
        {.name = {7, name}, .thumb = {sizeof room, room}},
        {.name = {sizeof name, name}, .thumb = {15, room}},
        {.name = {sizeof name, NULL}, .thumb = {sizeof room, NULL}},
    };
    for (unsigned n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        SqlCpKeyInfo before = shapes[n];
        memset(room, 0x5A, sizeof room);
        name[0] = 0x5A5A;
        CU_ASSERT_EQUAL(SqlCryptGetKeyInfoByThumb(&s, &wanted, &shapes[n]),
                        scp_err_InsufficientBuffer);
        CU_ASSERT_EQUAL(shapes[n].name.cb, 8);
        CU_ASSERT_EQUAL(shapes[n].thumb.cb, 16);
        CU_ASSERT_PTR_EQUAL(shapes[n].name.ws, before.name.ws);
        CU_ASSERT_PTR_EQUAL(shapes[n].thumb.pb, before.thumb.pb);
        CU_ASSERT_EQUAL(shapes[n].algId, 0);
        CU_ASSERT_EQUAL(room[0], 0x5A);
        CU_ASSERT_EQUAL(name[0], 0x5A5A);
    }
    fx_end();
}

typedef struct blob_case {
    const char *option;
    unsigned size;
    uint8_t head[24];
    unsigned head_len;
    unsigned modulus_at;
    bool little;
} blob_case;

static void check_blob(const blob_case *want)
{
    char config[300];
    snprintf(config, sizeof config, "%s%s%s", FAKE_CONFIG, want->option, FAKE_ALIAS);
    SqlCpSession s = fx_begin(config);
    uint8_t thumb[FX_THUMB];
    uint8_t bytes[2048];
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    SqlCpKeyThumbprint key = {FX_THUMB, thumb};
    SqlCpKeyThumbprint none = {0, NULL};
    SqlCpKeyBlob blob = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, scp_kb_PublicKeyBlob, &blob),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(blob.cb, want->size);
    blob.pb = bytes;
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, &none, scp_kb_PublicKeyBlob, &blob),
                    scp_err_Success);
    CU_ASSERT_EQUAL(blob.cb, want->size);
    CU_ASSERT(memcmp(bytes, want->head, want->head_len) == 0);
    unsigned first = want->little ? want->modulus_at + 255 : want->modulus_at;
    unsigned last = want->little ? want->modulus_at : want->modulus_at + 255;
    CU_ASSERT(bytes[first] & 0x80);
    CU_ASSERT(bytes[last] & 1);
    fx_end();
}

static void test_export_blobs(void)
{
    static const blob_case cases[] = {
        {"",
         24 + 3 + 256,
         {'R', 'S', 'A', '1', 0, 8, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
         24,
         27,
         false},
        {"export_blob = capi\n",
         20 + 256,
         {6, 2, 0, 0, 0, 0xA4, 0, 0, 'R', 'S', 'A', '1', 0, 8, 0, 0, 1, 0, 1, 0},
         20,
         20,
         true},
        {"export_blob = der\n",
         270,
         {0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00},
         9,
         9,
         false}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++)
        check_blob(&cases[n]);
}

static void test_small_der_blob(void)
{
    SqlCpSession s =
        fx_begin(FAKE_CONFIG "export_blob = der\nalgorithms = RSA_1024,RSA_4096\n" FAKE_ALIAS);
    uint8_t thumb[FX_THUMB];
    uint8_t bytes[2048];
    SqlCpKeyThumbprint key = {FX_THUMB, thumb};
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_RSA_1024, 0, thumb), scp_err_Success);
    SqlCpKeyBlob blob = {sizeof bytes, bytes};
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, scp_kb_PublicKeyBlob, &blob),
                    scp_err_Success);
    CU_ASSERT_EQUAL(blob.cb, 140);
    CU_ASSERT(memcmp(bytes, "\x30\x81\x89\x02\x81\x81\x00", 7) == 0);
    CU_ASSERT(memcmp(bytes + 135, "\x02\x03\x01\x00\x01", 5) == 0);
    fx_end();
}

static void test_export_refusals(void)
{
    SqlCpSession s = fx_begin(NULL);
    uint8_t thumb[FX_THUMB];
    uint8_t bytes[2048];
    SqlCpKeyThumbprint key = {FX_THUMB, thumb};
    SqlCpKeyBlob blob = {sizeof bytes, bytes};
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_256, scp_kf_Exportable, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, scp_kb_PublicKeyBlob, &blob),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, scp_kb_SimpleBlob, &blob),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, (SqlCpKeyBlobType)7, &blob),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_create(s, "r", CORE_ALG_RSA_2048, scp_kf_Exportable, thumb),
                    scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, &key, scp_kb_PublicKeyBlob, &blob),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptExportKey(&s, &key, NULL, scp_kb_SimpleBlob, &blob),
                    scp_err_NotSupported);
    CU_ASSERT_EQUAL(blob.cb, sizeof bytes);
    fx_text name;
    CU_ASSERT_EQUAL(SqlCryptImportKey(&s, fx_str(&name, "i"), NULL, scp_kb_PublicKeyBlob, 0, &blob),
                    scp_err_NotSupported);
    fx_end();
}

void add_key_suite(void)
{
    CU_pSuite suite = CU_add_suite("keys", NULL, NULL);
    CU_ADD_TEST(suite, test_create_and_find);
    CU_ADD_TEST(suite, test_size_query_creates_nothing);
    CU_ADD_TEST(suite, test_create_refusals);
    CU_ADD_TEST(suite, test_flags);
    CU_ADD_TEST(suite, test_volatile_keys);
    CU_ADD_TEST(suite, test_drop_retires);
    CU_ADD_TEST(suite, test_drop_by_policy);
    CU_ADD_TEST(suite, test_enumeration_is_stable);
    CU_ADD_TEST(suite, test_enumeration_of_many);
    CU_ADD_TEST(suite, test_unshowable_names);
    CU_ADD_TEST(suite, test_info_sets_both_sizes);
    CU_ADD_TEST(suite, test_export_blobs);
    CU_ADD_TEST(suite, test_small_der_blob);
    CU_ADD_TEST(suite, test_export_refusals);
}
