/* SPDX-License-Identifier: Apache-2.0
 *
 * Enters and leaves the module. Each operation holds the call gate shared while it calls the
 * module; a recovery closes the gate and waits until no operation is inside. A module that is not
 * thread-safe is entered by one operation at a time (gate->serial).
 */
#include "pkcs11/session/key_private.h"

/* Acquires the gate shared. Waits up to session_wait_ms while it is closed. Returns false if it
 * stays closed or the module is not initialized. */
static bool gate_acquire_shared(tok_context *ctx, tok_call_scope *scope)
{
    tok_gate *gate = ctx->gate;

    core_mutex_lock(&gate->lock);
    if (gate->closed) {
        const uint64_t until = core_deadline_us(ctx->config->defaults.session_wait_ms);
        bool in_time = true;
        while (gate->closed && in_time)
            in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    }
    const bool open = !gate->closed && gate->initialised;
    if (open)
        gate->inside++;
    scope->serial = gate->serialize;
    core_mutex_unlock(&gate->lock);
    return open;
}

static void gate_release_shared(tok_gate *gate)
{
    core_mutex_lock(&gate->lock);
    if (--gate->inside == 0 && gate->closed)
        core_cond_broadcast(&gate->moved);
    core_mutex_unlock(&gate->lock);
}

core_status tok_module_enter(tok_context *ctx, tok_call_scope *scope, core_err *err)
    CORE_NO_ANALYSIS /* holds `serial` in some modules only */
{
    tok_fork_check(ctx);
    if (!gate_acquire_shared(ctx, scope)) {
        return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                         core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
    }
    if (scope->serial &&
        !tok_timed_lock_acquire(&ctx->gate->serial, ctx->config->defaults.session_wait_ms)) {
        gate_release_shared(ctx->gate);
        return core_fail(err, ST_POOL_TIMEOUT, "module \"%s\": another call has not come back",
                         ctx->config->module);
    }
    tok_check_enter();
    if (ctx->mask_sigpipe)
        core_sigpipe_block(&scope->sigpipe);
    scope->since_us = ctx->config->slow_call_ms > 0 ? core_now_us() : 0;
    return ST_OK;
}

void tok_module_exit(tok_context *ctx, tok_call_scope *scope,
                     const char *what) CORE_NO_ANALYSIS /* see tok_module_enter */
{
    const unsigned slow_ms = ctx->config->slow_call_ms;
    const uint64_t took_ms = slow_ms > 0 ? (core_now_us() - scope->since_us) / 1000 : 0;

    tok_check_exit();
    if (ctx->mask_sigpipe)
        core_sigpipe_restore(&scope->sigpipe);
    if (scope->serial)
        tok_timed_lock_release(&ctx->gate->serial);
    gate_release_shared(ctx->gate);
    if (atomic_load_explicit(&ctx->gate->notes.count, memory_order_relaxed) != 0)
        tok_notes_flush(ctx->gate);
    if (slow_ms > 0 && took_ms > slow_ms) {
        core_log(CORE_LOG_WARNING, "token \"%s\" took %lu ms for one operation", what,
                 (unsigned long)took_ms);
    }
}
