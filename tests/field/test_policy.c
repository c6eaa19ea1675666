/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL Server must not be able to use a column master key: otherwise a database administrator could
 * decrypt column encryption keys with DecryptByAsymKey.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/field/provider_fixture.h"

enum { SIZE = 256, POLICY = 2071 };

static uint8_t cmk[FX_THUMB], protector[FX_THUMB];
static uint8_t sealed[SIZE];
static const uint8_t cek[] = "0123456789abcdefFEDCBA9876543210";

static void make_cmk(const char *name, uint8_t thumb[FX_THUMB])
{
    const tok_key_spec spec = {name, CORE_ALG_RSA_2048, CMK_USES, true, false};
    tok_key *key = NULL;
    size_t length = sizeof sealed;

    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, NULL), ST_OK);
    memcpy(thumb, tok_key_info_of(key)->thumb, FX_THUMB);
    CU_ASSERT_EQUAL_FATAL(
        tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, cek, sizeof cek - 1, sealed, &length, NULL),
        ST_OK);
    tok_key_release(key);
}

/* The provider and the Always Encrypted side of the process use the same configuration. */
static void begin(const char *policy)
{
    provider_open(policy);
    make_cmk("ae-2026", cmk);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "TDE_1", CORE_ALG_RSA_2048, 0, protector),
                          scp_err_Success);
}

/* Lists the keys again: destroying a key needs its present name. */
static void remove_key(const uint8_t *thumb)
{
    tok_key **keys = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (memcmp(tok_key_info_of(keys[i])->thumb, thumb, FX_THUMB) == 0)
            CU_ASSERT_EQUAL(tok_key_destroy(keys[i], NULL), ST_OK);
    tok_key_list_free(keys, count);
}

static void end(void)
{
    outside.all_uses(0);
    remove_key(cmk);
    remove_key(protector);
    provider_close();
}

static SqlCpError decrypt(const uint8_t *thumb, uint8_t out[SIZE])
{
    uint8_t copy[FX_THUMB];
    memcpy(copy, thumb, sizeof copy);
    SqlCpKeyThumbprint t = {FX_THUMB, copy};
    SqlCpData in = {SIZE, sealed};
    SqlCpData plain = {SIZE, out};
    memset(out, 0, SIZE);
    return SqlCryptDecrypt(&session, &t, 1, NULL, 0, &in, &plain);
}

static SqlCpError encrypt(const uint8_t *thumb)
{
    uint8_t copy[FX_THUMB], out[SIZE], in[4] = {1, 2, 3, 4};
    memcpy(copy, thumb, sizeof copy);
    SqlCpKeyThumbprint t = {FX_THUMB, copy};
    SqlCpData cipher = {SIZE, out};
    return SqlCryptEncrypt(&session, &t, 1, NULL, 0, &(SqlCpData){sizeof in, in}, &cipher);
}

static SqlCpError export_public(const uint8_t *thumb)
{
    uint8_t copy[FX_THUMB], out[2048];
    memcpy(copy, thumb, sizeof copy);
    SqlCpKeyThumbprint t = {FX_THUMB, copy};
    SqlCpKeyBlob blob = {sizeof out, out};
    return SqlCryptExportKey(&session, &t, NULL, scp_kb_PublicKeyBlob, &blob);
}

static bool listed(const uint8_t *thumb)
{
    SqlCpKeyId id = 0;
    fx_key key;
    bool found = false;
    while (SqlCryptGetNextKeyId(&session, &id) == scp_err_Success)
        if (fx_info(session, FX_BY_ID, &id, &key) == scp_err_Success)
            found |= memcmp(key.thumb, thumb, FX_THUMB) == 0;
    return found;
}

static void column_master_key_through_ekm_refused(void)
{
    uint8_t out[SIZE];
    fx_key key;

    begin("");
    CU_ASSERT_EQUAL(decrypt(cmk, out), POLICY);
    CU_ASSERT_NOT_EQUAL(memcmp(out, cek, sizeof cek - 1), 0);
    CU_ASSERT_EQUAL(encrypt(cmk), POLICY);
    CU_ASSERT_EQUAL(export_public(cmk), POLICY);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "ae-2026", &key), POLICY);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, cmk, &key), POLICY);
    CU_ASSERT_EQUAL(fx_drop(session, cmk), POLICY);
    CU_ASSERT_FALSE(listed(cmk));
    /* The protector is not affected. */
    CU_ASSERT_TRUE(listed(protector));
    CU_ASSERT_EQUAL(encrypt(protector), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "TDE_1", &key), scp_err_Success);
    end();
}

/* A column master key that was renamed is still refused. */
static void column_master_key_by_another_name_refused(void)
{
    uint8_t out[SIZE];
    fx_key key;

    begin("");
    CU_ASSERT_TRUE(
        other_text(&outside, other_find(&outside, CKO_PRIVATE_KEY, "ae-2026"), CKA_LABEL, "TDE_2"));
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "TDE_2", &key), POLICY);
    CU_ASSERT_EQUAL(decrypt(cmk, out), POLICY);
    /* The attributes of the public object must have no effect: they can be changed without the PIN.
     */
    CU_ASSERT_TRUE(
        other_flag(&outside, other_find(&outside, CKO_PUBLIC_KEY, "ae-2026"), CKA_WRAP, false));
    CU_ASSERT_EQUAL(decrypt(cmk, out), POLICY);
    CU_ASSERT_TRUE(
        other_text(&outside, other_find(&outside, CKO_PRIVATE_KEY, "TDE_2"), CKA_LABEL, "ae-2026"));
    end();
}

static void refusal_names_the_remedy(void)
{
    uint8_t out[SIZE];
    size_t length = 0;

    begin("");
    CU_ASSERT_EQUAL(decrypt(cmk, out), POLICY);
    end();
    char *text = testing_read(log_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ekm_keys = ae-2026"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "column master key"));
    free(text);
}

static void ekm_keys_allow_named_keys(void)
{
    uint8_t out[SIZE], second[FX_THUMB];
    fx_key key;

    begin("ekm_keys = TDE*, ae-20*\n");
    make_cmk("be-2026", second);
    CU_ASSERT_EQUAL(decrypt(second, out), POLICY);
    make_cmk("ae-2027", second);
    CU_ASSERT_EQUAL(decrypt(second, out), scp_err_Success);
    CU_ASSERT_EQUAL(memcmp(out, cek, sizeof cek - 1), 0);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "ae-2026", &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "be-2026", &key), POLICY);
    CU_ASSERT_TRUE(listed(cmk));
    end();
}

/* Some tokens, such as TPMs, set all uses on every RSA key. The provider destroys such a new key,
 * which it would refuse to use, unless ekm_keys names it. */
static void key_of_dual_use_token_made_only_with_ekm_keys(void)
{
    uint8_t thumb[FX_THUMB];

    begin("");
    outside.all_uses(1);
    unsigned before = other_count(&outside);
    CU_ASSERT_EQUAL(fx_create(session, "dual", CORE_ALG_RSA_2048, 0, thumb), POLICY);
    CU_ASSERT_EQUAL(other_count(&outside), before);
    end();
    begin("ekm_keys = dual\n");
    outside.all_uses(1);
    CU_ASSERT_EQUAL(fx_create(session, "dual", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(encrypt(thumb), scp_err_Success);
    end();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"column_master_key_through_ekm_refused", column_master_key_through_ekm_refused},
        {"column_master_key_by_another_name_refused", column_master_key_by_another_name_refused},
        {"refusal_names_the_remedy", refusal_names_the_remedy},
        {"ekm_keys_allow_named_keys", ekm_keys_allow_named_keys},
        {"key_of_dual_use_token_made_only_with_ekm_keys",
         key_of_dual_use_token_made_only_with_ekm_keys},
        {NULL, NULL}};
    static const test_suite suite = {.name = "policy", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    return provider_main(argc, argv, suites, 1);
}
