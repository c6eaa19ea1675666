/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of the token layer that runs on every token: shared declarations. MODULE, TOKEN, PIN
 * and INIT_ARGS in the environment describe the token (with-token).
 */
#ifndef TOKEN_SUITE_H
#define TOKEN_SUITE_H

#include "pkcs11/key.h"
#include "testing.h"

/* Writes a configuration for the token with more global lines; returns its path. */
const char *suite_config(const char *name, const char *more);
/* Opens a context of such a file, finds the token and logs in; false with a line on stderr. */
bool suite_open(const char *config, tok_context **ctx, tok_token **token);
void suite_close(tok_context *ctx, tok_token *token);
const char *suite_pin(void);
/* True if setup-*.sh names this limit of the token in TOKEN_LIMITS (words): "dual-use", its RSA
 * keys can always sign and decrypt; "no-fork", a child cannot use the module's connection;
 * "rsa-3072", it makes no larger keys. */
bool suite_limit(const char *limit);
/* A new name for a key. Static, valid until the eighth call after. */
const char *suite_name(const char *stem);
enum {
    SUITE_CMK = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP
};
/* Makes a key; NULL if the token does not support that, which its error must say:
 * suite_refusal(). */
tok_key *suite_make(tok_token *token, core_algorithm algorithm, unsigned can, const char *name);
const char *suite_refusal(void);
#define NEED(key)                   \
    if ((key) == NULL) {            \
        TEST_SKIP(suite_refusal()); \
    }
/* Destroys and releases a test's key. */
void suite_destroy(tok_key *key);

extern const test_suite suite_find, suite_login, suite_key, suite_cipher, suite_wrap, suite_threads;

#endif
