/* SPDX-License-Identifier: Apache-2.0
 *
 * Token objects. A context has one object for each token that a caller has looked up and keeps it
 * until the context closes, so that cached data (keys, rejected PINs) outlive the sessions.
 */
#include "pkcs11/slot/slot_private.h"

tok_token *tok_gate_next(const tok_gate *gate, const tok_token *token)
{
    const tok_context *ctx = token != NULL ? token->ctx : NULL;
    tok_token *next = token != NULL ? token->next : NULL;

    while (next == NULL) {
        ctx = atomic_load(ctx != NULL ? &ctx->gate_next : &gate->contexts);
        if (ctx == NULL)
            return NULL;
        next = ctx->tokens;
    }
    return next;
}

/* The lists can be walked without the lock: a token is only added, at the front of its context's
 * list, and a context is not detached while its `visits` is not 0. */
void tok_gate_visit(tok_gate *gate, void (*visit)(tok_token *token))
{
    core_mutex_lock(&gate->lock);
    for (tok_context *ctx = atomic_load(&gate->contexts); ctx != NULL;) {
        tok_token *first = ctx->tokens;
        ctx->visits++;
        core_mutex_unlock(&gate->lock);
        for (tok_token *token = first; token != NULL; token = token->next)
            visit(token);
        core_mutex_lock(&gate->lock);
        if (--ctx->visits == 0)
            core_cond_broadcast(&gate->moved);
        ctx = atomic_load(&ctx->gate_next);
    }
    core_mutex_unlock(&gate->lock);
}

void tok_token_locks(tok_token *token)
{
    core_mutex_init(&token->lock);
    core_cond_init(&token->freed);
    core_cond_init(&token->proven);
    tok_timed_lock_init(&token->login_lock);
    tok_timed_lock_init(&token->key_lock);
}

uint64_t tok_token_handle_generation(const tok_token *token)
{
    return atomic_load(&token->module_generation) + atomic_load(&token->login_generation);
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

const core_token_config *tok_token_config(const tok_token *token)
{
    return token->config;
}

const tok_token_info *tok_token_info_of(const tok_token *token)
{
    return &token->info;
}

tok_context *tok_token_context(const tok_token *token)
{
    return token->ctx;
}

void tok_single_stats(tok_token *token, tok_token_stats *out)
{
    out->module_generation = atomic_load(&token->module_generation);
    out->recoveries = atomic_load(&token->recoveries);
    out->logins = atomic_load(&token->logins);
    out->searches = atomic_load(&token->searches);
    core_mutex_lock(&token->lock);
    out->sessions = token->open + (token->login_session != 0 ? 1u : 0u);
    core_mutex_unlock(&token->lock);
}
