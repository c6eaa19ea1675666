/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store of cmk/ on a real token, behind the counting module (count.h): what the suites
 * share. The RSA keys of the known answers are put on the token under the names of their files.
 */
#ifndef TESTS_CMK_SUITE_H
#define TESTS_CMK_SUITE_H

#include "cmk/store.h"
#include "tests/tokens/raw.h"
#include "tests/unit/test_cmk.h"

extern const test_suite cmk_open_suite, cmk_make_suite, cmk_interface_suite, cmk_host_suite;

/* Made on the token before the suites: two keys with all rights, two whose names differ in case,
 * one that may only sign. */
#define KEY_A    "cmk-a"
#define KEY_B    "cmk-b"
#define KEY_CASE "Cmk-Case"
#define KEY_SIGN "cmk-sign"

/* The path of a configuration for the token with further global lines, and a pin_file where
 * `pin_file`; NULL when it cannot be written. */
const char *suite_conf(const char *name, const char *globals, bool pin_file);
/* The store of such a configuration, logged in to at its first use. There is one at a time, because
 * a process's logins to a token are shared: asking for another closes it. */
cmk_store *suite_store(const char *globals);
void suite_store_close(void);
/* The token's label as a URI has it. */
const char *suite_token(void);
/* The key path of a key, in one of eight buffers in turn. */
const char *suite_path(const char *object);

/* The counting module; counters are 0 where it is not there. */
unsigned long count_of(const char *function);
void count_reset(void);
void count_plan(const char *plan);
const char *count_log(void);
bool counting(void);
/* Calls that use a private key, since the reset. */
unsigned long count_private(void);

/* An ECEK made now by OpenSSL with a key file of tests/vectors; returns its length. `doubled`: by
 * the other signature rule. */
size_t suite_ecek(EVP_PKEY *key, const uint8_t *cek, size_t cek_len, bool doubled, uint8_t *out);

#endif
