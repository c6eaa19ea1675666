/* SPDX-License-Identifier: Apache-2.0
 *
 * The two signatures of Always Encrypted: over an ECEK, and over the metadata of a column master
 * key (ENCLAVE_COMPUTATIONS (SIGNATURE = ...)). Both are RSASSA-PKCS1-v1_5 with SHA-256. This
 * provider signs SHA-256 of the message. MSSQL_CNG_STORE and MSSQL_CSP_PROVIDER (ECEK) and the Java
 * key store (metadata) sign SHA-256 of SHA-256 of it. Such values are accepted only if
 * accept_double_hash is set, and are never written.
 */
#ifndef CMK_SIGNATURE_H
#define CMK_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>
#include "pkcs11/key.h"

/* The bytes that the metadata signature covers: the lower-case provider name, the lower-case path
 * and "true" or "false", as UTF-16LE without separators. *out: *length bytes, released with
 * core_free. ST_INVALID_ARGUMENT: a name or path that is empty, not UTF-8 or longer than 16,383
 * characters. */
CORE_MUST_USE core_status cmk_metadata_message(const char *provider, const char *path, bool enclave,
                                               uint8_t **out, size_t *length, core_err *err);

typedef enum cmk_hash { CMK_HASH_SINGLE, CMK_HASH_DOUBLE } cmk_hash;

/* The digest that is signed. */
CORE_MUST_USE core_status cmk_signature_digest(cmk_hash hash, const uint8_t *message, size_t length,
                                               uint8_t digest[32]);
/* Verifies a signature with the public key in software: single hash first, then double hash if it
 * is accepted. For ST_SIGNATURE_INVALID the caller writes the error text. */
CORE_MUST_USE core_status cmk_signature_verify(tok_key *key, const uint8_t *message, size_t length,
                                               const uint8_t *signature, size_t signature_len,
                                               bool accept_double);

#endif
