/* SPDX-License-Identifier: Apache-2.0
 *
 * Who puts things right, and when: one thread does, while the others wait at the gate, or, where
 * other tokens of the module are at work, go on: then the lost one is looked for with the gate
 * open, and the module is initialised anew for its sake only now and then (health.c).
 */
#include "pkcs11/recovery/recovery_private.h"

/* How long a reset beside others at work waits for their calls: they all wait with it. */
enum { SHARED_WAIT_MS = 200 };

/* What is to be put right. */
typedef struct recovery_job {
    tok_context *ctx;
    tok_token *owner; /* NULL: the module */
    bool known;       /* that it is gone */
    bool found;       /* the token, in `slot` */
    CK_SLOT_ID slot;
} recovery_job;

static core_status reset_exclusive(void *arg, core_err *err)
{
    const recovery_job *h = arg;
    return tok_reset_with_retries(h->ctx, h->owner, h->known, err);
}

static core_status reset_once(void *arg, core_err *err)
{
    const recovery_job *h = arg;
    return tok_reset(h->ctx, h->owner, err);
}

static core_status recover_shared(void *arg, core_err *err)
{
    const recovery_job *h = arg;
    return h->found ? tok_rebind_slot(h->owner, h->slot, err)
                    : tok_reset_shared(h->ctx, h->owner, err);
}

static core_status recover_exclusive_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    recovery_job h = {.ctx = ctx, .owner = owner, .known = atomic_load(&ctx->gate->health.down)};

    h.known |= owner != NULL && atomic_load(&owner->health.down);
    core_status st = tok_gate_close_locked(ctx, ctx->config->defaults.session_wait_ms, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, reset_exclusive, &h, err) : st;
}

/* Finds out where the token is, with the gate open: that may take as long as a dead line takes. */
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

/* Whether users are logged in to the token, which works. */
static bool works(tok_token *token)
{
    return token->present && !atomic_load(&token->health.down) && tok_login_users(token) > 0;
}

/* Whether users are logged in to any token that works, other than `asker`. */
static bool at_work_locked(const tok_gate *gate, const tok_token *owner) CORE_REQUIRES(gate->lock)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= token != owner && works(token);
    return any;
}

/* Whether a reset for the sake of one is due, and takes nothing of the others at work that does not
 * come back: a login whose PIN is not kept, a volatile key. */
static bool may_reset_shared_locked(tok_context *ctx, const tok_token *owner,
                                    const tok_health *health) CORE_REQUIRES(ctx->gate->lock)
{
    bool may = tok_reset_due(ctx, health);
    for (tok_token *token = NULL; (token = tok_gate_next(ctx->gate, token)) != NULL;)
        may &= token == owner || !works(token) ||
               (token->config->relogin && !tok_session_keys_any(token));
    return may;
}

static core_status recover_shared_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    recovery_job h = {.ctx = ctx, .owner = owner};
    core_status st = probe_locked(owner, &h.slot, err);

    h.found = st == ST_OK;
    if (h.found && owner->present && h.slot == owner->slot)
        return ST_OK;
    if (ctx->gate->closed || !ctx->gate->initialised) { /* somebody has been faster */
        return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                         core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
    }
    /* Another component finalised the module: it is gone for all of us. */
    if (atomic_load(&ctx->gate->uninitialised))
        return recover_exclusive_locked(ctx, owner, err);
    /* The waiting for a reset begins with the loss, which is noted afterwards. */
    if (!h.found &&
        (!atomic_load(&owner->health.down) || !may_reset_shared_locked(ctx, owner, &owner->health)))
        return st;
    st = tok_gate_close_locked(ctx, SHARED_WAIT_MS, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, recover_shared, &h, err) : st;
}

/* Whether there is anything left to heal; decided under the gate, and again after each wait. */
static bool is_recovered_locked(const tok_gate *gate, tok_token *owner, uint64_t module_generation)
    CORE_REQUIRES(gate->lock)
{
    if (!gate->initialised || atomic_load(&gate->uninitialised))
        return false;
    return owner == NULL ||
           (owner->present && atomic_load(&owner->module_generation) != module_generation);
}

/* Nothing is tried yet. While the module does not initialise, its answer is the better message. */
static core_status resting(const tok_context *ctx, core_err *err)
{
    const core_err *cause = &ctx->gate->cause;

    if (!ctx->gate->initialised && cause->text[0] != '\0')
        return core_fail(err, cause->status, "%s", cause->text);
    return core_fail(err, ST_DEVICE_BACKOFF, "module \"%s\": %s; %s", ctx->config->module,
                     core_status_text(ST_DEVICE_BACKOFF), core_status_next(ST_DEVICE_BACKOFF));
}

/* Recovers, and notes what came of it. */
static core_status recover_locked(tok_context *ctx, tok_token *owner, core_err *err)
    CORE_REQUIRES(ctx->gate->lock)
{
    tok_gate *gate = ctx->gate;
    core_err why = {0};
    core_status st = owner != NULL && gate->initialised && at_work_locked(gate, owner)
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
        st = tried ? recover_locked(ctx, owner, err) : resting(ctx, err);
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

/* Whether any context has users logged in to a token, even to one that is lost. */
static bool in_use_locked(const tok_gate *gate) CORE_REQUIRES(gate->lock)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= tok_login_users(token) > 0;
    return any;
}

/* Whether a look that initialises the module may be taken now. */
static bool may_probe_locked(tok_context *ctx, bool shared) CORE_REQUIRES(ctx->gate->lock)
{
    tok_gate *gate = ctx->gate;

    if (gate->closed || !gate->initialised || !tok_gate_may_finalize(gate) ||
        core_now_us() < gate->next_probe_us)
        return false;
    if (!in_use_locked(gate))
        return true;
    if (shared && !at_work_locked(gate, NULL))
        return true;
    if (shared && gate->absent.reset_s == 0) { /* the first time: now the waiting begins */
        gate->absent.reset_s = ctx->config->shared_reset_seconds;
        gate->absent.reset_at_us = core_now_us() + (uint64_t)gate->absent.reset_s * 1000000;
    }
    return shared && may_reset_shared_locked(ctx, NULL, &gate->absent);
}

/* Each look is followed by a pause that doubles, for most tokens that are looked for in vain are
 * typing errors. It begins anew when a token is found. */
static void pause_probes_locked(tok_gate *gate) CORE_REQUIRES(gate->lock)
{
    enum { FIRST_MS = 1000, LAST_MS = 10000 };
    const unsigned twice = gate->probe_pause_ms * 2;

    gate->probe_pause_ms = twice == 0 ? FIRST_MS : twice < LAST_MS ? twice : LAST_MS;
    gate->next_probe_us = core_now_us() + (uint64_t)gate->probe_pause_ms * 1000;
}

static bool probe_for_late(tok_context *ctx, bool shared)
{
    recovery_job h = {.ctx = ctx};
    core_status st = ST_DEVICE;

    core_mutex_lock(&ctx->gate->lock);
    const bool probes = may_probe_locked(ctx, shared);
    if (probes) {
        pause_probes_locked(ctx->gate);
        st = tok_gate_close_locked(
            ctx, shared ? SHARED_WAIT_MS : ctx->config->defaults.session_wait_ms, NULL);
    }
    if (st == ST_OK)
        st = tok_gate_act_closed_locked(ctx, shared ? recover_shared : reset_once, &h, NULL);
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
    return probe_for_late(ctx, shared);
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

    /* Nobody can log in to a token that is known to be gone. */
    if (core_status_class(st) == CORE_CLASS_DEVICE || !present)
        return recover_once(token->ctx, token, module_generation, err);
    st = tok_recover_login(token, err);
    /* That is how some losses come to light. */
    return core_status_class(st) == CORE_CLASS_DEVICE
               ? recover_once(token->ctx, token, module_generation, err)
               : st;
}
