/* SPDX-License-Identifier: Apache-2.0
 *
 * The field-fault suites of RSA: a context on the counted token of with-token, one key, what an
 * attacker without a PIN does to the token, and what OpenSSL makes of the results.
 */
#ifndef TESTS_FIELD_RSA_FIXTURE_H
#define TESTS_FIELD_RSA_FIXTURE_H

#include <openssl/types.h>
#include <p11-kit/pkcs11.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

enum { FIXTURE_BLOCK = 256 };

typedef struct fixture {
    tok_context *ctx;
    tok_token *token;
    const CK_FUNCTION_LIST *f;  /* the module, called directly */
    CK_SESSION_HANDLE attacker; /* a session that never logs in */
    core_err err;
} fixture;
extern fault_proxy fixture_proxy;

/* Opens a context with these lines of configuration, logs in, and opens the attacker's session. */
void fixture_begin(fixture *w, const char *lines);
void fixture_end(fixture *w);
/* Makes a persistent RSA-2048 key that may do everything; looks a key up by name. */
tok_key *fixture_make(fixture *w, const char *name);
tok_key *fixture_find(fixture *w, const char *name);
/* A public object of the token with this modulus (NULL: one of its own) and exponent. */
CK_RV fixture_plant(const fixture *w, const tok_key_info *like, const uint8_t *exponent,
                    CK_ULONG exponent_len);
/* How many public objects of the token have the key's modulus; destroys the first. */
unsigned fixture_publics(const fixture *w, const tok_key *key, bool destroy);
/* The private object of the key; 0: none. */
CK_OBJECT_HANDLE fixture_private(const fixture *w, const char *name);
/* Imports a key pair of OpenSSL's, its private object without a public one. */
CK_RV fixture_import(const fixture *w, EVP_PKEY *pair, const char *name);
EVP_PKEY *fixture_pair(const uint8_t *exponent, size_t exponent_len);

/* Whether somebody without the private key reads the ciphertext: it is the padded block itself. */
bool fixture_reads(const uint8_t *cipher, size_t length);
/* Encrypts with OpenSSL under the key's numbers; hash "SHA1" or "SHA256". */
void fixture_seal(const tok_key *key, const char *hash, uint8_t out[FIXTURE_BLOCK]);
/* Encrypts by the policy and decrypts; ST_FAILURE when another plaintext comes back. */
core_status fixture_round_trip(fixture *w, tok_key *key, uint8_t cipher[FIXTURE_BLOCK]);
/* Decrypts by the policy what fixture_seal made. */
core_status fixture_opens(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK]);
/* The padding of a ciphertext of the key's; CORE_PAD_COUNT: neither OAEP. */
core_padding fixture_padding(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK]);

#endif
