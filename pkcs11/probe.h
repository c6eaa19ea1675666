/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds out what a token can do. Known-answer tests use temporary session keys, or token keys if
 * the token allows no others; the probe destroys them. OpenSSL checks the results, because
 * mechanism lists do not tell the whole truth.
 */
#ifndef PKCS11_PROBE_H
#define PKCS11_PROBE_H

#include "pkcs11/token.h"

typedef enum tok_probe_state { TOK_PROBE_YES, TOK_PROBE_NO, TOK_PROBE_WRONG } tok_probe_state;

typedef struct tok_probe_item {
    const char *name;      /* "rsa-2048-generate", "oaep-sha1-decrypt", ...; static and stable */
    tok_probe_state state; /* WRONG: the token returned CKR_OK and an incorrect result */
    char detail[64];       /* the CKR name of a refusal, a measured limit, or "" */
} tok_probe_item;

/* Runs all tests on a token that is logged in. *out: an array of *count; release it with core_free.
 * A test that fails is a result, not an error. ST_TOKEN_AMBIGUOUS: the token is a group. Any
 * thread; the tests take seconds on a slow token. */
CORE_MUST_USE core_status tok_probe(tok_token *token, tok_probe_item **out, size_t *count,
                                    core_err *err);

/* Lists the mechanisms of the token with their key sizes (C_GetMechanismList and
 * C_GetMechanismInfo, PKCS #11 v3.1, 5.5.5 and 5.5.6). *out: an array of *count; release it with
 * core_free. */
typedef struct tok_mechanism {
    char name[40];               /* "CKM_RSA_PKCS_OAEP", or the number in hexadecimal */
    uint64_t min_bits, max_bits; /* as the token tells them; AES lengths in bytes are converted */
} tok_mechanism;
CORE_MUST_USE core_status tok_mechanism_list(tok_token *token, tok_mechanism **out, size_t *count,
                                             core_err *err);

#endif
