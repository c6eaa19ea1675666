/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input PRF"), for tables that
 * are searched by what comes from outside. libcrypto's own costs more to set up than to compute.
 */
#include "core/hash.h"

#include <string.h>

typedef struct state {
    uint64_t v0, v1, v2, v3;
} state;

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void mix(state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

/* The machine's byte order: a hash does not leave the process. */
static inline uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

uint64_t core_hash(const uint8_t key[CORE_HASH_KEY], const uint8_t *bytes, size_t length)
{
    const uint64_t k0 = word_at(key), k1 = word_at(key + 8);
    state s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
               k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)length << 56;
    size_t i = 0;

    for (; i + 8 <= length; i += 8) {
        const uint64_t word = word_at(bytes + i);
        s.v3 ^= word;
        mix(&s);
        s.v0 ^= word;
    }
    for (unsigned shift = 0; i < length; i++, shift += 8)
        last |= (uint64_t)bytes[i] << shift;
    s.v3 ^= last;
    mix(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    for (unsigned round = 0; round < 3; round++)
        mix(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
