/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery, what its parts share: a token that can be unplugged, a context on it with a log of its
 * own, and one key whose every decryption is checked.
 */
#ifndef FAULT_RECOVERY_H
#define FAULT_RECOVERY_H

#include "pkcs11/key.h"
#include "testing.h"

typedef struct rec_world {
    tok_context *ctx;
    tok_token *token;
    tok_key *rsa;
    size_t keys; /* on the token, in peace */
    uint8_t cipher[512];
    size_t cipher_len;
} rec_world;

/* The context, login and key of a test; false with a line on stderr. And its end: false
 * when the key could not be destroyed. */
bool rec_open(rec_world *w);
bool rec_close(rec_world *w);

/* One decryption; ST_FAILURE when the result is wrong. */
core_status rec_decrypt(rec_world *w, core_err *err);
/* Decrypts until it succeeds; the milliseconds that took, or -1 when it took more than `most`. */
long rec_until_good(rec_world *w, unsigned most_ms);
/* Whether a status says that the token is away, or that its next try is not due. */
bool rec_says_away(core_status st);
/* Whether all keys are there, fresh from the token. */
bool rec_complete(rec_world *w);
/* How often a text stands in the log. */
unsigned rec_logged(const char *text);

/* "p11kit", "opencryptoki", "softhsm"; runs its setup script with a verb. */
const char *rec_kind(void);
bool rec_setup(const char *verb);

extern const test_suite suite_unplugged, suite_others;

#endif
