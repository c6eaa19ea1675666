/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module controlled by the fuzzer: the names of its tokens and keys, the result of each
 * call and the lengths it reports come from the input. It writes only into the buffers that it is
 * given, and it checks its caller: no call before C_Initialize or with a closed session.
 */
#ifndef TESTS_FUZZ_HOSTILE_H
#define TESTS_FUZZ_HOSTILE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOSTILE_TOKENS = 3, HOSTILE_KEYS = 3, HOSTILE_NAME = 300, HOSTILE_MODULUS = 260 };

typedef struct hostile_key {
    bool rsa;
    uint8_t name[HOSTILE_NAME];
    size_t name_len;
    uint8_t id[64];
    size_t id_len;
    uint8_t modulus[HOSTILE_MODULUS];
    size_t modulus_len;
    uint8_t dates[2][8];
    uint8_t flags; /* one bit for each yes-or-no property */
} hostile_key;

typedef struct hostile {
    const uint8_t *next; /* rest of the input: the results of later calls */
    size_t left;
    CK_TOKEN_INFO tokens[HOSTILE_TOKENS];
    CK_ULONG token_count;
    CK_INFO info;
    hostile_key keys[HOSTILE_KEYS];
    size_t key_count;
    bool initialised;
    unsigned misuses;
} hostile;
extern hostile the_hostile;

/* The number in the next `bytes` of the input; 0 beyond its end. */
uint32_t hostile_take(unsigned bytes);
/* Up to `room` bytes of the input; its next number says how many. */
size_t hostile_bytes(uint8_t *out, size_t room);
/* Starts with this input: first come the tokens and the keys. */
void hostile_begin(const uint8_t *data, size_t size);
CK_FUNCTION_LIST *hostile_functions(void);

#endif
