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

static inline core_status core_crypto_leave(core_status st)
{
    (void)ERR_pop_to_mark();
    return st;
}

#endif
