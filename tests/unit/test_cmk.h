/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the tests of cmk/: known answers read from files of `name=value` lines, and their RSA
 * keys, used with OpenSSL only.
 */
#ifndef TEST_CMK_H
#define TEST_CMK_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "testing.h"

extern const test_suite cmk_ecek_suite, cmk_signature_suite, cmk_aead_suite, cmk_cache_suite,
    cmk_path_suite;

/* One known answer: the lines from one name= line to the next. */
enum { VECTOR_FIELDS = 16 };
typedef struct vector {
    const char *names[VECTOR_FIELDS];
    const char *values[VECTOR_FIELDS];
    size_t count;
} vector;

typedef struct vector_file {
    char *text;
    vector *vectors;
    size_t count;
} vector_file;

/* The folders of the project's own known answers, and of others' (NULL if missing). */
const char *vectors_own(void);
const char *vectors_shared(void);

/* False, with *out empty, if the file is missing or has none. */
bool vectors_open(const char *folder, const char *name, vector_file *out);
void vectors_close(vector_file *file);
const vector *vectors_find(const vector_file *file, const char *name);
/* The value of a field, "" if absent. */
const char *vector_get(const vector *v, const char *field);
/* A field of hex as bytes, released with free(); fails the test if it is not hex. */
uint8_t *vector_bytes(const vector *v, const char *field, size_t *length);

/* The private key of a PEM file, for OpenSSL; NULL (and a failure) if it cannot be read. */
EVP_PKEY *vector_key(const char *folder, const char *name);
/* Its public part for core_rsa_verify. */
EVP_PKEY *vector_public(EVP_PKEY *key);
/* RSA-OAEP with SHA-1 and RSASSA-PKCS1-v1_5 over an SHA-256 digest, by OpenSSL. */
bool oaep_decrypt(EVP_PKEY *key, const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len);
bool oaep_encrypt(EVP_PKEY *key, const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len);
bool sign_digest(EVP_PKEY *key, const uint8_t digest[32], uint8_t *out, size_t *out_len);

#endif
