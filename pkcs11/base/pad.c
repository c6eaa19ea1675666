/* SPDX-License-Identifier: Apache-2.0
 *
 * PKCS#7 padding (RFC 5652, section 6.3). The check reads all bytes of the last block in constant
 * time and branches only on the result, so that it is no padding oracle by its timing.
 */
#include <string.h>
#include "pkcs11/base/pad_private.h"

size_t tok_pkcs7_pad(uint8_t *data, size_t length, size_t block)
{
    size_t pad = block - length % block;
    memset(data + length, (int)pad, pad);
    return length + pad;
}

/* Returns all one bits if a < b, else zero, without a branch. Both must be below 2^16. */
static unsigned mask_less(unsigned a, unsigned b)
{
    return 0u - ((a - b) >> 31);
}

size_t tok_pkcs7_unpad(const uint8_t *data, size_t length, size_t block)
{
    if (length == 0 || length % block != 0)
        return SIZE_MAX;
    const uint8_t *last = data + length - block;
    unsigned pad = data[length - 1];
    unsigned bad = mask_less(pad, 1) | mask_less((unsigned)block, pad);

    for (unsigned i = 0; i < block; i++) {
        unsigned in_padding = mask_less((unsigned)block - 1 - i, pad);
        bad |= in_padding & (last[i] ^ pad);
    }
    return bad != 0 ? SIZE_MAX : length - pad;
}
