/* SPDX-License-Identifier: Apache-2.0
 *
 * Availability of the module and of each token: whether the log reports it as lost, and when the
 * next recovery may be tried. The back-off doubles with each failed recovery (0.1 s to 10 s); until
 * it has elapsed, calls fail at once with a clear error. Each change of state is logged once,
 * retries are not logged. Called with the gate's lock held, except tok_reset_done (with the gate
 * closed) and tok_mark_available (which takes the lock).
 */
#include "pkcs11/slot/slot_private.h"

unsigned tok_backoff_next(unsigned pause_ms)
{
    enum { FIRST_MS = 100, LAST_MS = 10000 };
    return pause_ms == 0 ? FIRST_MS : pause_ms < LAST_MS / 2 ? pause_ms * 2 : LAST_MS;
}

/* The record to use: the token's, or the module's while the module is not initialized or if there
 * is no token. */
static tok_health *health_of(tok_context *ctx, tok_token *token)
{
    return token != NULL && ctx->gate->initialised ? &token->health : &ctx->gate->health;
}

bool tok_health_resting(tok_context *ctx, tok_token *token)
{
    return core_now_us() < atomic_load(&health_of(ctx, token)->retry_at_us);
}

void tok_health_lost(tok_context *ctx, tok_token *token, core_status st, const core_err *err)
{
    tok_health *health = health_of(ctx, token);
    const bool logged =
        atomic_load(&ctx->gate->health.down) || (token != NULL && atomic_load(&token->health.down));

    if (!logged) {
        tok_note_status(ctx->gate, CORE_LOG_ERROR,
                        health == &ctx->gate->health ? "module lost" : "token lost", st, err);
    }
    /* shared_reset_seconds count from here, whether the loss was logged or not. */
    if (!atomic_exchange(&health->down, true)) {
        health->reset_s = ctx->config->shared_reset_seconds;
        health->reset_at_us = core_now_us() + (uint64_t)health->reset_s * 1000000;
    }
    health->backoff_ms = tok_backoff_next(health->backoff_ms);
    atomic_store(&health->retry_at_us, core_now_us() + (uint64_t)health->backoff_ms * 1000);
}

/* Clears the back-off. Returns true if the record was marked as down. */
static bool mark_up(tok_health *health)
{
    bool was_down = atomic_exchange(&health->down, false);
    health->backoff_ms = 0;
    atomic_store(&health->retry_at_us, 0);
    return was_down;
}

void tok_health_back(tok_context *ctx, tok_token *token)
{
    const bool module_was_down = mark_up(&ctx->gate->health);
    const bool token_was_down = token != NULL && mark_up(&token->health);

    if (token_was_down)
        tok_note(ctx->gate, CORE_LOG_INFO, "token \"%s\": back", token->info.label);
    else if (module_was_down)
        tok_note(ctx->gate, CORE_LOG_INFO, "module \"%s\": back", ctx->config->module);
}

bool tok_reset_due(tok_context *ctx, const tok_health *health)
{
    uint64_t now = core_now_us();
    return ctx->config->shared_reset_seconds != 0 && now >= health->reset_at_us &&
           now >= ctx->gate->reset_after_us;
}

void tok_reset_done(tok_context *ctx, tok_health *health, uint64_t took_us)
{
    /* The interval doubles up to 64 times its configured value, and shared resets take at most 1/20
     * of the time, however many tokens are lost. */
    enum { SHARE = 20, INTERVAL_FACTOR_MAX = 64 };
    const unsigned longest = ctx->config->shared_reset_seconds * INTERVAL_FACTOR_MAX;
    const uint64_t now = core_now_us();

    health->reset_s = health->reset_s * 2 < longest ? health->reset_s * 2 : longest;
    health->reset_at_us = now + (uint64_t)health->reset_s * 1000000;
    ctx->gate->reset_after_us = now + took_us * SHARE;
}

void tok_mark_available(tok_token *token)
{
    tok_gate *gate = token->ctx->gate;

    if (token->present && !atomic_load(&token->health.down))
        return;
    core_mutex_lock(&gate->lock);
    token->present = true;
    tok_health_back(token->ctx, token);
    core_mutex_unlock(&gate->lock);
}
