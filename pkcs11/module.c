/* SPDX-License-Identifier: Apache-2.0
 *
 * The contexts that use one loaded library, and the gate they share: joining and leaving, the last
 * C_Finalize, a forked child, and log lines that wait until the gate is left.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "pkcs11/loader_private.h"
#include "pkcs11/tok_private.h"

static void init_locks(tok_gate *gate)
{
    core_mutex_init(&gate->lock);
    core_cond_init(&gate->moved);
    tok_turn_init(&gate->serial);
    core_mutex_init(&gate->notes.lock);
}

tok_gate *tok_gate_make(void)
{
    tok_gate *gate = core_calloc(1, sizeof *gate);

    if (gate == NULL)
        return NULL;
    init_locks(gate);
    atomic_store(&gate->pid, core_process_id());
    return gate;
}

/* --- joining and leaving --- */

static bool wants_serial(const tok_context *ctx)
{
    return ctx->config->serialize == CORE_YES ||
           (ctx->config->serialize == CORE_AUTO && ctx->library.alone);
}

/* Lets operations that do not hold `serial` come out, so that none is beside one that does. One
 * that hangs in the module is not waited for. */
static void drain_locked(tok_gate *gate, unsigned wait_ms)
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
static void begin_locked(tok_gate *gate)
{
    gate->never = false;
    gate->serialize = gate->cannot_lock;
    atomic_store(&gate->health.down, false);
    atomic_store(&gate->health.retry_at_us, 0);
    gate->health.backoff_ms = 0;
    gate->absent = (tok_health){0};
    gate->look_at_us = gate->reset_after_us = 0;
    gate->look_pause_ms = 0;
    gate->cause = (core_err){0};
}

void tok_gate_attach(tok_context *ctx)
{
    tok_gate *gate = ctx->gate;

    tok_gate_fork_check(gate);
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

/* Nobody is in the module: there is no context, and none is opened meanwhile. */
void tok_gate_finalize_unused(tok_gate *gate, const tok_context *last)
{
    core_mutex_lock(&gate->lock);
    const bool due =
        atomic_load(&gate->contexts) == NULL && gate->initialised && tok_gate_may_finalize(gate);
    core_mutex_unlock(&gate->lock);
    if (!due || tok_module_shared())
        return;
    const CK_RV rv = tok_library_finalize(&last->library, last->config);
    core_mutex_lock(&gate->lock);
    gate->initialised = false;
    gate->own = rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED; /* what is left is ours */
    core_mutex_unlock(&gate->lock);
}

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

/* Tokens are only ever added, at the front of their context's list. */
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

/* --- after a fork --- */

static void token_forget_process(tok_token *token)
{
    tok_token_locks(token);
    tok_pool_drain(token, true);
    tok_stale_forget(token);
    token->keeper = 0;
    token->indexed_at_us = 0;
    tok_login_lost(token);
    token->looking = false;
    atomic_fetch_add(&token->epoch, 1);
}

static void context_forget_process(tok_context *ctx)
{
    ctx->visits = 0;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
        token_forget_process(token);
    for (tok_token *group = ctx->groups; group != NULL; group = group->next) {
        token_forget_process(group);
        tok_group_forget_process(group);
    }
}

/* In a child all locks may be held by threads that do not exist, sessions belong to the parent, and
 * the module has to be initialised again. One thread of the child puts that right, the others wait.
 * Nothing is done in an atfork handler: those run with the host's locks held. */
void tok_gate_fork_check(tok_gate *gate)
{
    const uint32_t pid = core_process_id();
    uint32_t none = 0;

    if (atomic_load(&gate->pid) == pid)
        return;
    none = atomic_load(&gate->fork_pid);
    if (none != pid && atomic_compare_exchange_strong(&gate->fork_pid, &none, pid)) {
        init_locks(gate);
        gate->inside = 0;
        gate->closed = gate->initialised = gate->own = false;
        atomic_store(&gate->uninitialised, false);
        atomic_store(&gate->notes.count, 0);
        atomic_store(&gate->health.retry_at_us, 0);
        for (tok_context *ctx = atomic_load(&gate->contexts); ctx != NULL;
             ctx = atomic_load(&ctx->gate_next))
            context_forget_process(ctx);
        atomic_store(&gate->pid, pid);
        return;
    }
    while (atomic_load(&gate->pid) != pid)
        core_sleep_ms(1);
}

void tok_fork_check(tok_context *ctx)
{
    tok_gate_fork_check(ctx->gate);
}

/* --- log lines --- */

void tok_note(tok_gate *gate, core_level level, const char *format, ...)
{
    tok_notes *notes = &gate->notes;
    tok_note_line line = {.level = level};
    va_list args;

    if (!core_log_enabled(level))
        return;
    va_start(args, format);
    (void)vsnprintf(line.text, sizeof line.text, format, args);
    va_end(args);
    core_mutex_lock(&notes->lock);
    const unsigned count = atomic_load(&notes->count);
    if (count < TOK_NOTES_MAX) {
        notes->lines[count] = line;
        atomic_store(&notes->count, count + 1);
    } else {
        notes->lost++;
    }
    core_mutex_unlock(&notes->lock);
}

void tok_note_status(tok_gate *gate, core_level level, const char *where, core_status st,
                     const core_err *err)
{
    tok_note(gate, level, "%s: %s: %s", where, core_status_name(st), core_err_text(err, st));
}

/* Takes the oldest line out; false: there is none. */
static bool take_note(tok_notes *notes, tok_note_line *line, unsigned *lost)
{
    if (atomic_load_explicit(&notes->count, memory_order_relaxed) == 0)
        return false;
    core_mutex_lock(&notes->lock);
    const unsigned count = atomic_load(&notes->count);
    if (count > 0) {
        *line = notes->lines[0];
        memmove(notes->lines, notes->lines + 1, (count - 1) * sizeof *notes->lines);
        atomic_store(&notes->count, count - 1);
        *lost = notes->lost;
        notes->lost = 0;
    }
    core_mutex_unlock(&notes->lock);
    return count > 0;
}

void tok_notes_flush(tok_gate *gate)
{
    tok_note_line line;
    unsigned lost = 0;

    while (take_note(&gate->notes, &line, &lost)) {
        core_log(line.level, "%s", line.text);
        if (lost > 0)
            core_log(CORE_LOG_WARNING, "%u lines after this one are missing", lost);
    }
}
