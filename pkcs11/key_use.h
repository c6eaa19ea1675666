/* SPDX-License-Identifier: Apache-2.0
 *
 * Encryption, decryption and signatures with one key. A part of pkcs11/key.h.
 *
 * Lengths are in bytes. *out_len and *sig_len are the capacity of the buffer on entry and the
 * length written on return. ST_BUFFER_TOO_SMALL sets them to the length needed; after any other
 * failure their value is unspecified. Input and output must not overlap. Any thread may call these
 * functions; each takes a session of the pool and waits at most session_wait_ms for one.
 */
#ifndef PKCS11_KEY_USE_H
#define PKCS11_KEY_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/config_types.h"
#include "core/status.h"

typedef struct tok_key tok_key;

/* Sizes, from the key and its token's policy, without a token call: the length of the ciphertext of
 * `length` bytes; an upper bound of the plaintext of `length` bytes; the longest plaintext. Those
 * of symmetric keys are the sizes of CBC with PKCS #7 padding, without the IV. */
size_t tok_encrypt_size(const tok_key *key, size_t length);
size_t tok_decrypt_size(const tok_key *key, size_t length);
size_t tok_encrypt_max(const tok_key *key);
/* The padding of new ciphertexts of an RSA key, as far as it is known now. *raw: decryption uses
 * raw RSA (rsa_raw). No token call. */
core_padding tok_rsa_padding(const tok_key *key, bool *raw);

/* Encrypts `in_len` bytes. RSA: with the padding of the policy (`rsa_padding`); iv is NULL and
 * iv_len 0. AES and 3DES: CBC with PKCS #7 padding; the IV has one block, 16 or 8 bytes. The
 * capacity must be tok_encrypt_size at least. ST_DATA_LENGTH, ST_INVALID_ARGUMENT (the IV),
 * ST_KEY_UNPROVEN (the public key cannot be proven), and as tok_key_check_usage. The copy that is
 * padded in software is wiped. */
CORE_MUST_USE core_status tok_encrypt(tok_key *key, const uint8_t *iv, size_t iv_len,
                                      const uint8_t *in, size_t in_len, uint8_t *out,
                                      size_t *out_len, core_err *err);
/* Decrypts `in_len` bytes. RSA: with each padding of the policy (`rsa_unwrap`) in its order. Every
 * failure that the data may cause is ST_DECRYPT_FAILED without a detail, so that no caller gets a
 * padding oracle. The capacity may be less than tok_decrypt_size if the plaintext fits. It takes
 * two Cryptoki calls if the handle is known and the first padding fits. Buffers of this library
 * that held plaintext are wiped. */
CORE_MUST_USE core_status tok_decrypt(tok_key *key, const uint8_t *iv, size_t iv_len,
                                      const uint8_t *in, size_t in_len, uint8_t *out,
                                      size_t *out_len, core_err *err);
/* RSA with this padding, whatever the policy says: Always Encrypted requires OAEP with SHA-1 (PKCS
 * #11 v3.1, 6.1.8). The policy's public_ops decides whether the token or OpenSSL encrypts. They do
 * not check the permitted uses; call tok_key_check_usage before. */
CORE_MUST_USE core_status tok_rsa_encrypt(tok_key *key, core_padding padding, const uint8_t *in,
                                          size_t in_len, uint8_t *out, size_t *out_len,
                                          core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt(tok_key *key, core_padding padding, const uint8_t *in,
                                          size_t in_len, uint8_t *out, size_t *out_len,
                                          core_err *err);

/* Signs `length` bytes of data: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2). The signature is as
 * long as the modulus. ST_BUFFER_TOO_SMALL, ST_SIGN_FAILED, and as tok_key_check_usage. */
CORE_MUST_USE core_status tok_rsa_sign(tok_key *key, const uint8_t *data, size_t length,
                                       uint8_t *sig, size_t *sig_len, core_err *err);
/* Verifies such a signature over a SHA-256 digest with OpenSSL and the public part of the key. No
 * token call. ST_SIGNATURE_INVALID, ST_NO_MEMORY. */
CORE_MUST_USE core_status tok_rsa_verify(tok_key *key, const uint8_t digest[32], const uint8_t *sig,
                                         size_t sig_len);

#endif
