/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the two parts of the fake provider: its keys, and the faults requested by the
 * environment. FAKE_KEYS names the file of keys; FAKE_PIN is the right PIN (default 1234);
 * FAKE_TROUBLE is a list of faults, "guid,decrypt=2056".
 */
#ifndef FAKE_PROVIDER_H
#define FAKE_PROVIDER_H

#include "ekm/sqlcp.h"

#include <stdbool.h>

#define FAKE_MAX_KEYS 32
#define FAKE_THUMB    16
#define FAKE_DATA     4096

typedef struct fake_key {
    char name[256]; /* ASCII */
    SqlCpAlgId algorithm;
    SqlCpByte thumb[FAKE_THUMB];
    SqlCpByte data[FAKE_DATA]; /* an RSA private key in DER, or an AES key */
    int len;
} fake_key;

typedef struct fake_algorithm {
    SqlCpAlgId id;
    const char *tag;
    SqlCpKeyType type;
    SqlCpUlong bits;
    SqlCpUlong iv_bits;
} fake_algorithm;

extern const fake_algorithm fake_algorithms[];
const fake_algorithm *fake_algorithm_by_id(SqlCpAlgId id);

bool fake_trouble(const char *name);
/* The code of "name=code", or 0. */
SqlCpError fake_code(const char *name);

/* Fills keys from the file and returns their number. */
int fake_load(fake_key keys[FAKE_MAX_KEYS]);
bool fake_save(const fake_key *keys, int count);
bool fake_generate(const fake_algorithm *algorithm, fake_key *key);
/* The public key as a CNG blob; returns its length. */
int fake_public(const fake_key *key, SqlCpByte *out);
/* `out` has FAKE_DATA bytes more than the input; returns the length or -1. */
int fake_encrypt(const fake_key *key, const SqlCpByte *in, int len, SqlCpByte *out);
int fake_decrypt(const fake_key *key, const SqlCpByte *in, int len, SqlCpByte *out);

#endif
