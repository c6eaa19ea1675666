/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL, in a library context of our own: no openssl.cnf, no engines, no providers of the host,
 * so that what the host does to its OpenSSL and what we do never meet.
 */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>
#include <openssl/types.h>
#include "core/memory.h"
#include "core/status.h"

/* Reference-counted: each open needs its close; the last close wipes the sealing key. The context
 * itself stays for the next open: threads of the host may still refer to it. Thread-safe. */
CORE_MUST_USE core_status core_crypto_open(void);
void core_crypto_close(void);
/* Releases what libcrypto keeps for the calling thread. Only for a system that does not tell
 * libcrypto when a thread ends: Windows, where it is linked statically. */
void core_crypto_thread_stop(void);
/* The context, for EVP_..._fetch(ctx, name, NULL). Valid between open and close; NULL outside. */
OSSL_LIB_CTX *core_crypto_ctx(void);

/* SHA-256 of up to three pieces in a row (NULL, 0 for none). */
CORE_MUST_USE core_status core_sha256(const void *a, size_t a_len, const void *b, size_t b_len,
                                      const void *c, size_t c_len, uint8_t out[32]);
CORE_MUST_USE core_status core_hmac_sha256(const void *key, size_t key_len, const void *data,
                                           size_t data_len, uint8_t out[32]);
CORE_MUST_USE core_status core_random(void *out, size_t length);

/* Seals a secret under a random key of this process (AES-256-GCM), so that a copy of the heap is
 * no use without the key's own locked page. `sealed` needs length + CORE_SEAL_OVERHEAD bytes. */
enum { CORE_SEAL_OVERHEAD = 28 };
CORE_MUST_USE core_status core_seal(const void *plain, size_t length, uint8_t *sealed);
CORE_MUST_USE core_status core_unseal(const uint8_t *sealed, size_t sealed_len, core_secret *out);

/* The DER SubjectPublicKeyInfo of an RSA key from its big-endian parts (leading zeros are skipped);
 * *der is released with core_free. */
CORE_MUST_USE core_status core_rsa_spki(const uint8_t *modulus, size_t modulus_len,
                                        const uint8_t *exponent, size_t exponent_len, uint8_t **der,
                                        size_t *der_len);
/* An RSA public key for the two below; NULL when the parts are no RSA key. Thread-safe in use.
 * Release with core_rsa_free. */
EVP_PKEY *core_rsa_public(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                          size_t exponent_len);
void core_rsa_free(EVP_PKEY *key);
/* RSASSA-PKCS1-v1_5 over an SHA-256 digest: ST_OK, or ST_SIGNATURE_INVALID. */
CORE_MUST_USE core_status core_rsa_verify(EVP_PKEY *key, const uint8_t digest[32],
                                          const uint8_t *signature, size_t signature_len);
/* RSA encryption in software. `padding`: an OpenSSL number, RSA_PKCS1_OAEP_PADDING with `hash`
 * ("SHA1", "SHA256", also for MGF1) or RSA_PKCS1_PADDING. *out_len in: room, out: written. */
CORE_MUST_USE core_status core_rsa_encrypt(EVP_PKEY *key, int padding, const char *hash,
                                           const uint8_t *in, size_t in_len, uint8_t *out,
                                           size_t *out_len);
/* Takes OAEP (no label, `hash` for MGF1, too) off what raw RSA decryption gave: the first `length`
 * of `size` bytes, the modulus's length; zeros in front may be missing. `block` is written to, and
 * the caller's to wipe, as is `out`, whose room should be for any message. ST_DECRYPT_FAILED
 * whatever is wrong with the block, in a time that does not depend on what; else ST_OK. */
CORE_MUST_USE core_status core_oaep_open(const char *hash, uint8_t *block, size_t size,
                                         size_t length, uint8_t *out, size_t *out_len);

#endif
