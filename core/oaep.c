/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes OAEP padding from a block that a token decrypted with raw RSA. The function must not
 * reveal why a block is invalid: an attacker who learns whether its first byte is 0 can decrypt
 * with a few thousand queries (Manger's attack).
 *
 * It uses OpenSSL's constant-time check (RFC 8017, 7.1.2, step 3), which is deprecated since 3.0
 * but has no replacement that works without the private key. OpenSSL works on copies in its heap
 * and wipes them. If they cannot be allocated, the result is that of an invalid block. OpenSSL
 * always adds its message to the error queue and clears it without a branch; the error mark removes
 * it in both cases.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include "core/crypto_private.h"

/* Moves the first `length` of `size` bytes to the end and fills the beginning with zeros. It moves
 * by powers of two, each selected with a mask, so that neither a branch nor an address depends on
 * `length`. */
static void align_right(uint8_t *block, size_t size, size_t length)
{
    const size_t missing = size - length;

    for (unsigned bit = 0; size >> bit != 0; bit++) {
        const size_t step = (size_t)1 << bit;
        /* Volatile, because a compiler that knows the two possible values of the mask may branch.
         */
        volatile uint8_t chosen = (uint8_t)(0 - (missing >> bit & 1));
        const uint8_t mask = chosen;
        for (size_t i = size; i-- > 0;) {
            const uint8_t moved = i >= step ? block[i - step] : 0;
            block[i] = (uint8_t)(block[i] ^ (mask & (block[i] ^ moved)));
        }
    }
}

core_status core_oaep_open(const char *hash, uint8_t *block, size_t size, size_t length,
                           uint8_t *out, size_t *out_len)
{
    const size_t capacity = *out_len;
    EVP_MD *md = NULL;
    core_status st = ST_FAILURE;
    int found;

    *out_len = 0;
    if (length > size || size > INT32_MAX || capacity > INT32_MAX)
        return ST_INVALID_ARGUMENT;
    if (core_crypto_ctx() == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    md = EVP_MD_fetch(core_crypto_ctx(), hash, NULL);
    if (md == NULL)
        goto done;
    align_right(block, size, length);
    found = RSA_padding_check_PKCS1_OAEP_mgf1(out, (int)capacity, block, (int)size, (int)size, NULL,
                                              0, md, md);
    st = found < 0 ? ST_DECRYPT_FAILED : ST_OK;
    *out_len = found < 0 ? 0 : (size_t)found;
done:
    EVP_MD_free(md);
    return core_crypto_leave(st);
}
