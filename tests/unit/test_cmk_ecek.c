/* SPDX-License-Identifier: Apache-2.0
 *
 * The format of the encrypted column encryption key: values made by SQL Server, SSMS and others
 * (parsed by our code, decrypted by OpenSSL), and each way in which it can be wrong.
 */
#include "test_cmk.h"

#include <stdlib.h>
#include <string.h>
#include "cmk/ecek.h"
#include "cmk/signature.h"
#include "core/crypto.h"
#include "core/memory.h"

static int start(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int stop(void)
{
    core_crypto_close();
    return 0;
}

/* True if the signature of a parsed blob verifies by one of the two rules. */
static bool verifies(EVP_PKEY *key, const uint8_t *blob, const cmk_ecek *ecek, cmk_hash hash)
{
    EVP_PKEY *public = vector_public(key);
    uint8_t digest[32];
    CU_ASSERT_EQUAL(cmk_signature_digest(hash, blob, ecek->signed_len, digest), ST_OK);
    const core_status st = core_rsa_verify(public, digest, ecek->signature, ecek->signature_len);
    core_rsa_free(public);
    return st == ST_OK;
}

/* Parses one known answer and decrypts it with OpenSSL. */
static void open_vector(const vector *v, const char *folder, const char *key_file, cmk_hash hash)
{
    size_t length = 0, cek_len = 0, opened_len = 1024;
    uint8_t opened[1024];
    uint8_t *blob = vector_bytes(v, "ecek", &length);
    uint8_t *cek = vector_bytes(v, "cek", &cek_len);
    EVP_PKEY *key = vector_key(folder, key_file);
    core_err err = {0};
    cmk_ecek ecek;
    const core_status st =
        cmk_ecek_parse(blob, length, (size_t)EVP_PKEY_get_size(key), &ecek, &err);
    CU_ASSERT_EQUAL(st, ST_OK);
    if (st == ST_OK) {
        CU_ASSERT_TRUE(verifies(key, blob, &ecek, hash));
        CU_ASSERT_FALSE(verifies(key, blob, &ecek,
                                 hash == CMK_HASH_SINGLE ? CMK_HASH_DOUBLE : CMK_HASH_SINGLE));
        CU_ASSERT_TRUE(
            oaep_decrypt(key, ecek.ciphertext, ecek.ciphertext_len, opened, &opened_len));
        CU_ASSERT_EQUAL(opened_len, cek_len);
        CU_ASSERT_EQUAL(memcmp(opened, cek, cek_len), 0);
    }
    EVP_PKEY_free(key);
    free(cek);
    free(blob);
}

static void opens_real_ones(void)
{
    vector_file file;
    if (vectors_shared() == NULL || !vectors_open(vectors_shared(), "ae_ecek_vectors.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    CU_ASSERT_TRUE(file.count >= 7);
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        CU_ASSERT_STRING_EQUAL(vector_get(v, "signature"), "single");
        open_vector(v, vectors_shared(), vector_get(v, "key"), CMK_HASH_SINGLE);
    }
    vectors_close(&file);
}

static void opens_variants(void)
{
    vector_file file;
    unsigned opened = 0;
    if (vectors_shared() == NULL ||
        !vectors_open(vectors_shared(), "ae_selfmade_variants.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        const bool doubled = strcmp(vector_get(v, "name"), "variant-cng-csp-double") == 0;
        if (vector_get(v, "ecek")[0] == '\0')
            continue;
        open_vector(v, vectors_shared(), "ae_key_sqlclient_native.key.pem",
                    doubled ? CMK_HASH_DOUBLE : CMK_HASH_SINGLE);
        opened++;
    }
    CU_ASSERT_EQUAL(opened, 5);
    vectors_close(&file);
}

static void opens_own(void)
{
    vector_file file;
    unsigned opened = 0;
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_own(), "ae_own.txt", &file));
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        if (vector_get(v, "ecek")[0] == '\0')
            continue;
        open_vector(v, vectors_own(), vector_get(v, "key"),
                    strcmp(vector_get(v, "hash"), "double") == 0 ? CMK_HASH_DOUBLE
                                                                 : CMK_HASH_SINGLE);
        opened++;
    }
    CU_ASSERT_TRUE(opened >= 8);
    vectors_close(&file);
}

/* Our header before the ciphertext equals the reference's for the same path. */
static void check_begin(const vector *v, size_t modulus_len)
{
    size_t length = 0, size = 0, offset = 0;
    uint8_t *blob = vector_bytes(v, "ecek", &length);
    const char *path = vector_get(v, "key_path");
    uint8_t *ours = calloc(length, 1);
    core_err err = {0};
    CU_ASSERT_EQUAL(cmk_ecek_size(path, modulus_len, &size, &err), ST_OK);
    CU_ASSERT_EQUAL(size, length);
    CU_ASSERT_EQUAL(cmk_ecek_begin(path, modulus_len, ours, length, &offset, &err), ST_OK);
    CU_ASSERT_EQUAL(offset, length - 2 * modulus_len);
    CU_ASSERT_EQUAL(memcmp(ours, blob, offset), 0);
    CU_ASSERT_EQUAL(cmk_ecek_begin(path, modulus_len, ours, length - 1, &offset, &err),
                    ST_BUFFER_TOO_SMALL);
    free(ours);
    free(blob);
}

static void writes_as_ssms(void)
{
    vector_file file;
    unsigned checked = 0;
    if (vectors_shared() == NULL || !vectors_open(vectors_shared(), "ae_ecek_vectors.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        if (strncmp(vector_get(v, "name"), "php-", 4) != 0)
            continue; /* only SSMS writes the path in lower case, as we do */
        check_begin(v, 256);
        checked++;
    }
    CU_ASSERT_TRUE(checked >= 3);
    vectors_close(&file);
}

static void writes_as_reference(void)
{
    vector_file file;
    unsigned checked = 0;
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_own(), "ae_own.txt", &file));
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        if (strcmp(vector_get(v, "path_form"), "lower") != 0)
            continue;
        check_begin(v, (size_t)strtoul(vector_get(v, "modulus"), NULL, 10));
        checked++;
    }
    CU_ASSERT_TRUE(checked >= 3);
    vectors_close(&file);
}

/* A blob for a key of 256 bytes: 4 bytes of path, arbitrary ciphertext and signature. */
enum { K = 256, SAMPLE = 5 + 4 + 2 * K };

static void make_sample(uint8_t blob[SAMPLE])
{
    memset(blob, 0xa5, SAMPLE);
    const uint8_t head[] = {1, 4, 0, 0, 1, 'k', 0, 'p', 0};
    memcpy(blob, head, sizeof head);
}

static void expect_refused(const uint8_t *blob, size_t length, size_t modulus_len,
                           const char *cause)
{
    core_err err = {0};
    cmk_ecek ecek = {.signed_len = 1};
    CU_ASSERT_EQUAL(cmk_ecek_parse(blob, length, modulus_len, &ecek, &err), ST_FORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cause));
    CU_ASSERT_PTR_NULL(ecek.path);
    CU_ASSERT_PTR_NULL(ecek.ciphertext);
    CU_ASSERT_PTR_NULL(ecek.signature);
    CU_ASSERT_EQUAL(ecek.signed_len, 0);
}

static void parses_parts(void)
{
    uint8_t blob[SAMPLE];
    cmk_ecek ecek;
    make_sample(blob);
    CU_ASSERT_EQUAL(cmk_ecek_parse(blob, sizeof blob, K, &ecek, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(ecek.path, blob + 5);
    CU_ASSERT_EQUAL(ecek.path_len, 4);
    CU_ASSERT_PTR_EQUAL(ecek.ciphertext, blob + 9);
    CU_ASSERT_EQUAL(ecek.ciphertext_len, K);
    CU_ASSERT_PTR_EQUAL(ecek.signature, blob + 9 + K);
    CU_ASSERT_EQUAL(ecek.signature_len, K);
    CU_ASSERT_EQUAL(ecek.signed_len, 9 + K);
    CU_ASSERT_EQUAL(cmk_ecek_parse(blob, sizeof blob, 0, &ecek, NULL), ST_OK);
}

static void refuses_each_fault(void)
{
    uint8_t blob[SAMPLE + 1] = {0};
    expect_refused(NULL, 0, K, "it is empty");
    make_sample(blob);
    expect_refused(blob, 0, K, "it is empty");
    blob[0] = 2;
    expect_refused(blob, SAMPLE, K, "version 2 instead of 1");
    blob[0] = 0;
    expect_refused(blob, SAMPLE, K, "version 0 instead of 1");
    make_sample(blob);
    blob[3] = 1; /* 257 */
    expect_refused(blob, SAMPLE, K, "ciphertext length 257");
    expect_refused(blob, SAMPLE, 0, "signature length 255");
    blob[3] = blob[4] = 0;
    expect_refused(blob, SAMPLE, K, "ciphertext length 0");
    expect_refused(blob, SAMPLE, 0, "ciphertext length 0");
    make_sample(blob);
    expect_refused(blob, SAMPLE, 2 * K, "ciphertext length 256 does not match");
    blob[2] = 0xff; /* a path of 65,284 bytes */
    expect_refused(blob, SAMPLE, K, "it ends after");
    make_sample(blob);
    blob[1] = 6;
    expect_refused(blob, SAMPLE, K, "signature length 254 instead of 256");
    blob[1] = 2;
    expect_refused(blob, SAMPLE, K, "signature length 258 instead of 256");
    make_sample(blob);
    expect_refused(blob, SAMPLE + 1, K, "signature length 257 instead of 256");
}

/* The first fault in the order of the checks is reported. */
static void refuses_in_order(void)
{
    uint8_t blob[SAMPLE];
    make_sample(blob);
    blob[0] = 9;
    blob[3] = 0x10;
    blob[2] = 0xff;
    expect_refused(blob, 4, K, "version 9");
    expect_refused(blob, sizeof blob, K, "version 9");
    blob[0] = 1;
    expect_refused(blob, 4, K, "too short for its header");
    expect_refused(blob, sizeof blob, K, "ciphertext length 272");
    blob[3] = 0;
    expect_refused(blob, sizeof blob, K, "it ends after");
}

static void refuses_every_truncation(void)
{
    uint8_t blob[SAMPLE];
    make_sample(blob);
    for (size_t length = 0; length < sizeof blob; length++) {
        uint8_t *exact = malloc(length == 0 ? 1 : length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
        memcpy(exact, blob, length);
        expect_refused(exact, length, K, "encrypted column encryption key");
        expect_refused(exact, length, 0, "encrypted column encryption key");
        free(exact);
    }
}

static void refuses_paths(void)
{
    char longest[CMK_ECEK_PATH_MAX / 2 + 1];
    size_t size = 1;
    core_err err = {0};
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    CU_ASSERT_EQUAL(cmk_ecek_size(longest, K, &size, &err), ST_OK);
    CU_ASSERT_EQUAL(size, 5 + CMK_ECEK_PATH_MAX - 1 + 2 * K);
    char *more = malloc(sizeof longest + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(more);
    memset(more, 'x', sizeof longest);
    more[sizeof longest] = '\0';
    CU_ASSERT_EQUAL(cmk_ecek_size(more, K, &size, &err), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(size, 0);
    free(more);
    CU_ASSERT_EQUAL(cmk_ecek_size("", K, &size, &err), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(cmk_ecek_size("\xff", K, &size, &err), ST_INVALID_ARGUMENT);
}

static bool begin_once(void *context)
{
    uint8_t blob[600];
    size_t offset = 0;
    (void)context;
    return cmk_ecek_begin("pkcs11:object=x", 256, blob, sizeof blob, &offset, NULL) == ST_OK;
}

static void survives_no_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(begin_once, NULL, 10, 0) >= 2);
}

static const test_case cases[] = {{"opens_real_ones", opens_real_ones},
                                  {"opens_variants", opens_variants},
                                  {"opens_own", opens_own},
                                  {"writes_as_ssms", writes_as_ssms},
                                  {"writes_as_reference", writes_as_reference},
                                  {"parses_parts", parses_parts},
                                  {"refuses_each_fault", refuses_each_fault},
                                  {"refuses_in_order", refuses_in_order},
                                  {"refuses_every_truncation", refuses_every_truncation},
                                  {"refuses_paths", refuses_paths},
                                  {"survives_no_memory", survives_no_memory},
                                  {NULL, NULL}};
const test_suite cmk_ecek_suite = {
    .name = "cmk_ecek", .cases = cases, .start = start, .stop = stop};
