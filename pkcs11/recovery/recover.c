/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery. Exactly one thread recovers a failed token or module. Other threads block at the gate,
 * unless other tokens of the same module are in use; then they continue, and the failed token is
 * probed without closing the gate.
 *
 *   exclusive  No other token is in use, or the module is not initialized. The gate is closed, and
 *              the module is re-initialized unless the token answers (reset.c).
 *   shared     Other tokens are in use. The token is probed with the gate open. The gate is closed
 *              only to rebind the token to the slot where it was found, or, after
 *              shared_reset_seconds and at growing intervals (health.c), to re-initialize the
 *              module for a token that was not found.
 *
 * After a failed recovery the back-off of the token or module must elapse before the next one
 * (health.c). Functions named _locked are called with the gate's lock held. They release it while
 * they wait or call the module, so the state is checked again after each of them.
 */
#include "pkcs11/recovery/recovery_private.h"

/* How long a shared reset waits for calls that are in the module; all other calls wait as long. */
enum { SHARED_WAIT_MS = 200 };

/* The argument of the functions that run with the gate closed. */
typedef struct recovery_job {
    tok_context *ctx;
    tok_token *owner; /* the failed token; NULL: the module */
    bool known;       /* its loss is already known */
    bool found;       /* the probe found the token in `slot` */
    CK_SLOT_ID slot;
} recovery_job;

static core_status reset_exclusive(void *arg, core_err *err)
{
    const recovery_job *job = arg;
    return tok_reset_with_retries(job->ctx, job->owner, job->known, err);
}

static core_status reset_once(void *arg, core_err *err)
{
    const recovery_job *job = arg;
    return tok_reset(job->ctx, job->owner, err);
}

static core_status recover_shared(void *arg, core_err *err)
{
    const recovery_job *job = arg;
    return job->found ? tok_rebind_slot(job->owner, job->slot, err)
                      : tok_reset_shared(job->ctx, job->owner, err);
}

static core_status fail_unavailable(const tok_context *ctx, core_err *err)
{
    return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                     core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
}

static core_status recover_exclusive_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    recovery_job job = {.ctx = ctx, .owner = owner, .known = atomic_load(&ctx->gate->health.down)};

    job.known |= owner != NULL && atomic_load(&owner->health.down);
    core_status st = tok_gate_close_locked(ctx, ctx->config->defaults.session_wait_ms, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, reset_exclusive, &job, err) : st;
}

/* Finds the slot of the token and opens a session there, with the gate open, because on a broken
 * network connection the calls return only after its timeout. Other threads that need the token
 * wait for `probing` (tok_gate_wait_recovery_locked). */
static core_status probe_locked(tok_token *owner, CK_SLOT_ID *slot, core_err *err)
    CORE_REQUIRES(owner->ctx->gate->lock)
{
    tok_context *ctx = owner->ctx;
    tok_call_scope scope;

    owner->probing = true;
    core_mutex_unlock(&owner->ctx->gate->lock);
    core_status st = tok_module_enter(ctx, &scope, err);
    if (st == ST_OK) {
        st = tok_slot_probe(owner, slot, err);
        if (st == ST_OK && !tok_slot_answers(ctx, *slot)) {
            st = core_fail(err, ST_DEVICE, "token \"%s\": it opens no session; %s",
                           owner->info.label, core_status_next(ST_DEVICE));
        }
        tok_module_exit(ctx, &scope, owner->info.label);
    }
    core_mutex_lock(&owner->ctx->gate->lock);
    owner->probing = false;
    core_cond_broadcast(&ctx->gate->moved);
    return st;
}

/* True if users are logged in to the token and it is available. */
static bool is_active(tok_token *token)
{
    return token->present && !atomic_load(&token->health.down) && tok_login_users(token) > 0;
}

/* True if any token other than `owner` is active, in any context. */
static bool others_active_locked(const tok_gate *gate, const tok_token *owner)
    CORE_REQUIRES(gate->lock)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= token != owner && is_active(token);
    return any;
}

/* True if the module may be re-initialized to recover one token: the interval has elapsed, and no
 * other active token would lose state we cannot restore (a login without a cached PIN, or a session
 * key). */
static bool may_reset_shared_locked(tok_context *ctx, const tok_token *owner,
                                    const tok_health *health) CORE_REQUIRES(ctx->gate->lock)
{
    bool may = tok_reset_due(ctx, health);
    for (tok_token *token = NULL; (token = tok_gate_next(ctx->gate, token)) != NULL;)
        may &= token == owner || !is_active(token) ||
               (token->config->relogin && !tok_session_keys_any(token));
    return may;
}

/* True if the module may be re-initialized for a token that the probe did not find. Not at the
 * first failure: the caller records the loss then (tok_health_lost), which starts the interval. */
static bool may_reset_for_lost_locked(tok_context *ctx, const tok_token *owner)
    CORE_REQUIRES(ctx->gate->lock)
{
    return atomic_load(&owner->health.down) && may_reset_shared_locked(ctx, owner, &owner->health);
}

/* Recovers `owner` while other tokens of the module are active. Only recover_locked calls it. */
static core_status recover_shared_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    recovery_job job = {.ctx = ctx, .owner = owner};
    core_status st = probe_locked(owner, &job.slot, err);

    job.found = st == ST_OK;
    if (job.found && owner->present && job.slot == owner->slot) /* the device did not fail */
        return ST_OK;
    if (ctx->gate->closed || !ctx->gate->initialised) /* another recovery began during the probe */
        return fail_unavailable(ctx, err);
    if (atomic_load(&ctx->gate->uninitialised)) /* another component called C_Finalize */
        return recover_exclusive_locked(ctx, owner, err);
    if (!job.found && !may_reset_for_lost_locked(ctx, owner))
        return st;
    st = tok_gate_close_locked(ctx, SHARED_WAIT_MS, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, recover_shared, &job, err) : st;
}

/* True if nothing is left to recover: the module is initialized, and the token is present with
 * another module generation than the one in which the caller's operation failed. */
static bool is_recovered_locked(const tok_gate *gate, tok_token *owner, uint64_t module_generation)
    CORE_REQUIRES(gate->lock)
{
    if (!gate->initialised || atomic_load(&gate->uninitialised))
        return false;
    return owner == NULL ||
           (owner->present && atomic_load(&owner->module_generation) != module_generation);
}

/* Fails because the back-off has not elapsed. If C_Initialize failed, its error is the more helpful
 * text. */
static core_status fail_backoff(const tok_context *ctx, core_err *err)
{
    const core_err *cause = &ctx->gate->cause;

    if (!ctx->gate->initialised && cause->text[0] != '\0')
        return core_fail(err, cause->status, "%s", cause->text);
    return core_fail(err, ST_DEVICE_BACKOFF, "module \"%s\": %s; %s", ctx->config->module,
                     core_status_text(ST_DEVICE_BACKOFF), core_status_next(ST_DEVICE_BACKOFF));
}

/* Recovers in the mode that applies, and records the result in the health of token and module. */
static core_status recover_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    tok_gate *gate = ctx->gate;
    core_err why = {0};
    core_status st = owner != NULL && gate->initialised && others_active_locked(gate, owner)
                         ? recover_shared_locked(ctx, owner, &why)
                         : recover_exclusive_locked(ctx, owner, &why);

    if (st == ST_OK)
        tok_health_back(ctx, owner);
    else
        tok_health_lost(ctx, owner, st, &why);
    gate->cause = (core_err){0};
    if (st == ST_MODULE_INIT && !gate->initialised)
        gate->cause = why;
    return st == ST_OK ? st : core_fail(err, st, "%s", core_err_text(&why, st));
}

/* Single-flight recovery of a token (`owner`), or of the module if `owner` is NULL. The first
 * thread recovers; threads that come during the recovery wait for it and return ST_OK without a
 * second one if it succeeded. `module_generation` is the token's when the caller's operation
 * failed; a later one shows that another thread has recovered it since. Any thread may call it,
 * outside the gate and without locks. ST_DEVICE_BACKOFF: the back-off has not elapsed. */
static core_status recover_once(tok_context *ctx, tok_token *owner, uint64_t module_generation,
                                core_err *err)
{
    tok_gate *gate = ctx->gate;
    core_status st = ST_OK;
    bool tried = false;

    core_mutex_lock(&gate->lock);
    if (!tok_gate_wait_recovery_locked(ctx, owner)) {
        st = core_fail(err, ST_DEVICE, "module \"%s\": its recovery takes long; %s",
                       ctx->config->module, core_status_next(ST_DEVICE));
    } else if (!is_recovered_locked(gate, owner, module_generation)) {
        tried = !tok_health_resting(ctx, owner);
        st = tried ? recover_locked(ctx, owner, err) : fail_backoff(ctx, err);
    }
    core_mutex_unlock(&gate->lock);
    tok_notes_flush(gate);
    if (tried)
        tok_gate_visit(gate, tok_login_tidy);
    return st;
}

core_status tok_context_ready(tok_context *ctx, core_err *err)
{
    tok_fork_check(ctx);
    return recover_once(ctx, NULL, 0, err);
}

/* True if users are logged in to any token of any context, even to an unavailable one. */
static bool in_use_locked(const tok_gate *gate) CORE_REQUIRES(gate->lock)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= tok_login_users(token) > 0;
    return any;
}

/* True if the module may be re-initialized now to probe for new tokens. `shared`: even while tokens
 * are in use, if the interval for that has elapsed. */
static bool may_probe_locked(tok_context *ctx, bool shared) CORE_REQUIRES(ctx->gate->lock)
{
    tok_gate *gate = ctx->gate;

    if (gate->closed || !gate->initialised || !tok_gate_may_finalize(gate) ||
        core_now_us() < gate->next_probe_us)
        return false;
    if (!in_use_locked(gate))
        return true;
    if (shared && !others_active_locked(gate, NULL))
        return true;
    if (shared && gate->absent.reset_s == 0) { /* the first request starts the interval */
        gate->absent.reset_s = ctx->config->shared_reset_seconds;
        gate->absent.reset_at_us = core_now_us() + (uint64_t)gate->absent.reset_s * 1000000;
    }
    return shared && may_reset_shared_locked(ctx, NULL, &gate->absent);
}

/* Starts the pause after a probe. It doubles, because most tokens that no probe finds are
 * misspelled names. tok_context_found resets it. */
static void pause_probes_locked(tok_gate *gate) CORE_REQUIRES(gate->lock)
{
    enum { FIRST_MS = 1000, LAST_MS = 10000 };
    const unsigned twice = gate->probe_pause_ms * 2;

    gate->probe_pause_ms = twice == 0 ? FIRST_MS : twice < LAST_MS ? twice : LAST_MS;
    gate->next_probe_us = core_now_us() + (uint64_t)gate->probe_pause_ms * 1000;
}

/* Re-initializes the module if that is allowed, so that it lists tokens that were plugged in later.
 * Returns true if it was re-initialized. */
static bool probe_new_tokens(tok_context *ctx, bool shared)
{
    recovery_job job = {.ctx = ctx};
    core_status st = ST_DEVICE;

    core_mutex_lock(&ctx->gate->lock);
    const bool probes = may_probe_locked(ctx, shared);
    if (probes) {
        pause_probes_locked(ctx->gate);
        st = tok_gate_close_locked(
            ctx, shared ? SHARED_WAIT_MS : ctx->config->defaults.session_wait_ms, NULL);
    }
    if (st == ST_OK)
        st = tok_gate_act_closed_locked(ctx, shared ? recover_shared : reset_once, &job, NULL);
    core_mutex_unlock(&ctx->gate->lock);
    tok_notes_flush(ctx->gate);
    if (probes)
        tok_gate_visit(ctx->gate, tok_login_tidy);
    return st == ST_OK;
}

bool tok_context_probe_again(tok_context *ctx, bool shared)
{
    if (atomic_load(&ctx->gate->uninitialised))
        return recover_once(ctx, NULL, 0, NULL) == ST_OK;
    return probe_new_tokens(ctx, shared);
}

void tok_context_found(tok_context *ctx)
{
    core_mutex_lock(&ctx->gate->lock);
    ctx->gate->probe_pause_ms = 0;
    ctx->gate->absent.reset_s = 0;
    core_mutex_unlock(&ctx->gate->lock);
}

void tok_mark_unavailable(tok_token *token, core_status st, const core_err *err)
{
    tok_gate *gate = token->ctx->gate;

    core_mutex_lock(&gate->lock);
    if (tok_module_there_locked(gate) && !atomic_load(&token->health.down))
        tok_health_lost(token->ctx, token, st, err);
    core_mutex_unlock(&gate->lock);
    tok_notes_flush(gate);
}

core_status tok_recover_login(tok_token *token, core_err *err)
{
    tok_call_scope scope;
    core_status st = tok_module_enter(token->ctx, &scope, err);

    if (st == ST_OK) {
        st = tok_login_again(token, err);
        tok_module_exit(token->ctx, &scope, token->info.label);
        tok_login_tidy(token);
    }
    return st;
}

core_status tok_recover(tok_token *token, core_status st, uint64_t module_generation, core_err *err)
{
    const bool present = token->present;

    /* Do not try to log in to a token that is known to be unavailable. */
    if (core_status_class(st) == CORE_CLASS_DEVICE || !present)
        return recover_once(token->ctx, token, module_generation, err);
    st = tok_recover_login(token, err);
    /* A lost device may show first as a lost login. */
    return core_status_class(st) == CORE_CLASS_DEVICE
               ? recover_once(token->ctx, token, module_generation, err)
               : st;
}
