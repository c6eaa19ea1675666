/* SPDX-License-Identifier: Apache-2.0
 *
 * What a token can really do: known-answer tests with throw-away session keys (token keys where it
 * has no other, destroyed afterwards), judged by OpenSSL, not by the mechanism list alone.
 */
#ifndef PKCS11_PROBE_H
#define PKCS11_PROBE_H

#include "pkcs11/token.h"

typedef enum tok_probe_state { TOK_PROBE_YES, TOK_PROBE_NO, TOK_PROBE_WRONG } tok_probe_state;

typedef struct tok_probe_item {
    const char *name;      /* "rsa-2048-generate", "oaep-sha1-decrypt", ... static, stable */
    tok_probe_state state; /* WRONG: it answered, and the answer is not right */
    char detail[64];       /* the CKR name of a refusal, a measured limit, or "" */
} tok_probe_item;

/* Runs all tests; the caller must be logged in. *out: an array of *count, released with core_free.
 */
CORE_MUST_USE core_status tok_probe(tok_token *token, tok_probe_item **out, size_t *count,
                                    core_err *err);

/* The mechanisms the token lists, with key sizes. *out: an array of *count, released with
 * core_free. */
typedef struct tok_mechanism {
    char name[40]; /* "CKM_RSA_PKCS_OAEP", or its number in hex */
    uint64_t min_bits, max_bits;
} tok_mechanism;
CORE_MUST_USE core_status tok_mechanism_list(tok_token *token, tok_mechanism **out, size_t *count,
                                             core_err *err);

#endif
