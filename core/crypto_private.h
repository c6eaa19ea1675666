/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by crypto.c and crypto_rsa.c. Failed calls of OpenSSL leave messages in the error queue of
 * the thread, which belongs to the host. Every public function removes its own messages before it
 * returns.
 */
#ifndef CORE_CRYPTO_PRIVATE_H
#define CORE_CRYPTO_PRIVATE_H

#include <openssl/err.h>
#include "core/crypto.h"

/* SHA-256, fetched once; NULL while closed. */
EVP_MD *core_crypto_sha256(void);
/* Takes an IV of at most CORE_IV_MAX bytes from the buffer, which is filled from `ctx`. False where
 * there is none, or nothing could be drawn. Thread-safe. */
CORE_MUST_USE bool core_crypto_iv_take(OSSL_LIB_CTX *ctx, uint8_t *out, size_t length);
/* Releases the buffer; the next core_crypto_iv_take makes another. */
void core_crypto_iv_close(void);

static inline core_status core_crypto_leave(core_status st)
{
    (void)ERR_pop_to_mark();
    return st;
}

#endif
