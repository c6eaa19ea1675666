/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the RSA field-fault suites: a context on the token of with-token with the fault proxy
 * in between, one key, the actions of an attacker without a PIN, and checks of the results with
 * OpenSSL.
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
/* Makes a persistent RSA-2048 key with all uses; finds a key by name. */
tok_key *fixture_make(fixture *w, const char *name);
tok_key *fixture_find(fixture *w, const char *name);
/* Creates a public token object with this modulus (NULL: one of its own) and exponent. */
CK_RV fixture_plant(const fixture *w, const tok_key_info *like, const uint8_t *exponent,
                    CK_ULONG exponent_len);
/* Number of public token objects with the key's modulus; destroys the first if `destroy`. */
unsigned fixture_publics(const fixture *w, const tok_key *key, bool destroy);
/* The private object of the key; 0: none. */
CK_OBJECT_HANDLE fixture_private(const fixture *w, const char *name);
/* Imports an OpenSSL key pair: the private object without a public one. */
CK_RV fixture_import(const fixture *w, EVP_PKEY *pair, const char *name);
EVP_PKEY *fixture_pair(const uint8_t *exponent, size_t exponent_len);

/* True if the ciphertext can be read without the private key: it is the padded block itself. */
bool fixture_reads(const uint8_t *cipher, size_t length);
/* Encrypts in OpenSSL with the key's modulus and exponent; hash "SHA1" or "SHA256". */
void fixture_seal(const tok_key *key, const char *hash, uint8_t out[FIXTURE_BLOCK]);
/* Encrypts by the policy and decrypts; ST_FAILURE: the plaintext is wrong. */
core_status fixture_round_trip(fixture *w, tok_key *key, uint8_t cipher[FIXTURE_BLOCK]);
/* Decrypts by the policy the output of fixture_seal. */
core_status fixture_opens(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK]);
/* The padding of a ciphertext of the key; CORE_PAD_COUNT: neither OAEP. */
core_padding fixture_padding(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK]);

#endif
