/* SPDX-License-Identifier: Apache-2.0
 *
 * Thumbprints of keys that this process has used. The last logout and each new login clear the key
 * cache, and a search skips retired keys. But a provider that had a key open must keep decrypting
 * with it after another process retires it, so the thumbprints of cached keys are kept in this
 * sorted array. All functions take the token's lock.
 */
#include <stdlib.h>
#include <string.h>
#include "pkcs11/session/key_private.h"

enum { KNOWN_MAX = 1 << 16 }; /* 1 MiB of thumbprints; further keys are not kept */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, TOK_THUMB_LEN);
}

void tok_known_add(tok_token *token, const tok_key *keys)
{
    core_mutex_lock(&token->lock);
    for (const tok_key *key = keys; key != NULL; key = key->next) {
        if (token->known_count == token->known_room && token->known_room < KNOWN_MAX) {
            const size_t capacity = token->known_room * 2 + 16;
            void *more = core_realloc(token->known, capacity * TOK_THUMB_LEN);
            token->known = more != NULL ? more : token->known;
            token->known_room = more != NULL ? capacity : token->known_room;
        }
        if (key->info.persistent && token->known_count < token->known_room)
            memcpy(token->known[token->known_count++], key->info.thumb, TOK_THUMB_LEN);
    }
    core_mutex_unlock(&token->lock);
}

void tok_known_sort(tok_token *token)
{
    core_mutex_lock(&token->lock);
    const size_t all = token->known_count; /* with duplicates */
    size_t unique = all > 0 ? 1 : 0;
    if (all > 1)
        qsort(token->known, all, TOK_THUMB_LEN, compare);
    for (size_t i = 1; i < all; i++)
        if (compare(token->known[i], token->known[unique - 1]) != 0)
            memmove(token->known[unique++], token->known[i], TOK_THUMB_LEN);
    token->known_count = unique;
    core_mutex_unlock(&token->lock);
}

static uint8_t *find_locked(const tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
    CORE_REQUIRES(token->lock)
{
    return token->known_count == 0
               ? NULL
               : bsearch(thumb, token->known, token->known_count, TOK_THUMB_LEN, compare);
}

bool tok_known_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
{
    core_mutex_lock(&token->lock);
    const bool found = find_locked(token, thumb) != NULL;
    core_mutex_unlock(&token->lock);
    return found;
}

void tok_known_remove(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
{
    core_mutex_lock(&token->lock);
    uint8_t *at = find_locked(token, thumb);
    if (at != NULL) {
        const size_t index = (size_t)(at - token->known[0]) / TOK_THUMB_LEN;
        token->known_count--;
        memmove(at, at + TOK_THUMB_LEN, (token->known_count - index) * TOK_THUMB_LEN);
    }
    core_mutex_unlock(&token->lock);
}
