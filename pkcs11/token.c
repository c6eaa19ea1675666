/* SPDX-License-Identifier: Apache-2.0
 *
 * Token objects: one for each token that was asked for, kept by the context until it closes, so
 * that what was learned of a token (its keys, its wrong PINs) outlives the sessions to it.
 */
#include <string.h>
#include "pkcs11/key_private.h"
#include "pkcs11/login_private.h"

void tok_token_locks(tok_token *token)
{
    core_mutex_init(&token->lock);
    core_cond_init(&token->freed);
    core_cond_init(&token->proven);
    tok_turn_init(&token->login_turn);
    tok_turn_init(&token->key_turn);
}

tok_token *tok_token_make(tok_context *ctx, const core_token_config *config)
{
    tok_token *token = core_calloc(1, sizeof *token);
    if (token == NULL)
        return NULL;
    token->ctx = ctx;
    token->config = config;
    atomic_store(&token->epoch, 1);
    tok_token_locks(token);
    if (tok_pin_open(token) != ST_OK) {
        tok_token_free(token);
        return NULL;
    }
    return token;
}

uint64_t tok_token_age(const tok_token *token)
{
    return atomic_load(&token->epoch) + atomic_load(&token->granted);
}

tok_token *tok_token_ref(tok_token *token)
{
    atomic_fetch_add(&token->refs, 1);
    return token;
}

void tok_token_release(tok_token *token)
{
    if (token != NULL)
        atomic_fetch_sub(&token->refs, 1);
}

void tok_token_free(tok_token *token)
{
    tok_keys_forget(token);
    tok_pool_drain(token, true);
    tok_stale_forget(token);
    core_free(token->known);
    tok_pin_close(token);
    tok_turn_destroy(&token->login_turn);
    tok_turn_destroy(&token->key_turn);
    core_cond_destroy(&token->freed);
    core_cond_destroy(&token->proven);
    core_mutex_destroy(&token->lock);
    core_free(token->slot_uri);
    core_free(token);
}

const core_token_config *tok_token_config(const tok_token *token)
{
    return token->config;
}

const tok_token_info *tok_token_about(const tok_token *token)
{
    return &token->info;
}

tok_context *tok_token_context(const tok_token *token)
{
    return token->ctx;
}

void tok_token_stats_get(tok_token *token, tok_token_stats *out)
{
    memset(out, 0, sizeof *out);
    if (token->group != NULL) {
        tok_group_stats(token, out);
        return;
    }
    out->epoch = atomic_load(&token->epoch);
    out->recoveries = atomic_load(&token->recoveries);
    out->logins = atomic_load(&token->logins);
    out->searches = atomic_load(&token->searches);
    core_mutex_lock(&token->lock);
    out->sessions = token->open + (token->keeper != 0 ? 1u : 0u);
    core_mutex_unlock(&token->lock);
}
