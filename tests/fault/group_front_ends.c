/* SPDX-License-Identifier: Apache-2.0
 *
 * A group through both front ends: SQL Server's functions and the Always Encrypted store use it
 * like a single token, and the audit trail names the member that served.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/p11ekm_cmk.h"
#include "tests/fault/group.h"
#include "tests/unit/ekm_fixture.h"

static char audit_path[512];

/* The configuration with an audit trail of all events. */
static const char *audited(void)
{
    char lines[700];

    snprintf(audit_path, sizeof audit_path, "%s", testing_path("group.audit"));
    (void)remove(audit_path);
    snprintf(lines, sizeof lines, "audit = %s\naudit_data = yes\n", audit_path);
    const char *path = grp_config(lines, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(path);
    return path;
}

static unsigned audited_lines(const char *text)
{
    size_t length = 0;
    unsigned count = 0;
    char *log = testing_read(audit_path, &length);

    for (const char *at = log; at != NULL && (at = strstr(at, text)) != NULL; at++)
        count++;
    free(log);
    return count;
}

static void engine_uses_group_like_token(void)
{
    static const char plain[] = "a database encryption key";
    uint8_t cipher[512], back[512];
    size_t cipher_len = sizeof cipher, back_len = sizeof back;
    SqlCpSession s = NULL;
    fx_key key;

    CU_ASSERT_EQUAL_FATAL(setenv("P11EKM_CONF", audited(), 1), 0);
    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_open("ha", getenv("PIN"), &s), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_info(s, FX_BY_NAME, "shared", &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_encrypt(s, key.thumb, NULL, 0, plain, sizeof plain, cipher, &cipher_len),
                    scp_err_Success);
    CU_ASSERT(audited_lines("\"token\":\"ha\",\"member\":\"pair-0\"") > 0);
    CU_ASSERT_EQUAL(audited_lines("\"member\":\"pair-1\""), 0);
    CU_ASSERT(grp_setup("unplug-0"));
    CU_ASSERT_EQUAL(fx_decrypt(s, key.thumb, NULL, 0, cipher, cipher_len, back, &back_len),
                    scp_err_Success);
    CU_ASSERT(back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0);
    CU_ASSERT_EQUAL(audited_lines("\"token\":\"ha\",\"member\":\"pair-1\""), 1);
    CU_ASSERT(grp_setup("plug-0"));
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(unsetenv("P11EKM_CONF"), 0);
}

static void key_store_uses_group_like_token(void)
{
    static const char path[] = "pkcs11:token=ha;object=shared";
    static const uint8_t cek[32] = "a column encryption key is this";
    uint8_t ecek[1024], back[64];
    size_t ecek_len = sizeof ecek, back_len = sizeof back;
    p11ekm_cmk *store = NULL;
    const char *pin = getenv("PIN");

    CU_ASSERT_EQUAL_FATAL(p11ekm_cmk_open(audited(), "ha", pin, strlen(pin), &store, NULL, 0), 0);
    CU_ASSERT_EQUAL_FATAL(
        p11ekm_cmk_encrypt(store, path, "RSA_OAEP", cek, sizeof cek, ecek, &ecek_len, NULL, 0), 0);
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, path, "RSA_OAEP", ecek, ecek_len, back, &back_len, NULL, 0), 0);
    CU_ASSERT(back_len == sizeof cek && memcmp(back, cek, sizeof cek) == 0);
    CU_ASSERT(audited_lines("\"member\":\"pair-0\"") > 0);
    CU_ASSERT(grp_setup("unplug-0"));
    back_len = sizeof back;
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, path, "RSA_OAEP", ecek, ecek_len, back, &back_len, NULL, 0), 0);
    CU_ASSERT(back_len == sizeof cek && memcmp(back, cek, sizeof cek) == 0);
    CU_ASSERT(audited_lines("\"member\":\"pair-1\"") > 0);
    CU_ASSERT(grp_setup("plug-0"));
    p11ekm_cmk_close(store);
}

static const test_case front_end_cases[] = {
    {"engine_uses_group_like_token", engine_uses_group_like_token},
    {"key_store_uses_group_like_token", key_store_uses_group_like_token},
    {NULL, NULL},
};
const test_suite suite_front_ends = {.name = "front_ends", .cases = front_end_cases};
