/* SPDX-License-Identifier: Apache-2.0
 *
 * Exclusive access to a module: closes the call gate, waits until no operation is in the module,
 * runs a function, and opens the gate again. While the gate is closed, new operations wait in
 * tok_module_enter. Functions named _locked are called with the gate's lock held.
 */
#include "pkcs11/recovery/recovery_private.h"

/* Also waits while `owner` (NULL: no token) is probed with the gate open. */
bool tok_gate_wait_recovery_locked(tok_context *ctx, const tok_token *owner)
{
    tok_gate *gate = ctx->gate;
    uint64_t until = core_deadline_us(ctx->config->defaults.session_wait_ms);
    bool in_time = true;
    while ((gate->closed || (owner != NULL && owner->probing)) && in_time)
        in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    return !gate->closed && !(owner != NULL && owner->probing);
}

void tok_gate_open_locked(tok_gate *gate)
{
    gate->closed = false;
    core_cond_broadcast(&gate->moved);
}

/* A call that hangs in the module cannot be canceled, and C_Finalize during a call is undefined. So
 * after `wait_ms` the gate opens again and the function fails. */
core_status tok_gate_close_locked(tok_context *ctx, unsigned wait_ms, core_err *err)
{
    tok_gate *gate = ctx->gate;
    uint64_t until = core_deadline_us(wait_ms);
    bool in_time = true;
    gate->closed = true;
    while (gate->inside > 0 && in_time)
        in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    if (gate->inside == 0)
        return ST_OK;
    tok_gate_open_locked(gate);
    return core_fail(err, ST_DEVICE, "module \"%s\": a call has not come back; %s",
                     ctx->config->module, core_status_next(ST_DEVICE));
}

core_status tok_gate_act_closed_locked(tok_context *ctx, tok_exclusive_op op, void *arg,
                                       core_err *err)
{
    core_sigpipe sigpipe;

    core_mutex_unlock(&ctx->gate->lock);
    core_sigpipe_block(&sigpipe);
    tok_check_enter();
    core_status st = op(arg, err);
    tok_check_exit();
    core_sigpipe_restore(&sigpipe);
    core_mutex_lock(&ctx->gate->lock);
    tok_gate_open_locked(ctx->gate);
    return st;
}

/* Tries to close the gate for tok_run_exclusive. All operations wait while the gate is closed, so
 * the gate is closed for a few milliseconds only, and opened again if a long call is still inside.
 * The next attempt, after EXCLUSIVE_SHARE times that period, waits twice as long. So failed
 * attempts close the gate for at most 1 / EXCLUSIVE_SHARE of the time, however many threads try.
 * Returns false if the gate is not closed; the next attempt is due at gate->alone_at_us. */
static bool try_close_locked(tok_context *ctx) CORE_REQUIRES(ctx->gate->lock)
{
    enum { EXCLUSIVE_FIRST_MS = 25, EXCLUSIVE_MAX_MS = 200, EXCLUSIVE_SHARE = 24 };
    const unsigned wait_ms =
        ctx->gate->alone_wait_ms != 0 ? ctx->gate->alone_wait_ms : EXCLUSIVE_FIRST_MS;

    if (core_now_us() < ctx->gate->alone_at_us)
        return false;
    if (tok_gate_close_locked(ctx, wait_ms, NULL) == ST_OK) {
        ctx->gate->alone_wait_ms = EXCLUSIVE_FIRST_MS;
        return true;
    }
    ctx->gate->alone_wait_ms = wait_ms * 2 < EXCLUSIVE_MAX_MS ? wait_ms * 2 : EXCLUSIVE_MAX_MS;
    ctx->gate->alone_at_us = core_deadline_us(wait_ms * EXCLUSIVE_SHARE);
    return false;
}

/* Sleeps without the gate's lock until the next attempt is due. Returns false when `until` has
 * passed. */
static bool wait_for_attempt_locked(tok_context *ctx, uint64_t until) CORE_REQUIRES(ctx->gate->lock)
{
    const uint64_t now = core_now_us();
    const uint64_t at = ctx->gate->alone_at_us < until ? ctx->gate->alone_at_us : until;

    core_mutex_unlock(&ctx->gate->lock);
    if (at > now)
        core_sleep_ms((unsigned)((at - now) / 1000 + 1));
    core_mutex_lock(&ctx->gate->lock);
    return core_now_us() < until;
}

core_status tok_run_exclusive(tok_context *ctx, unsigned wait_ms, tok_exclusive_op op, void *arg,
                              core_err *err)
{
    const uint64_t until = core_deadline_us(wait_ms);
    core_status st = ST_OK;
    bool closed = false;

    core_mutex_lock(&ctx->gate->lock);
    while (st == ST_OK && !closed) {
        if (!tok_gate_wait_recovery_locked(ctx, NULL) || !ctx->gate->initialised)
            st = core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                           core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
        else
            closed = try_close_locked(ctx);
        if (st == ST_OK && !closed && !wait_for_attempt_locked(ctx, until))
            st = ST_POOL_TIMEOUT; /* not a device failure: no recovery follows */
    }
    if (closed)
        st = tok_gate_act_closed_locked(ctx, op, arg, err);
    core_mutex_unlock(&ctx->gate->lock);
    tok_notes_flush(ctx->gate);
    return st;
}

bool tok_module_there_locked(const tok_gate *gate)
{
    return !gate->closed && gate->initialised;
}

bool tok_module_there(tok_context *ctx)
{
    core_mutex_lock(&ctx->gate->lock);
    bool there = tok_module_there_locked(ctx->gate);
    core_mutex_unlock(&ctx->gate->lock);
    return there;
}
