/* SPDX-License-Identifier: Apache-2.0
 *
 * The contexts that use one loaded library, and the gate they share: joining and leaving, the last
 * C_Finalize, a forked child, and log lines that wait until the gate is left.
 */
#include "pkcs11/module/loader_private.h"
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/module/module_private.h"

void tok_gate_init_locks(tok_gate *gate)
{
    core_mutex_init(&gate->lock);
    core_cond_init(&gate->moved);
    tok_timed_lock_init(&gate->serial);
    core_mutex_init(&gate->notes.lock);
}

tok_gate *tok_gate_make(void)
{
    tok_gate *gate = core_calloc(1, sizeof *gate);

    if (gate == NULL)
        return NULL;
    tok_gate_init_locks(gate);
    atomic_store(&gate->pid, core_process_id());
    return gate;
}

static bool wants_serial(const tok_context *ctx)
{
    return ctx->config->serialize == CORE_YES ||
           (ctx->config->serialize == CORE_AUTO && ctx->library.alone);
}

/* Lets operations that do not hold `serial` come out, so that none is beside one that does. One
 * that hangs in the module is not waited for. */
static void drain_locked(tok_gate *gate, unsigned wait_ms) CORE_REQUIRES(gate->lock)
{
    const uint64_t until = core_deadline_us(wait_ms);
    bool in_time = true;

    while (gate->closed && in_time)
        in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    if (gate->closed)
        return;
    gate->closed = true;
    while (gate->inside > 0 && in_time)
        in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    gate->closed = false;
    core_cond_broadcast(&gate->moved);
}

/* For the first context: no policy and no pause of those before it holds. */
static void begin_locked(tok_gate *gate) CORE_REQUIRES(gate->lock)
{
    gate->never = false;
    gate->serialize = gate->cannot_lock;
    atomic_store(&gate->health.down, false);
    atomic_store(&gate->health.retry_at_us, 0);
    gate->health.backoff_ms = 0;
    gate->absent = (tok_health){0};
    gate->next_probe_us = gate->reset_after_us = 0;
    gate->probe_pause_ms = 0;
    gate->cause = (core_err){0};
}

void tok_gate_attach(tok_context *ctx)
{
    tok_gate *gate = ctx->gate;

    core_mutex_lock(&gate->lock);
    tok_context *first = atomic_load(&gate->contexts);
    if (first == NULL)
        begin_locked(gate);
    gate->never |= ctx->config->finalize == CORE_FINALIZE_NEVER;
    if (wants_serial(ctx) && !gate->serialize) {
        gate->serialize = true;
        drain_locked(gate, ctx->config->defaults.session_wait_ms);
    }
    atomic_store(&ctx->gate_next, first);
    atomic_store(&gate->contexts, ctx);
    core_mutex_unlock(&gate->lock);
}

bool tok_gate_detach(tok_context *ctx)
{
    tok_gate *gate = ctx->gate;
    const uint64_t until = core_deadline_us(ctx->config->defaults.session_wait_ms);
    bool in_time = true;

    core_mutex_lock(&gate->lock);
    while ((gate->closed || ctx->visits > 0) && in_time)
        in_time = core_cond_wait_until(&gate->moved, &gate->lock, until);
    const bool free = !gate->closed && ctx->visits == 0;
    if (free) {
        _Atomic(tok_context *) *at = &gate->contexts;
        while (atomic_load(at) != ctx)
            at = &atomic_load(at)->gate_next;
        atomic_store(at, atomic_load(&ctx->gate_next));
    }
    core_mutex_unlock(&gate->lock);
    return free;
}

bool tok_gate_may_finalize(const tok_gate *gate)
{
    return gate->own && !gate->never;
}
