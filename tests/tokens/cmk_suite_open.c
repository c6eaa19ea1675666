/* SPDX-License-Identifier: Apache-2.0
 *
 * Decrypting encrypted column encryption keys inside a token: the known answers of SQL Server, SSMS
 * and others; every refusal; and the order of the checks, shown by the calls that the token
 * received.
 */
#include "tests/tokens/cmk_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/ecek.h"
#include "core/crypto.h"
#include "core/platform.h"

static int start(void)
{
    if (core_crypto_open() != ST_OK)
        return 1;
    return 0;
}

static int stop(void)
{
    suite_store_close();
    core_crypto_close();
    return 0;
}

static cmk_store *the_store(void)
{
    return suite_store("");
}

static core_status open_ecek(cmk_store *s, const char *object, const uint8_t *ecek, size_t length,
                             uint8_t cek[CMK_CEK_LEN], core_err *err)
{
    *err = (core_err){0};
    return cmk_decrypt_cek(s, suite_path(object), "RSA_OAEP", ecek, length, cek, err);
}

/* Decrypts a known answer with the key of its file; false if it is refused. */
static bool opens(cmk_store *s, const vector *v, const char *key_file, core_err *err)
{
    size_t length = 0, cek_len = 0;
    uint8_t cek[CMK_CEK_LEN];
    uint8_t *ecek = vector_bytes(v, "ecek", &length), *wanted = vector_bytes(v, "cek", &cek_len);
    const core_status st = open_ecek(s, key_file, ecek, length, cek, err);
    const bool equal = st == ST_OK && cek_len == CMK_CEK_LEN && memcmp(cek, wanted, cek_len) == 0;
    CU_ASSERT_EQUAL(equal, st == ST_OK);
    free(wanted);
    free(ecek);
    return equal;
}

static void opens_real_ones(void)
{
    vector_file file;
    core_err err;
    if (vectors_shared() == NULL || !vectors_open(vectors_shared(), "ae_ecek_vectors.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    for (size_t i = 0; i < file.count; i++)
        CU_ASSERT_TRUE(
            opens(the_store(), &file.vectors[i], vector_get(&file.vectors[i], "key"), &err));
    vectors_close(&file);
}

static void opens_variants(void)
{
    vector_file file;
    core_err err;
    if (vectors_shared() == NULL ||
        !vectors_open(vectors_shared(), "ae_selfmade_variants.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        const bool doubled = strcmp(vector_get(v, "name"), "variant-cng-csp-double") == 0;
        if (vector_get(v, "ecek")[0] == '\0')
            continue;
        CU_ASSERT_EQUAL(opens(the_store(), v, "ae_key_sqlclient_native.key.pem", &err), !doubled);
        CU_ASSERT_EQUAL(err.status, doubled ? ST_SIGNATURE_INVALID : ST_OK);
        CU_ASSERT_EQUAL(strstr(err.text, "accept_double_hash") != NULL, doubled);
        CU_ASSERT_TRUE(opens(suite_store("accept_double_hash = yes"), v,
                             "ae_key_sqlclient_native.key.pem", &err));
    }
    vectors_close(&file);
}

/* Our own values, 2048 to 4096 bits; a key that is not 32 bytes long is refused like any other
 * failure. */
static void opens_own(void)
{
    vector_file file;
    core_err err;
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_own(), "ae_own.txt", &file));
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        const bool doubled = strcmp(vector_get(v, "hash"), "double") == 0;
        const bool odd = strlen(vector_get(v, "cek")) != 2 * CMK_CEK_LEN;
        if (vector_get(v, "ecek")[0] == '\0')
            continue;
        CU_ASSERT_EQUAL(opens(the_store(), v, vector_get(v, "key"), &err), !doubled && !odd);
        CU_ASSERT_EQUAL(err.status, doubled ? ST_SIGNATURE_INVALID
                                    : odd   ? ST_DECRYPT_FAILED
                                            : ST_OK);
    }
    vectors_close(&file);
}

/* The key with which tests make their own ECEKs. */
#define OWN "ae_own_2048.key.pem"
static const uint8_t sample_cek[CMK_CEK_LEN] = {1, 2, 3, 4, 5, 6, 7, 8};

static size_t sample(uint8_t *out, bool doubled)
{
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    const size_t length = suite_ecek(key, sample_cek, sizeof sample_cek, doubled, out);
    EVP_PKEY_free(key);
    return length;
}

/* Flips each byte of a value, and cuts it at each length: no private key is ever used. */
static void no_private_call_before_signature(void)
{
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    core_err err;
    const size_t length = sample(ecek, false);
    if (!counting())
        TEST_SKIP("the token is used without the fault proxy");
    CU_ASSERT_EQUAL_FATAL(open_ecek(the_store(), OWN, ecek, length, cek, &err), ST_OK);
    count_reset();
    for (size_t i = 0; i < length; i++) {
        ecek[i] ^= 0x40;
        const core_status st = open_ecek(the_store(), OWN, ecek, length, cek, &err);
        CU_ASSERT_TRUE(st == ST_FORMAT || st == ST_SIGNATURE_INVALID);
        CU_ASSERT_TRUE(err.text[0] != '\0');
        ecek[i] ^= 0x40;
        CU_ASSERT_EQUAL(open_ecek(the_store(), OWN, ecek, i, cek, &err), ST_FORMAT);
    }
    CU_ASSERT_EQUAL(count_private(), 0);
    CU_ASSERT_EQUAL(count_of(NULL), 0);
    CU_ASSERT_EQUAL(open_ecek(the_store(), OWN, ecek, length, cek, &err), ST_OK);
    CU_ASSERT_EQUAL(count_of("C_DecryptInit"), 1);
    CU_ASSERT_EQUAL(count_of("C_Decrypt"), 1);
    CU_ASSERT_EQUAL(count_of(NULL), 2);
}

/* A value with a valid signature that cannot be decrypted: the only refusal that comes from the
 * private key, with the same text for any content. */
static void decryption_failures_are_alike(void)
{
    uint8_t ecek[1024], cek[CMK_CEK_LEN], digest[32], big[64] = {9};
    core_err first, err;
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    size_t length = suite_ecek(key, big, 31, false, ecek);
    CU_ASSERT_EQUAL(open_ecek(the_store(), OWN, ecek, length, cek, &first), ST_DECRYPT_FAILED);
    static const size_t sizes[] = {0, 1, 33, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        length = suite_ecek(key, big, sizes[i], false, ecek);
        CU_ASSERT_EQUAL(open_ecek(the_store(), OWN, ecek, length, cek, &err), ST_DECRYPT_FAILED);
        CU_ASSERT_STRING_EQUAL(err.text, first.text);
    }
    ecek[7 + 100] ^= 1; /* no valid OAEP any more, and signed again */
    size_t sig_len = 256;
    CU_ASSERT_EQUAL(core_sha256(ecek, 7 + 256, NULL, 0, NULL, 0, digest), ST_OK);
    CU_ASSERT_TRUE(sign_digest(key, digest, ecek + 7 + 256, &sig_len));
    memset(cek, 0xee, sizeof cek);
    CU_ASSERT_EQUAL(open_ecek(the_store(), OWN, ecek, length, cek, &err), ST_DECRYPT_FAILED);
    CU_ASSERT_STRING_EQUAL(err.text, first.text);
    for (size_t i = 0; i < sizeof cek; i++)
        CU_ASSERT_EQUAL(cek[i], 0);
    EVP_PKEY_free(key);
}

static void knows_algorithms(void)
{
    static const char *const good[] = {"RSA_OAEP", "RSA-OAEP", "rsa_oaep", "Rsa-oAEP"};
    static const char *const bad[] = {NULL, "", "none", "RSA_OAEP ", "RSA_OAEP_256", "RSAOAEP"};
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    core_err err = {0};
    const size_t length = sample(ecek, false);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_EQUAL(
            cmk_decrypt_cek(the_store(), suite_path(OWN), good[i], ecek, length, cek, NULL), ST_OK);
    count_reset();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(
            cmk_decrypt_cek(the_store(), suite_path(OWN), bad[i], ecek, length, cek, &err),
            ST_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "RSA_OAEP"));
    }
    CU_ASSERT_EQUAL(cmk_decrypt_cek(the_store(), suite_path(OWN), "RSA_OAEP", NULL, 0, cek, &err),
                    ST_FORMAT);
    CU_ASSERT_EQUAL(count_of(NULL), 0);
}

static void refuses_paths(void)
{
    const char *token = suite_token();
    char other[256], id[256], no_token[256];
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    const size_t length = sample(ecek, false);
    (void)snprintf(other, sizeof other, "pkcs11:token=%s-other;object=%s", token, OWN);
    (void)snprintf(id, sizeof id, "pkcs11:token=%s;id=ae_own_2048.key.pem", token);
    (void)snprintf(no_token, sizeof no_token, "pkcs11:object=%s", OWN);
    const struct {
        const char *path;
        core_status st;
        const char *cause;
    } rows[] = {
        {id, ST_OK, ""},
        {no_token, ST_OK, ""},
        {NULL, ST_INVALID_ARGUMENT, "key path: it is empty"},
        {"", ST_INVALID_ARGUMENT, "key path: it is empty"},
        {"CurrentUser/My/ABC", ST_FORMAT, "key path"},
        {suite_path("no-such-key"), ST_NOT_FOUND, "no-such-key"},
        {suite_path("AE_OWN_2048.key.pem"), ST_NOT_FOUND, "AE_OWN_2048"},
        {suite_path(KEY_CASE), ST_KEY_AMBIGUOUS, "case"},
        {suite_path("cmk-case"), ST_KEY_AMBIGUOUS, "case"},
        {other, ST_TOKEN_NOT_FOUND, "-other"},
        {suite_path(KEY_A), ST_SIGNATURE_INVALID, KEY_A},
        {suite_path("ae_own_3072.key.pem"), ST_FORMAT, "ciphertext length 256"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        core_err err = {0};
        CU_ASSERT_EQUAL(
            cmk_decrypt_cek(the_store(), rows[i].path, "RSA_OAEP", ecek, length, cek, &err),
            rows[i].st);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].cause));
    }
}

static void untrusted_paths_touch_no_token(void)
{
    char globals[300];
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    core_err err = {0};
    const size_t length = sample(ecek, false);
    (void)snprintf(globals, sizeof globals, "trusted_paths = pkcs11:token=%s;object=ae_own_*",
                   suite_token());
    cmk_store *strict = suite_store(globals);
    count_reset();
    CU_ASSERT_EQUAL(open_ecek(strict, KEY_A, ecek, length, cek, &err), ST_UNTRUSTED_PATH);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "trusted_paths"));
    size_t sig_len = 0;
    CU_ASSERT_EQUAL(cmk_sign_metadata(strict, suite_path(KEY_A), true, NULL, &sig_len, &err),
                    ST_UNTRUSTED_PATH);
    CU_ASSERT_EQUAL(cmk_verify_metadata(strict, suite_path(KEY_A), true, ecek, 256, &err),
                    ST_UNTRUSTED_PATH);
    CU_ASSERT_EQUAL(cmk_encrypt_cek(strict, suite_path(KEY_A), "RSA_OAEP", sample_cek, 32, NULL,
                                    &sig_len, &err),
                    ST_UNTRUSTED_PATH);
    CU_ASSERT_EQUAL(
        cmk_generate_cek(strict, suite_path(KEY_A), "RSA_OAEP", CMK_IN_TOKEN, NULL, &sig_len, &err),
        ST_UNTRUSTED_PATH);
    CU_ASSERT_EQUAL(cmk_rewrap_cek(strict, suite_path(OWN), suite_path(KEY_A), "RSA_OAEP", ecek,
                                   length, CMK_IN_TOKEN, NULL, &sig_len, &err),
                    ST_UNTRUSTED_PATH);
    CU_ASSERT_EQUAL(count_of(NULL), 0);
    CU_ASSERT_EQUAL(open_ecek(strict, OWN, ecek, length, cek, &err), ST_OK);
}

static void key_rights_are_named(void)
{
    uint8_t ecek[1024];
    size_t length = sizeof ecek;
    core_err err = {0};
    uint8_t cek[CMK_CEK_LEN];
    CU_ASSERT_EQUAL(cmk_encrypt_cek(the_store(), suite_path(KEY_SIGN), "RSA_OAEP", sample_cek, 32,
                                    ecek, &length, &err),
                    ST_OK);
    CU_ASSERT_EQUAL(open_ecek(the_store(), KEY_SIGN, ecek, length, cek, &err), ST_KEY_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKA_DECRYPT"));
}

static void caches(void)
{
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    core_err err;
    const size_t length = sample(ecek, false);
    cmk_store *cached = suite_store("cek_cache_entries = 10\ncek_cache_seconds = 60");
    CU_ASSERT_EQUAL(open_ecek(cached, OWN, ecek, length, cek, &err), ST_OK);
    count_reset();
    const uint64_t begin = core_now_us();
    for (unsigned i = 0; i < 1000; i++) {
        memset(cek, 0, sizeof cek);
        CU_ASSERT_EQUAL(open_ecek(cached, OWN, ecek, length, cek, &err), ST_OK);
        CU_ASSERT_EQUAL(memcmp(cek, sample_cek, sizeof cek), 0);
    }
    printf("a cached CEK takes %.2f us ", (double)(core_now_us() - begin) / 1000);
    CU_ASSERT_EQUAL(count_of(NULL), 0);
    /* Another path, value or algorithm does not match what was verified. */
    CU_ASSERT_EQUAL(open_ecek(cached, KEY_A, ecek, length, cek, &err), ST_SIGNATURE_INVALID);
    ecek[length - 1] ^= 1;
    CU_ASSERT_EQUAL(open_ecek(cached, OWN, ecek, length, cek, &err), ST_SIGNATURE_INVALID);
}

static void needs_a_pin(void)
{
    uint8_t ecek[1024], cek[CMK_CEK_LEN];
    core_err err = {0};
    cmk_store *s = NULL;
    const size_t length = sample(ecek, false);
    suite_store_close(); /* the following needs a logged-out token */
    CU_ASSERT_EQUAL_FATAL(
        cmk_store_open(suite_conf("nopin.conf", "", false), NULL, NULL, 0, &s, &err), ST_OK);
    CU_ASSERT_EQUAL(open_ecek(s, OWN, ecek, length, cek, &err), ST_PIN_SOURCE);
    cmk_store_close(s);
    CU_ASSERT_EQUAL_FATAL(
        cmk_store_open(suite_conf("wrong.conf", "", false), "main", "9999", 4, &s, &err), ST_OK);
    CU_ASSERT_EQUAL(cmk_store_login(s, &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NULL(strstr(err.text, "9999"));
    CU_ASSERT_EQUAL(open_ecek(s, OWN, ecek, length, cek, &err), ST_AUTH_FAILED);
    cmk_store_close(s);
    CU_ASSERT_EQUAL_FATAL(
        cmk_store_open(suite_conf("pinfile.conf", "", true), NULL, NULL, 0, &s, &err), ST_OK);
    CU_ASSERT_EQUAL(open_ecek(s, OWN, ecek, length, cek, &err), ST_OK);
    cmk_store_close(s);
    CU_ASSERT_EQUAL(cmk_store_open("/nonexistent/p11ekm.conf", NULL, NULL, 0, &s, &err),
                    ST_CONFIG_MISSING);
    CU_ASSERT_PTR_NULL(s);
}

static bool open_once(void *context)
{
    uint8_t cek[CMK_CEK_LEN];
    const uint8_t *ecek = context;
    return cmk_decrypt_cek(the_store(), suite_path(OWN), "RSA_OAEP", ecek, 7 + 2 * 256, cek,
                           NULL) == ST_OK;
}

static void survives_no_memory(void)
{
    uint8_t ecek[1024];
    CU_ASSERT_EQUAL(sample(ecek, false), 7 + 2 * 256);
    suite_store_close();
    (void)the_store();
    (void)testing_fail_allocations(open_once, ecek, 2000, 8);
}

static const test_case cases[] = {
    {"opens_real_ones", opens_real_ones},
    {"opens_variants", opens_variants},
    {"opens_own", opens_own},
    {"no_private_call_before_signature", no_private_call_before_signature},
    {"decryption_failures_are_alike", decryption_failures_are_alike},
    {"knows_algorithms", knows_algorithms},
    {"refuses_paths", refuses_paths},
    {"untrusted_paths_touch_no_token", untrusted_paths_touch_no_token},
    {"key_rights_are_named", key_rights_are_named},
    {"caches", caches},
    {"needs_a_pin", needs_a_pin},
    {"survives_no_memory", survives_no_memory},
    {NULL, NULL}};
const test_suite cmk_open_suite = {
    .name = "cmk_open", .cases = cases, .start = start, .stop = stop};
