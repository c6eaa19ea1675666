/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the pin_change suite: a context with one user and one RSA key, threads that decrypt
 * with the key, and changes of the PIN on the token. The tests are in pin_change.c and
 * pin_change_policy.c. They share the state below and run in one process, one after the other.
 */
#ifndef TESTS_FAULT_PIN_CHANGE_H
#define TESTS_FAULT_PIN_CHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

enum { LOAD_MS = 150 };

extern fault_proxy proxy;
extern char pin[16]; /* the token's present PIN */
/* NSS encrypts its keys under the PIN: a user logged in with the old PIN cannot use them
 * any more. */
extern bool rekeys;
static const uint8_t plain[] = "a database encryption key, or so";

extern tok_context *ctx;
extern tok_token *token;
extern atomic_uint good, failed; /* operations of the threads, by result */

/* Changes the token's PIN in another process. */
void change_token_pin(const char *to);
/* Changes it by another user of the module in this process, which every module notices. */
void change_pin_in_process(const char *to);

/* Opens the context with the global lines `more`, logs in and makes the key; false with a line on
 * stderr. The fault proxy's counters are 0 afterwards. */
bool pin_change_begin(const char *more);
/* Destroys the key and ends the session that pin_change_begin() opened and `more` others. */
void pin_change_end(unsigned more);
core_status pin_change_login(const char *with);
/* One decryption; ST_FAILURE when the plaintext is wrong. */
core_status pin_change_decrypt(core_err *err);

/* Starts the threads and lets them work for LOAD_MS. */
void load_start(void);
/* Call it after the new PIN was presented: with NSS, operations before that fail. */
void load_skip_failures(void);
/* Ends the threads. Checks that no operation failed, and that some ran before the change (`before`)
 * and some after it. */
void load_stop(unsigned before);

extern const test_case pin_change_policy_cases[]; /* pin_change_policy.c */

#endif
