/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the recovery tests: a token that can be unplugged, a context on it with its own log,
 * and one key whose every decryption is checked.
 */
#ifndef FAULT_RECOVERY_H
#define FAULT_RECOVERY_H

#include "pkcs11/key.h"
#include "testing.h"

typedef struct rec_fixture {
    tok_context *ctx;
    tok_token *token;
    tok_key *rsa;
    size_t keys; /* number on the token at the start */
    uint8_t cipher[512];
    size_t cipher_len;
} rec_fixture;

/* Opens the context, logs in and makes the key; false with a line on stderr. rec_close(): false if
 * the key could not be destroyed. */
bool rec_open(rec_fixture *w);
bool rec_close(rec_fixture *w);

/* One decryption; ST_FAILURE when the result is wrong. */
core_status rec_decrypt(rec_fixture *w, core_err *err);
/* Decrypts until it succeeds; returns the milliseconds, or -1 after `most_ms`. */
long rec_until_good(rec_fixture *w, unsigned most_ms);
/* True if a status says that the token is away, or that its next try is not due. */
bool rec_says_away(core_status st);
/* True if the token has all keys, read without the cache. */
bool rec_complete(rec_fixture *w);
/* How many times the log contains the text. */
unsigned rec_logged(const char *text);

/* The token's kind: "p11kit", "opencryptoki", "softhsm"; rec_setup() runs its setup script with a
 * verb. */
const char *rec_kind(void);
bool rec_setup(const char *verb);

extern const test_suite suite_unplugged, suite_others;

#endif
