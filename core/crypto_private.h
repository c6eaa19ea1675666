/* SPDX-License-Identifier: Apache-2.0
 *
 * What crypto.c and crypto_rsa.c share. Failed calls leave messages in OpenSSL's queue of the
 * thread, which belongs to the host: every public function drops its own on the way out.
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
