/* SPDX-License-Identifier: Apache-2.0
 *
 * Project Wycheproof's RSA decryption vectors, read from their JSON files with Jansson.
 */
#ifndef TESTS_WYCHEPROOF_H
#define TESTS_WYCHEPROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WY_BYTES_MAX = 1100, WY_PARTS = 8 };

typedef struct wy_bytes {
    uint8_t bytes[WY_BYTES_MAX];
    size_t length;
} wy_bytes;

typedef struct wy_group {
    const char *file;
    bool oaep;
    const char *sha, *mgf_sha; /* "SHA-1", ...; NULL for PKCS#1 v1.5 */
    /* modulus, public exponent, private exponent, prime 1, 2, exponent 1, 2, coefficient */
    wy_bytes parts[WY_PARTS];
} wy_group;

typedef struct wy_test {
    int id;
    const char *result; /* "valid", "invalid", "acceptable" */
    const char *comment;
    wy_bytes message, ciphertext, label;
} wy_test;

/* Calls `on_group` for each group of a file, and, if that returned true, `on_test` for each of its
 * tests, and `on_end`. False if the file cannot be read. */
typedef struct wy_reader {
    bool (*on_group)(void *context, const wy_group *group);
    void (*on_test)(void *context, const wy_group *group, const wy_test *test);
    void (*on_end)(void *context);
    void *context;
} wy_reader;
bool wy_read(const char *directory, const char *file, const wy_reader *reader);

#endif
