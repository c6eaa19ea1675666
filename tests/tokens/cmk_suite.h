/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the suites of the key store of cmk/ on a real token, with the fault proxy (count.h) in
 * between. The RSA keys of the known answers are on the token under the names of their files.
 */
#ifndef TESTS_CMK_SUITE_H
#define TESTS_CMK_SUITE_H

#include "cmk/store.h"
#include "tests/tokens/raw.h"
#include "tests/unit/test_cmk.h"

extern const test_suite cmk_open_suite, cmk_make_suite, cmk_interface_suite, cmk_host_suite;

/* Keys made on the token before the suites: two with all uses, two whose names differ in case only,
 * one that may only sign. */
#define KEY_A    "cmk-a"
#define KEY_B    "cmk-b"
#define KEY_CASE "Cmk-Case"
#define KEY_SIGN "cmk-sign"

/* Writes a configuration for the token with further global lines, and a pin_file if `pin_file`.
 * Returns its path; NULL if it cannot be written. */
const char *suite_conf(const char *name, const char *globals, bool pin_file);
/* The store of such a configuration, logged in at its first use. Only one is open at a time,
 * because the logins of a process to a token are shared: this call closes the previous one. */
cmk_store *suite_store(const char *globals);
void suite_store_close(void);
/* The token's label, encoded for a URI. */
const char *suite_token(void);
/* The key path of a key, in one of eight static buffers used in rotation. */
const char *suite_path(const char *object);

/* Functions of the fault proxy; counts are 0 if it is not loaded. */
unsigned long count_of(const char *function);
void count_reset(void);
void count_plan(const char *plan);
const char *count_log(void);
bool counting(void);
/* Calls that used a private key since the reset. */
unsigned long count_private(void);

/* An ECEK that OpenSSL makes with a key file of tests/vectors; returns its length. `doubled`:
 * signed by the other signature rule. */
size_t suite_ecek(EVP_PKEY *key, const uint8_t *cek, size_t cek_len, bool doubled, uint8_t *out);

#endif
