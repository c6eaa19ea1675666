/* SPDX-License-Identifier: Apache-2.0
 *
 * OAEP off a block that a token decrypted with raw RSA, where nothing may tell how a bad block is
 * bad: who learns whether its first byte is 0 decrypts with a few thousand questions (Manger).
 *
 * The check is OpenSSL's own (RFC 8017, 7.1.2, step 3), kept constant-time by many eyes. It is
 * deprecated since 3.0 without another that takes no private key. It works on copies in OpenSSL's
 * heap, which it wipes; when there is no room for them, the block reads as a bad one. Its message
 * in the queue is flagged, not branched upon, and dropped with the mark either way.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include "core/crypto_private.h"

/* Moves the first `length` of `size` bytes to the end and puts zeros in front: as powers of two,
 * each a move or not by a mask, so that neither a branch nor an address tells by how much. */
static void align_right(uint8_t *block, size_t size, size_t length)
{
    const size_t missing = size - length;

    for (unsigned bit = 0; size >> bit != 0; bit++) {
        const size_t step = (size_t)1 << bit;
        /* Volatile: else a compiler may know that the mask has two values, and branch. */
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
    const size_t room = *out_len;
    EVP_MD *md = NULL;
    core_status st = ST_FAILURE;
    int found;

    *out_len = 0;
    if (length > size || size > INT32_MAX || room > INT32_MAX)
        return ST_INVALID_ARGUMENT;
    if (core_crypto_ctx() == NULL)
        return ST_FAILURE;
    (void)ERR_set_mark();
    md = EVP_MD_fetch(core_crypto_ctx(), hash, NULL);
    if (md == NULL)
        goto done;
    align_right(block, size, length);
    found = RSA_padding_check_PKCS1_OAEP_mgf1(out, (int)room, block, (int)size, (int)size, NULL, 0,
                                              md, md);
    st = found < 0 ? ST_DECRYPT_FAILED : ST_OK;
    *out_len = found < 0 ? 0 : (size_t)found;
done:
    EVP_MD_free(md);
    return core_crypto_leave(st);
}
