/* SPDX-License-Identifier: Apache-2.0
 *
 * The sorted table of the CKA_IDs of a token, which keys/id_index.c fills. It is valid for one
 * handle generation. All functions take the token's lock.
 */
#include <stdlib.h>
#include <string.h>
#include "pkcs11/session/key_private.h"

int tok_id_compare(const void *a, const void *b)
{
    return memcmp(((const tok_id *)a)->id, ((const tok_id *)b)->id, TOK_THUMB_LEN);
}

bool tok_ids_known(tok_token *token)
{
    core_mutex_lock(&token->lock);
    bool known = token->ids_generation == tok_token_handle_generation(token);
    core_mutex_unlock(&token->lock);
    return known;
}

bool tok_ids_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_id *out)
{
    tok_id wanted;
    const tok_id *found = NULL;

    memcpy(wanted.id, thumb, TOK_THUMB_LEN);
    core_mutex_lock(&token->lock);
    if (token->ids_generation == tok_token_handle_generation(token) && token->id_count > 0)
        found = bsearch(&wanted, token->ids, token->id_count, sizeof *token->ids, tok_id_compare);
    if (found != NULL)
        *out = *found;
    core_mutex_unlock(&token->lock);
    return found != NULL;
}

void tok_ids_forget(tok_token *token)
{
    core_mutex_lock(&token->lock);
    tok_id *old = token->ids;
    token->ids = NULL;
    token->id_count = 0;
    token->ids_generation = 0;
    core_mutex_unlock(&token->lock);
    core_free(old);
}
