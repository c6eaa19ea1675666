/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates and frees the object of a token or group.
 */
#include "pkcs11/login/login_private.h"

tok_token *tok_token_make(tok_context *ctx, const core_token_config *config)
{
    tok_token *token = core_calloc(1, sizeof *token);
    if (token == NULL)
        return NULL;
    token->ctx = ctx;
    token->config = config;
    atomic_store(&token->module_generation, 1);
    tok_token_locks(token);
    if (tok_pin_open(token) != ST_OK) {
        tok_token_free(token);
        return NULL;
    }
    return token;
}

void tok_token_free(tok_token *token) CORE_NO_ANALYSIS /* no other thread has the token */
{
    tok_keys_forget(token);
    tok_pool_drain(token, true);
    tok_stale_forget(token);
    core_free(token->known);
    tok_pin_close(token);
    tok_timed_lock_destroy(&token->login_lock);
    tok_timed_lock_destroy(&token->key_lock);
    core_cond_destroy(&token->freed);
    core_cond_destroy(&token->proven);
    core_mutex_destroy(&token->lock);
    core_free(token->slot_uri);
    core_free(token);
}
