/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference counts of keys, and the cache of a token's keys: a hash table by thumbprint. The table
 * is guarded by the token's lock and holds one reference to each key in it.
 */
#include <string.h>
#include "pkcs11/session/key_private.h"

static unsigned bucket_of(const uint8_t thumb[TOK_THUMB_LEN])
{
    return (thumb[0] | ((unsigned)thumb[1] << 8)) % TOK_KEY_BUCKETS;
}

const tok_key_info *tok_key_info_of(const tok_key *key)
{
    return &key->info;
}

tok_token *tok_key_token(const tok_key *key)
{
    return key->token;
}

tok_key *tok_key_ref(tok_key *key)
{
    atomic_fetch_add(&key->refs, 1);
    return key;
}

void tok_key_release(tok_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    if (!key->info.persistent)
        tok_session_key_destroy(key);
    core_rsa_free(atomic_load(&key->software));
    core_free(key);
}

void tok_key_list_free(tok_key **keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tok_key_release(keys[i]);
    core_free(keys);
}

/* Removes the key from the table and returns it with the table's reference, or NULL. */
static tok_key *remove_locked(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
    CORE_REQUIRES(token->lock)
{
    tok_key **at = &token->keys[bucket_of(thumb)];
    while (*at != NULL && memcmp((*at)->info.thumb, thumb, TOK_THUMB_LEN) != 0)
        at = &(*at)->next;
    tok_key *key = *at;
    if (key != NULL) {
        *at = key->next;
        key->next = NULL;
    }
    return key;
}

void tok_keys_put(tok_key *key)
{
    tok_token *token = key->token;
    tok_key **at = &token->keys[bucket_of(key->info.thumb)];

    core_mutex_lock(&token->lock);
    tok_key *old = remove_locked(token, key->info.thumb);
    if (old != NULL) {
        tok_key_notices_copy(key, old);
        tok_facts_inherit(key, old);
    }
    key->next = *at;
    *at = tok_key_ref(key);
    core_mutex_unlock(&token->lock);
    tok_key_release(old);
}

void tok_keys_remove(tok_key *key)
{
    core_mutex_lock(&key->token->lock);
    tok_key *old = remove_locked(key->token, key->info.thumb);
    key->token->indexed_at_us = 0;
    core_mutex_unlock(&key->token->lock);
    tok_key_release(old);
    tok_known_remove(key->token, key->info.thumb);
}

void tok_keys_forget(tok_token *token)
{
    tok_ids_forget(token);
    for (size_t i = 0; i < TOK_KEY_BUCKETS; i++) {
        core_mutex_lock(&token->lock);
        tok_key *key = token->keys[i];
        token->keys[i] = NULL;
        token->indexed_at_us = 0;
        core_mutex_unlock(&token->lock);
        tok_known_add(token, key);
        while (key != NULL) {
            tok_key *next = key->next;
            tok_key_release(key);
            key = next;
        }
    }
    tok_known_sort(token);
}

tok_key *tok_keys_cached(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN])
{
    core_mutex_lock(&token->lock);
    tok_key *key = token->keys[bucket_of(thumb)];
    while (key != NULL && memcmp(key->info.thumb, thumb, TOK_THUMB_LEN) != 0)
        key = key->next;
    if (key != NULL)
        tok_key_ref(key);
    core_mutex_unlock(&token->lock);
    return key;
}

void tok_key_notices_copy(tok_key *key, const tok_key *older)
{
    for (unsigned i = 0; i < TOK_NOTICE_COUNT; i++)
        atomic_store(&key->said_us[i], atomic_load(&older->said_us[i]));
}
