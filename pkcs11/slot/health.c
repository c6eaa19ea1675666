/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the module and of each token that may be gone: whether the log has said so, and
 * when it is looked for again. A failure is followed by a pause that doubles (0.1 s to 10 s), so
 * that what is gone costs its callers nothing but a clear error. One log line a change of state,
 * none a retry.
 */
#include "pkcs11/slot/slot_private.h"

unsigned tok_backoff_next(unsigned pause_ms)
{
    enum { FIRST_MS = 100, LAST_MS = 10000 };
    return pause_ms == 0 ? FIRST_MS : pause_ms < LAST_MS / 2 ? pause_ms * 2 : LAST_MS;
}

/* The module is what is gone while it is not initialised, else one token of it. */
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
    bool said =
        atomic_load(&ctx->gate->health.down) || (token != NULL && atomic_load(&token->health.down));

    if (!said) {
        tok_note_status(ctx->gate, CORE_LOG_ERROR,
                        health == &ctx->gate->health ? "module lost" : "token lost", st, err);
    }
    /* Told or not: from now on it is counted how long it is gone. */
    if (!atomic_exchange(&health->down, true)) {
        health->reset_s = ctx->config->shared_reset_seconds;
        health->reset_at_us = core_now_us() + (uint64_t)health->reset_s * 1000000;
    }
    health->backoff_ms = tok_backoff_next(health->backoff_ms);
    atomic_store(&health->retry_at_us, core_now_us() + (uint64_t)health->backoff_ms * 1000);
}

static bool well(tok_health *health)
{
    bool was_down = atomic_exchange(&health->down, false);
    health->backoff_ms = 0;
    atomic_store(&health->retry_at_us, 0);
    return was_down;
}

void tok_health_back(tok_context *ctx, tok_token *token)
{
    bool module = well(&ctx->gate->health);
    bool one = token != NULL && well(&token->health);

    if (one)
        tok_note(ctx->gate, CORE_LOG_INFO, "token \"%s\": back", token->info.label);
    else if (module)
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
    enum { SHARE = 20, DOUBLINGS = 64 };
    unsigned most = ctx->config->shared_reset_seconds * DOUBLINGS;
    uint64_t now = core_now_us();

    health->reset_s = health->reset_s * 2 < most ? health->reset_s * 2 : most;
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
