/* SPDX-License-Identifier: Apache-2.0
 *
 * Column encryption keys that are made and rewrapped inside the token. A part of pkcs11/key.h.
 */
#ifndef PKCS11_KEY_WRAP_H
#define PKCS11_KEY_WRAP_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef struct tok_key tok_key;

/* Keys that are never in our memory. Makes a random key of `key_len` bytes inside the token and
 * wraps it with OAEP SHA-1 under `wrapper`; or unwraps `in` with `from` and wraps it again with
 * `to` (both on one token), checking the length. ST_MECHANISM where the token cannot,
 * ST_DECRYPT_FAILED as above. *out_len in: room, out: written. */
CORE_MUST_USE core_status tok_wrap_new(tok_key *wrapper, size_t key_len, uint8_t *out,
                                       size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rewrap(tok_key *from, tok_key *to, const uint8_t *in, size_t in_len,
                                     size_t key_len, uint8_t *out, size_t *out_len, core_err *err);

#endif
