/* SPDX-License-Identifier: Apache-2.0
 *
 * Column encryption keys that the token creates and rewraps, so that they are never in our memory.
 * A part of pkcs11/key.h.
 */
#ifndef PKCS11_KEY_WRAP_H
#define PKCS11_KEY_WRAP_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct tok_key tok_key;

/* The first creates a random key of `key_len` bytes inside the token and wraps it under `wrapper`.
 * The second unwraps `in` with `from` and wraps the result under `to`; both keys must be on one
 * token, and the unwrapped key must have `key_len` bytes. Both use OAEP with SHA-1 of the token
 * itself (PKCS #11 v3.1, 5.18.3, 5.18.4 and 6.1.8), never raw RSA. The key is a session object that
 * is destroyed before the session goes back to the pool. *out_len is the capacity of `out` on entry
 * and the length written (that of the wrapping key's modulus) on return; ST_BUFFER_TOO_SMALL sets
 * it to the length needed; after any other failure it is unspecified. ST_MECHANISM: the token
 * cannot do it, or the keys are on different tokens. ST_DECRYPT_FAILED: the wrapped key is invalid.
 * Any thread. */
CORE_MUST_USE core_status tok_wrap_new(tok_key *wrapper, size_t key_len, uint8_t *out,
                                       size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rewrap(tok_key *from, tok_key *to, const uint8_t *in, size_t in_len,
                                     size_t key_len, uint8_t *out, size_t *out_len, core_err *err);

#endif
