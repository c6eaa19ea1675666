/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of an RSA public key as tokens tell them: big endian, and from some tokens with
 * leading zeros.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

static size_t count_zeros(const uint8_t *bytes, size_t length)
{
    size_t zeros = 0;
    while (zeros < length && bytes[zeros] == 0)
        zeros++;
    return zeros;
}

void tok_strip_zeros(uint8_t *bytes, size_t *length)
{
    const size_t zeros = count_zeros(bytes, *length);
    *length -= zeros;
    memmove(bytes, bytes + zeros, *length);
}

bool tok_number_is(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    const size_t a_zeros = count_zeros(a, a_len), b_zeros = count_zeros(b, b_len);
    return a_len - a_zeros == b_len - b_zeros &&
           memcmp(a + a_zeros, b + b_zeros, a_len - a_zeros) == 0;
}

bool tok_exponent_is_possible(const uint8_t *bytes, size_t length)
{
    return length > 0 && (bytes[length - 1] & 1) != 0 && (length > 1 || bytes[0] >= 3);
}
