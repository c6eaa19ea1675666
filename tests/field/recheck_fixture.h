/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the recheck suite: a provider on the memory token with an RSA key "RK" and an AES key
 * "SK", each with a ciphertext, and changes of the keys by another process. The tests are in
 * test_recheck.c and test_recheck_handles.c.
 */
#ifndef TESTS_FIELD_RECHECK_FIXTURE_H
#define TESTS_FIELD_RECHECK_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/field/provider_fixture.h"

enum { SIZE = 512, USAGE = 2069, EXPIRED = 2070, PERIOD_S = 10 };
#define RECHECK "key_recheck_seconds = 10\nrsa_padding = oaep-sha1\nrsa_unwrap = oaep-sha1\n"

extern uint8_t rsa[FX_THUMB], aes[FX_THUMB];
extern uint8_t rsa_cipher[SIZE], cell[SIZE];
extern size_t rsa_cipher_len, cell_len;
static const uint8_t plain[] = "a database encryption key, or so";

/* provider_open(), the two keys and their ciphertexts; the fault proxy's counts are 0 then. */
void begin(const char *policy);
/* Destroys all keys of the test, also renamed and retired ones, and closes the provider. */
void end(void);

/* Encrypt `plain`, and decrypt the ciphertext of begin(); scp_err_Failure: a wrong plaintext. */
SqlCpError seal(const uint8_t *thumb, uint8_t *out, size_t *length);
SqlCpError seal_rsa(void);
SqlCpError seal_aes(void);
SqlCpError open_rsa(void);
SqlCpError open_aes(void);

/* Ages all cached proofs by key_recheck_seconds. */
void period(void);
/* Renames a key as `p11ekm key retire` does in another process. */
bool retire_outside(const char *name, const char *retired);
CK_OBJECT_HANDLE private_key(const char *name);
/* How many times the log contains the text. */
unsigned log_count(const char *wanted);

extern const test_case recheck_handle_cases[]; /* test_recheck_handles.c */

#endif
