/* SPDX-License-Identifier: Apache-2.0
 *
 * See oaep_draft.h.
 */
#include "tests/unit/oaep_draft.h"

#include <openssl/evp.h>
#include <string.h>
#include "core/crypto.h"

static bool digest(const char *hash, const void *bytes, size_t length, uint8_t *out)
{
    return EVP_Q_digest(NULL, hash, NULL, bytes, length, out, NULL) == 1;
}

static bool mask(const oaep_draft *d, const uint8_t *seed, size_t seed_len, uint8_t *target,
                 size_t length)
{
    uint8_t input[OAEP_SIZE + 4], bytes[OAEP_HASH_MOST];

    memcpy(input, seed, seed_len);
    for (size_t i = 0; i < length; i++) {
        if (i % d->hash_len == 0) {
            const size_t counter = i / d->hash_len;
            memcpy(input + seed_len, (uint8_t[]){0, 0, 0, (uint8_t)counter}, 4);
            if (!digest(d->hash, input, seed_len + 4, bytes))
                return false;
        }
        target[i] ^= bytes[i % d->hash_len];
    }
    return true;
}

bool oaep_start(oaep_draft *d, const char *hash, size_t hash_len, const uint8_t *message,
                size_t length)
{
    memset(d, 0, sizeof *d);
    d->hash = hash;
    d->hash_len = hash_len;
    d->db_len = OAEP_SIZE - 1 - hash_len;
    d->db[d->db_len - length - 1] = 1;
    memcpy(d->db + d->db_len - length, message, length);
    return core_random(d->seed, hash_len) == ST_OK && digest(hash, "", 0, d->db);
}

bool oaep_seal(const oaep_draft *d, uint8_t block[OAEP_SIZE])
{
    uint8_t *seed = block + 1, *db = block + 1 + d->hash_len;

    block[0] = d->first;
    memcpy(seed, d->seed, d->hash_len);
    memcpy(db, d->db, d->db_len);
    return mask(d, seed, d->hash_len, db, d->db_len) && mask(d, db, d->db_len, seed, d->hash_len);
}
