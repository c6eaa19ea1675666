/* SPDX-License-Identifier: Apache-2.0
 *
 * The data that the signature of a column master key's metadata covers, byte for byte.
 */
#include "test_cmk.h"

#include <stdlib.h>
#include <string.h>
#include "cmk/name.h"
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

static bool signature_fits(EVP_PKEY *key, cmk_hash hash, const uint8_t *message, size_t length,
                           const uint8_t *signature, size_t signature_len)
{
    EVP_PKEY *public = vector_public(key);
    uint8_t digest[32];
    CU_ASSERT_EQUAL(cmk_signature_digest(hash, message, length, digest), ST_OK);
    const core_status st = core_rsa_verify(public, digest, signature, signature_len);
    core_rsa_free(public);
    return st == ST_OK;
}

static uint8_t *message_of(const vector *v, const char *path, size_t *length)
{
    uint8_t *message = NULL;
    CU_ASSERT_EQUAL_FATAL(cmk_metadata_message(vector_get(v, "provider"), path,
                                               strcmp(vector_get(v, "enclave"), "true") == 0,
                                               &message, length, NULL),
                          ST_OK);
    return message;
}

/* The message equals the stated bytes. */
static void check_message(const vector *v, const char *field)
{
    size_t length = 0, wanted_len = 0;
    uint8_t *wanted = vector_bytes(v, field, &wanted_len);
    uint8_t *message = message_of(v, vector_get(v, "key_path"), &length);
    CU_ASSERT_EQUAL(length, wanted_len);
    CU_ASSERT_TRUE(length == wanted_len && memcmp(message, wanted, length) == 0);
    core_free(message);
    free(wanted);
}

/* The signature verifies for the message of `path` by one rule and not by the other. It is
 * deterministic, so a signature made now must have the same bytes. */
static void check_signature(const vector *v, const char *folder, const char *path, cmk_hash hash)
{
    const cmk_hash other = hash == CMK_HASH_SINGLE ? CMK_HASH_DOUBLE : CMK_HASH_SINGLE;
    size_t length = 0, signature_len = 0, made_len = 1024;
    uint8_t made[1024], digest[32];
    uint8_t *message = message_of(v, path, &length);
    uint8_t *signature = vector_bytes(v, "signature", &signature_len);
    EVP_PKEY *key = vector_key(folder, vector_get(v, "key"));
    CU_ASSERT_TRUE(signature_fits(key, hash, message, length, signature, signature_len));
    CU_ASSERT_FALSE(signature_fits(key, other, message, length, signature, signature_len));
    CU_ASSERT_EQUAL(cmk_signature_digest(hash, message, length, digest), ST_OK);
    CU_ASSERT_TRUE(sign_digest(key, digest, made, &made_len));
    CU_ASSERT_EQUAL(made_len, signature_len);
    CU_ASSERT_EQUAL(memcmp(made, signature, signature_len), 0);
    signature[0] ^= 1;
    CU_ASSERT_FALSE(signature_fits(key, hash, message, length, signature, signature_len));
    EVP_PKEY_free(key);
    core_free(message);
    free(signature);
}

/* The path under which SSMS registered the master key of a key file, from its ECEKs. */
static const char *registered_path(const vector_file *eceks, const char *key_file)
{
    for (size_t i = 0; i < eceks->count; i++)
        if (strcmp(vector_get(&eceks->vectors[i], "key"), key_file) == 0)
            return vector_get(&eceks->vectors[i], "key_path");
    return "";
}

/* The sample states the path of the next entry in the script it was taken from: its bytes are
 * derived from that path, but SSMS signed the path of the key itself. Both are checked. */
static void agrees_with_ssms(void)
{
    vector_file file, eceks;
    if (vectors_shared() == NULL ||
        !vectors_open(vectors_shared(), "ae_cmk_signature_vectors.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_shared(), "ae_ecek_vectors.txt", &eceks));
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        check_message(v, "signed_bytes_utf16le");
        check_signature(v, vectors_shared(), registered_path(&eceks, vector_get(v, "key")),
                        CMK_HASH_SINGLE);
    }
    vectors_close(&eceks);
    vectors_close(&file);
}

/* The variants describe provider and path in words only. */
static void agrees_with_java(void)
{
    vector_file file;
    size_t length = 0, signature_len = 0;
    uint8_t *message = NULL;
    if (vectors_shared() == NULL ||
        !vectors_open(vectors_shared(), "ae_selfmade_variants.txt", &file))
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    const vector *v = vectors_find(&file, "cmk-signature-jdbc-jks-double");
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    uint8_t *signature = vector_bytes(v, "signature", &signature_len);
    EVP_PKEY *key = vector_key(vectors_shared(), "ae_key_sqlclient_native.key.pem");
    CU_ASSERT_EQUAL(
        cmk_metadata_message("MSSQL_JAVA_KEYSTORE", "mykey", true, &message, &length, NULL), ST_OK);
    CU_ASSERT_TRUE(signature_fits(key, CMK_HASH_DOUBLE, message, length, signature, signature_len));
    CU_ASSERT_FALSE(
        signature_fits(key, CMK_HASH_SINGLE, message, length, signature, signature_len));
    EVP_PKEY_free(key);
    core_free(message);
    free(signature);
    vectors_close(&file);
}

static void agrees_with_reference(void)
{
    vector_file file;
    unsigned checked = 0;
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_own(), "ae_own.txt", &file));
    for (size_t i = 0; i < file.count; i++) {
        const vector *v = &file.vectors[i];
        if (vector_get(v, "message")[0] == '\0')
            continue;
        check_message(v, "message");
        check_signature(v, vectors_own(), vector_get(v, "key_path"),
                        strcmp(vector_get(v, "hash"), "double") == 0 ? CMK_HASH_DOUBLE
                                                                     : CMK_HASH_SINGLE);
        checked++;
    }
    CU_ASSERT_EQUAL(checked, 5);
    vectors_close(&file);
}

static void refuses_bad_text(void)
{
    uint8_t *message = NULL;
    size_t length = 1;
    static char longer[16385];
    memset(longer, 'x', sizeof longer - 1);
    static const char *const bad[] = {"", "\xc3", "\xed\xa0\x80", longer};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(
            cmk_metadata_message(CMK_PROVIDER_NAME, bad[i], true, &message, &length, NULL),
            ST_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NULL(message);
        CU_ASSERT_EQUAL(length, 0);
    }
    longer[16383] = '\0';
    CU_ASSERT_EQUAL(cmk_metadata_message(CMK_PROVIDER_NAME, longer, true, &message, &length, NULL),
                    ST_OK);
    core_free(message);
}

/* The lower-case form must not depend on a locale, nor collide with names that drivers reserve. */
static void name_is_safe(void)
{
    CU_ASSERT_PTR_NULL(strpbrk(CMK_PROVIDER_NAME, "Ii"));
    CU_ASSERT_TRUE(strlen(CMK_PROVIDER_NAME) > 6 && strlen(CMK_PROVIDER_NAME) <= 128);
    CU_ASSERT_NOT_EQUAL(strncmp(CMK_PROVIDER_NAME, "MSSQL_", 6), 0);
}

static bool message_once(void *context)
{
    uint8_t *message = NULL;
    size_t length = 0;
    (void)context;
    const core_status st = cmk_metadata_message("NAME", "path", true, &message, &length, NULL);
    core_free(message);
    return st == ST_OK;
}

static void survives_no_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(message_once, NULL, 10, 0) >= 2);
}

static const test_case cases[] = {{"agrees_with_ssms", agrees_with_ssms},
                                  {"agrees_with_java", agrees_with_java},
                                  {"agrees_with_reference", agrees_with_reference},
                                  {"refuses_bad_text", refuses_bad_text},
                                  {"name_is_safe", name_is_safe},
                                  {"survives_no_memory", survives_no_memory},
                                  {NULL, NULL}};
const test_suite cmk_signature_suite = {
    .name = "cmk_signature", .cases = cases, .start = start, .stop = stop};
