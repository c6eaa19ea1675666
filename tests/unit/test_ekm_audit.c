/* SPDX-License-Identifier: Apache-2.0
 *
 * What is recorded, and what is undone if it cannot be recorded. A limit on the size of files
 * stands for a full disk, so that a record fails after the audit trail was reported ready.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

static char directory[] = "/tmp/p11ekm-audit-XXXXXX";
static char path[sizeof directory + 16];
static char config[400];

static int make_directory(void)
{
    signal(SIGXFSZ, SIG_IGN);
    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/audit", directory);
    return 0;
}

static int remove_directory(void)
{
    return rmdir(directory);
}

static SqlCpSession begin(const char *options)
{
    snprintf(config, sizeof config, "module = /usr/lib/fake.so\nlog = none\naudit = %s\n%s%s", path,
             options, FAKE_ALIAS);
    return fx_begin(config);
}

static void end(void)
{
    char lock[sizeof path + 8];
    fx_end();
    CU_ASSERT_EQUAL(remove(path), 0);
    snprintf(lock, sizeof lock, "%s.lock", path);
    CU_ASSERT_EQUAL(remove(lock), 0);
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* How many lines of the trail contain both texts. */
static unsigned records(const char *a, const char *b)
{
    char line[2000];
    unsigned count = 0;
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, a) && strstr(line, b);
    fclose(file);
    return count;
}

static void test_records(void)
{
    SqlCpSession s = begin("");
    SqlCpSession other = NULL;
    uint8_t thumb[FX_THUMB];
    uint8_t out[300];
    size_t len = sizeof out;
    CU_ASSERT_EQUAL(fx_open("alpha", "geheim", &other), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(fx_open("nowhere", "1234", &other), 2054);
    CU_ASSERT_EQUAL(fx_create(s, "k \"1\"", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(s, "k \"1\"", CORE_ALG_AES_256, 0, thumb), 2067);
    CU_ASSERT_EQUAL(fx_encrypt(s, thumb, NULL, 0, "x", 1, out, &len), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_NotFound);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&s, 0), scp_err_Success);

    CU_ASSERT_EQUAL(records("\"operation\":\"OpenSession\"", "\"result\":\"OK\""), 1);
    CU_ASSERT_EQUAL(records("\"identity\":\"alpha\"", "\"result\":\"AUTH_FAILED\""), 1);
    CU_ASSERT_EQUAL(records("\"identity\":\"nowhere\"", "\"result\":\"TOKEN_NOT_FOUND\""), 1);
    CU_ASSERT_EQUAL(records("\"CreateKey\"", "\"result\":\"OK\""), 1);
    CU_ASSERT_EQUAL(records("\"CreateKey\"", "\"result\":\"KEY_EXISTS\""), 1);
    CU_ASSERT_EQUAL(records("\"CreateKey\"", "\"key\":\"k \\\"1\\\"\""), 4);
    CU_ASSERT_EQUAL(records("\"CreateKey\"", "\"result\":\"BEGIN\",\"code\":null"), 2);
    CU_ASSERT_EQUAL(records("\"DropKey\"", "\"result\":\"BEGIN\""), 1);
    CU_ASSERT_EQUAL(records("\"DropKey\"", "\"result\":\"OK\""), 1);
    CU_ASSERT_EQUAL(records("\"DropKey\"", "\"result\":\"NOT_FOUND\""), 1);
    CU_ASSERT_EQUAL(records("\"CloseSession\"", "\"token\":\"fake token\""), 1);
    CU_ASSERT_EQUAL(records("\"operation\"", ""), 11);
    CU_ASSERT_EQUAL(records("geheim", ""), 0);
    CU_ASSERT_EQUAL(records("1234", "PIN"), 0);
    end();
}

static void test_data_by_option(void)
{
    SqlCpSession s = begin("audit_data = yes\n");
    uint8_t thumb[FX_THUMB];
    uint8_t cipher[300];
    uint8_t out[300];
    size_t len = sizeof cipher;
    size_t out_len = sizeof out;
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_encrypt(s, thumb, NULL, 0, "x", 1, cipher, &len), scp_err_Success);
    CU_ASSERT_EQUAL(fx_decrypt(s, thumb, NULL, 0, cipher, len, out, &out_len), scp_err_Success);
    CU_ASSERT_EQUAL(fx_decrypt(s, thumb, NULL, 0, cipher, 16, out, &out_len), 2073);
    CU_ASSERT_EQUAL(records("\"Encrypt\"", "\"result\":\"OK\""), 1);
    CU_ASSERT_EQUAL(records("\"Decrypt\"", "\"result\":\"OK\""), 1);
    CU_ASSERT_EQUAL(records("\"Decrypt\"", "\"result\":\"DECRYPT_FAILED\""), 1);
    end();
}

static void test_nothing_happens_unrecorded(void)
{
    SqlCpSession s = begin("audit_data = yes\n");
    SqlCpSession other = NULL;
    uint8_t thumb[FX_THUMB];
    uint8_t fresh[FX_THUMB];
    uint8_t cipher[300];
    uint8_t out[300];
    uint8_t zero[4] = {0};
    size_t len = sizeof cipher;
    size_t out_len = sizeof out;
    fx_key key;
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_encrypt(s, thumb, NULL, 0, "abcd", 4, cipher, &len), scp_err_Success);
    uint64_t before = fake_state();
    unsigned live = fake_live();
    unsigned made = fake_calls(FAKE_tok_key_create);

    limit_files(1);
    CU_ASSERT_EQUAL(fx_create(s, "new", CORE_ALG_AES_256, 0, fresh), 2077);
    CU_ASSERT_EQUAL(fx_create(s, "#new", CORE_ALG_AES_256, scp_kf_Volatile, fresh), 2077);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), 2077);
    CU_ASSERT_EQUAL(fx_open("alpha", "1234", &other), 2077);
    CU_ASSERT_PTR_NULL(other);
    memset(out, 0x11, sizeof out);
    CU_ASSERT_EQUAL(fx_decrypt(s, thumb, NULL, 0, cipher, len, out, &out_len), 2077);
    CU_ASSERT(memcmp(out, zero, 4) == 0);
    limit_files(RLIM_INFINITY);

    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), made); /* the token was not called */
    CU_ASSERT_EQUAL(fake_state(), before);
    CU_ASSERT_EQUAL(fake_live(), live);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "new", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "#new", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "k", &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    end();
}

static long trail_length(void)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    fclose(file);
    return length;
}

/* The disk fills up between the intent and the result: the new key is destroyed. */
static void test_result_unrecorded_is_undone(void)
{
    SqlCpSession s = begin("");
    uint8_t thumb[FX_THUMB];
    fx_key key;
    long start = trail_length();
    CU_ASSERT_EQUAL(fx_create(s, "k1", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    long both = trail_length() - start;
    uint64_t before = fake_state();
    unsigned made = fake_calls(FAKE_tok_key_create);

    /* The result's line has a thumbprint and is the longer one. */
    limit_files((rlim_t)(start + both + both / 2));
    CU_ASSERT_EQUAL(fx_create(s, "k2", CORE_ALG_AES_256, 0, thumb), 2077);
    limit_files(RLIM_INFINITY);
    CU_ASSERT_EQUAL(fake_calls(FAKE_tok_key_create), made + 1);
    CU_ASSERT_EQUAL(fake_state(), before);
    CU_ASSERT_EQUAL(fx_info(s, FX_BY_NAME, "k2", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(records("\"k2\"", "BEGIN"), 1);
    CU_ASSERT_EQUAL(records("\"k2\"", "\"result\":\"OK\""), 0);
    end();
}

static void test_warn_goes_on(void)
{
    SqlCpSession s = begin("audit_failure = warn\n");
    uint8_t thumb[FX_THUMB];
    limit_files(1);
    CU_ASSERT_EQUAL(fx_create(s, "k", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(s, thumb), scp_err_Success);
    limit_files(RLIM_INFINITY);
    end();
}

void add_audit_suite(void)
{
    CU_pSuite suite = CU_add_suite("audit", make_directory, remove_directory);
    CU_ADD_TEST(suite, test_records);
    CU_ADD_TEST(suite, test_data_by_option);
    CU_ADD_TEST(suite, test_nothing_happens_unrecorded);
    CU_ADD_TEST(suite, test_result_unrecorded_is_undone);
    CU_ADD_TEST(suite, test_warn_goes_on);
}
