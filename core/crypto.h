/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL in a separate library context: it reads no openssl.cnf and no engines or providers of the
 * host, so that the host's use of OpenSSL and ours do not affect each other.
 */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>
#include <openssl/types.h>
#include "core/memory.h"
#include "core/status.h"

/* Reference-counted: call close once for each open. The last close wipes the sealing key. The
 * context itself remains for the next open, because threads of the host may refer to it.
 * Thread-safe. ST_NO_MEMORY, ST_FAILURE. */
CORE_MUST_USE core_status core_crypto_open(void);
void core_crypto_close(void);
/* Releases the data that libcrypto keeps for the calling thread. Needed on Windows only, where
 * libcrypto is linked statically and does not see threads end. */
void core_crypto_thread_stop(void);
/* The context, for EVP_..._fetch(ctx, name, NULL). Valid between open and close; NULL outside. */
OSSL_LIB_CTX *core_crypto_ctx(void);

/* core_sha256 hashes up to three pieces in sequence (NULL, 0 for none). core_hmac_sha256 accepts an
 * empty key. core_random fills `length` bytes. ST_NO_MEMORY, ST_FAILURE. */
CORE_MUST_USE core_status core_sha256(const void *a, size_t a_len, const void *b, size_t b_len,
                                      const void *c, size_t c_len, uint8_t out[32]);
CORE_MUST_USE core_status core_hmac_sha256(const void *key, size_t key_len, const void *data,
                                           size_t data_len, uint8_t out[32]);
CORE_MUST_USE core_status core_random(void *out, size_t length);
/* An initialization vector of at most CORE_IV_MAX bytes, which is used once and then public; for
 * all else use core_random. Thread-safe; parent and child of a fork never get the same one. */
enum { CORE_IV_MAX = 16 };
CORE_MUST_USE core_status core_random_iv(uint8_t *out, size_t length);

/* Encrypts a secret with a random key of this process (AES-256-GCM), so that a copy of the heap is
 * useless without the locked page of the key. `sealed` holds length + CORE_SEAL_OVERHEAD bytes.
 * core_unseal opens *out, which the caller closes; ST_DECRYPT_FAILED: `sealed` was changed. */
enum { CORE_SEAL_OVERHEAD = 28 };
CORE_MUST_USE core_status core_seal(const void *plain, size_t length, uint8_t *sealed);
CORE_MUST_USE core_status core_unseal(const uint8_t *sealed, size_t sealed_len, core_secret *out);

/* The DER SubjectPublicKeyInfo of an RSA key from its big-endian numbers (leading zeros are
 * ignored). ST_FORMAT: they are not an RSA key. Release *der with core_free. */
CORE_MUST_USE core_status core_rsa_spki(const uint8_t *modulus, size_t modulus_len,
                                        const uint8_t *exponent, size_t exponent_len, uint8_t **der,
                                        size_t *der_len);
/* An RSA public key for the functions below; NULL: the numbers are not an RSA key. It may be used
 * by several threads. Release with core_rsa_free. */
EVP_PKEY *core_rsa_public(const uint8_t *modulus, size_t modulus_len, const uint8_t *exponent,
                          size_t exponent_len);
void core_rsa_free(EVP_PKEY *key);
/* Verifies RSASSA-PKCS1-v1_5 over a SHA-256 digest: ST_OK or ST_SIGNATURE_INVALID. */
CORE_MUST_USE core_status core_rsa_verify(EVP_PKEY *key, const uint8_t digest[32],
                                          const uint8_t *signature, size_t signature_len);
/* Encrypts with RSA in software. `padding`: RSA_PKCS1_OAEP_PADDING of OpenSSL with `hash` ("SHA1",
 * "SHA256", also for MGF1), or RSA_PKCS1_PADDING. *out_len: the size of `out` before, the length of
 * the result after the call. */
CORE_MUST_USE core_status core_rsa_encrypt(EVP_PKEY *key, int padding, const char *hash,
                                           const uint8_t *in, size_t in_len, uint8_t *out,
                                           size_t *out_len);
/* Removes OAEP padding (no label, `hash` also for MGF1) from the result of raw RSA decryption.
 * `block` holds `size` bytes, the length of the modulus; the first `length` bytes are the result,
 * which may lack leading zeros. The function overwrites `block`. The caller wipes `block` and
 * `out`, which should hold the longest possible message. ST_DECRYPT_FAILED for every defect of the
 * block, in a time that does not depend on the defect. */
CORE_MUST_USE core_status core_oaep_open(const char *hash, uint8_t *block, size_t size,
                                         size_t length, uint8_t *out, size_t *out_len);

#endif
