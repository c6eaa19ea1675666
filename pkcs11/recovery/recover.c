/* SPDX-License-Identifier: Apache-2.0
 *
 * Who puts things right, and when: one thread does, while the others wait at the gate, or, where
 * other tokens of the module are at work, go on: then the lost one is looked for with the gate
 * open, and the module is initialised anew for its sake only now and then (health.c).
 */
#include "pkcs11/recovery/recovery_private.h"

/* How long a reset beside others at work waits for their calls: they all wait with it. */
enum { BESIDE_WAIT_MS = 200 };

/* What is to be put right. */
typedef struct healing {
    tok_context *ctx;
    tok_token *asker; /* NULL: the module */
    bool known;       /* that it is gone */
    bool found;       /* the token, in `slot` */
    CK_SLOT_ID slot;
} healing;

static core_status reset_alone(void *arg, core_err *err)
{
    const healing *h = arg;
    return tok_reset_patiently(h->ctx, h->asker, h->known, err);
}

static core_status reset_once(void *arg, core_err *err)
{
    const healing *h = arg;
    return tok_reset(h->ctx, h->asker, err);
}

static core_status heal_beside(void *arg, core_err *err)
{
    const healing *h = arg;
    return h->found ? tok_move(h->asker, h->slot, err) : tok_reset_beside(h->ctx, h->asker, err);
}

static core_status heal_alone_locked(tok_context *ctx, tok_token *asker, core_err *err)
{
    healing h = {.ctx = ctx, .asker = asker, .known = atomic_load(&ctx->gate->health.down)};

    h.known |= asker != NULL && atomic_load(&asker->health.down);
    core_status st = tok_gate_close_locked(ctx, ctx->config->defaults.session_wait_ms, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, reset_alone, &h, err) : st;
}

/* Finds out where the token is, with the gate open: that may take as long as a dead line takes. */
static core_status look_locked(tok_token *asker, CK_SLOT_ID *slot, core_err *err)
{
    tok_context *ctx = asker->ctx;
    tok_stay stay;

    asker->looking = true;
    core_mutex_unlock(&ctx->gate->lock);
    core_status st = tok_enter(ctx, &stay, err);
    if (st == ST_OK) {
        st = tok_slot_look(asker, slot, err);
        if (st == ST_OK && !tok_slot_answers(ctx, *slot)) {
            st = core_fail(err, ST_DEVICE, "token \"%s\": it opens no session; %s",
                           asker->info.label, core_status_next(ST_DEVICE));
        }
        tok_leave(ctx, &stay, asker->info.label);
    }
    core_mutex_lock(&ctx->gate->lock);
    asker->looking = false;
    core_cond_broadcast(&ctx->gate->moved);
    return st;
}

/* Whether users are logged in to the token, which works. */
static bool works(tok_token *token)
{
    return token->present && !atomic_load(&token->health.down) && tok_login_users(token) > 0;
}

/* Whether users are logged in to any token that works, other than `asker`. */
static bool at_work_locked(const tok_gate *gate, const tok_token *asker)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= token != asker && works(token);
    return any;
}

/* Whether a reset for the sake of one is due, and takes nothing of the others at work that does not
 * come back: a login whose PIN is not kept, a volatile key. */
static bool may_reset_beside_locked(tok_context *ctx, const tok_token *asker,
                                    const tok_health *health)
{
    bool may = tok_reset_due(ctx, health);
    for (tok_token *token = NULL; (token = tok_gate_next(ctx->gate, token)) != NULL;)
        may &=
            token == asker || !works(token) || (token->config->relogin && !tok_volatile_any(token));
    return may;
}

static core_status heal_beside_locked(tok_context *ctx, tok_token *asker, core_err *err)
{
    healing h = {.ctx = ctx, .asker = asker};
    core_status st = look_locked(asker, &h.slot, err);

    h.found = st == ST_OK;
    if (h.found && asker->present && h.slot == asker->slot)
        return ST_OK;
    if (ctx->gate->closed || !ctx->gate->initialised) { /* somebody has been faster */
        return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                         core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
    }
    /* Another component finalised the module: it is gone for all of us. */
    if (atomic_load(&ctx->gate->uninitialised))
        return heal_alone_locked(ctx, asker, err);
    /* The waiting for a reset begins with the loss, which is noted afterwards. */
    if (!h.found &&
        (!atomic_load(&asker->health.down) || !may_reset_beside_locked(ctx, asker, &asker->health)))
        return st;
    st = tok_gate_close_locked(ctx, BESIDE_WAIT_MS, err);
    return st == ST_OK ? tok_gate_act_closed_locked(ctx, heal_beside, &h, err) : st;
}

/* Whether there is anything left to heal; decided under the gate, and again after each wait. */
static bool healed_locked(const tok_gate *gate, tok_token *asker, uint64_t epoch)
{
    if (!gate->initialised || atomic_load(&gate->uninitialised))
        return false;
    return asker == NULL || (asker->present && atomic_load(&asker->epoch) != epoch);
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
static core_status fly_locked(tok_context *ctx, tok_token *asker, core_err *err)
{
    tok_gate *gate = ctx->gate;
    core_err why = {0};
    core_status st = asker != NULL && gate->initialised && at_work_locked(gate, asker)
                         ? heal_beside_locked(ctx, asker, &why)
                         : heal_alone_locked(ctx, asker, &why);

    if (st == ST_OK)
        tok_health_back(ctx, asker);
    else
        tok_health_lost(ctx, asker, st, &why);
    gate->cause = (core_err){0};
    if (st == ST_MODULE_INIT && !gate->initialised)
        gate->cause = why;
    return st == ST_OK ? st : core_fail(err, st, "%s", core_err_text(&why, st));
}

static core_status fly(tok_context *ctx, tok_token *asker, uint64_t epoch, core_err *err)
{
    tok_gate *gate = ctx->gate;
    core_status st = ST_OK;
    bool flown = false;

    core_mutex_lock(&gate->lock);
    if (!tok_gate_await_flight_locked(ctx, asker)) {
        st = core_fail(err, ST_DEVICE, "module \"%s\": its recovery takes long; %s",
                       ctx->config->module, core_status_next(ST_DEVICE));
    } else if (!healed_locked(gate, asker, epoch)) {
        flown = !tok_health_resting(ctx, asker);
        st = flown ? fly_locked(ctx, asker, err) : resting(ctx, err);
    }
    core_mutex_unlock(&gate->lock);
    tok_notes_flush(gate);
    if (flown)
        tok_gate_visit(gate, tok_login_tidy);
    return st;
}

core_status tok_context_ready(tok_context *ctx, core_err *err)
{
    tok_fork_check(ctx);
    return fly(ctx, NULL, 0, err);
}

/* Whether any context has users logged in to a token, even to one that is lost. */
static bool in_use_locked(const tok_gate *gate)
{
    bool any = false;
    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        any |= tok_login_users(token) > 0;
    return any;
}

/* Whether a look that initialises the module may be taken now. */
static bool may_look_locked(tok_context *ctx, bool beside)
{
    tok_gate *gate = ctx->gate;

    if (gate->closed || !gate->initialised || !tok_gate_may_finalize(gate) ||
        core_now_us() < gate->look_at_us)
        return false;
    if (!in_use_locked(gate))
        return true;
    if (beside && !at_work_locked(gate, NULL))
        return true;
    if (beside && gate->absent.reset_s == 0) { /* the first time: now the waiting begins */
        gate->absent.reset_s = ctx->config->shared_reset_seconds;
        gate->absent.reset_at_us = core_now_us() + (uint64_t)gate->absent.reset_s * 1000000;
    }
    return beside && may_reset_beside_locked(ctx, NULL, &gate->absent);
}

/* Each look is followed by a pause that doubles, for most tokens that are looked for in vain are
 * typing errors. It begins anew when a token is found. */
static void pause_looks_locked(tok_gate *gate)
{
    enum { FIRST_MS = 1000, LAST_MS = 10000 };
    const unsigned twice = gate->look_pause_ms * 2;

    gate->look_pause_ms = twice == 0 ? FIRST_MS : twice < LAST_MS ? twice : LAST_MS;
    gate->look_at_us = core_now_us() + (uint64_t)gate->look_pause_ms * 1000;
}

static bool look_for_late(tok_context *ctx, bool beside)
{
    healing h = {.ctx = ctx};
    core_status st = ST_DEVICE;

    core_mutex_lock(&ctx->gate->lock);
    const bool looks = may_look_locked(ctx, beside);
    if (looks) {
        pause_looks_locked(ctx->gate);
        st = tok_gate_close_locked(
            ctx, beside ? BESIDE_WAIT_MS : ctx->config->defaults.session_wait_ms, NULL);
    }
    if (st == ST_OK)
        st = tok_gate_act_closed_locked(ctx, beside ? heal_beside : reset_once, &h, NULL);
    core_mutex_unlock(&ctx->gate->lock);
    tok_notes_flush(ctx->gate);
    if (looks)
        tok_gate_visit(ctx->gate, tok_login_tidy);
    return st == ST_OK;
}

bool tok_context_look_again(tok_context *ctx, bool beside)
{
    if (atomic_load(&ctx->gate->uninitialised))
        return fly(ctx, NULL, 0, NULL) == ST_OK;
    return look_for_late(ctx, beside);
}

void tok_context_found(tok_context *ctx)
{
    core_mutex_lock(&ctx->gate->lock);
    ctx->gate->look_pause_ms = 0;
    ctx->gate->absent.reset_s = 0;
    core_mutex_unlock(&ctx->gate->lock);
}

void tok_mark_lost(tok_token *token, core_status st, const core_err *err)
{
    tok_gate *gate = token->ctx->gate;

    core_mutex_lock(&gate->lock);
    if (tok_module_there_locked(gate) && !atomic_load(&token->health.down))
        tok_health_lost(token->ctx, token, st, err);
    core_mutex_unlock(&gate->lock);
    tok_notes_flush(gate);
}

core_status tok_heal_login(tok_token *token, core_err *err)
{
    tok_stay stay;
    core_status st = tok_enter(token->ctx, &stay, err);

    if (st == ST_OK) {
        st = tok_login_again(token, err);
        tok_leave(token->ctx, &stay, token->info.label);
        tok_login_tidy(token);
    }
    return st;
}

core_status tok_heal(tok_token *token, core_status st, uint64_t epoch, core_err *err)
{
    const bool present = token->present;

    /* Nobody can log in to a token that is known to be gone. */
    if (core_status_class(st) == CORE_CLASS_DEVICE || !present)
        return fly(token->ctx, token, epoch, err);
    st = tok_heal_login(token, err);
    /* That is how some losses come to light. */
    return core_status_class(st) == CORE_CLASS_DEVICE ? fly(token->ctx, token, epoch, err) : st;
}
