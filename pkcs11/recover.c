/* SPDX-License-Identifier: Apache-2.0
 *
 * Who puts things right, and when: one thread does, while the others wait at the gate, or, where
 * other tokens of the module are at work, go on: then the lost one is looked for with the gate
 * open, and the module is initialised anew for its sake only now and then (health.c).
 */
#include <string.h>
#include "pkcs11/tok_private.h"

/* How long a reset beside others at work waits for their calls: they all wait with it. */
enum { BESIDE_WAIT_MS = 200 };

/* Waits for the flight that is under way, and says whether it is over. */
static bool await_flight_locked(tok_context *ctx, const tok_token *asker)
{
    uint64_t until = core_deadline_us(ctx->config->defaults.session_wait_ms);
    bool in_time = true;
    while ((ctx->closed || (asker != NULL && asker->looking)) && in_time)
        in_time = core_cond_wait_until(&ctx->gate_moved, &ctx->gate, until);
    return !ctx->closed && !(asker != NULL && asker->looking);
}

static void open_gate_locked(tok_context *ctx)
{
    ctx->closed = false;
    core_cond_broadcast(&ctx->gate_moved);
}

/* Closes the gate and waits until all are out. A call that hangs in the module cannot be taken
 * back: then nothing may be reset under it, and the gate opens again. */
static core_status close_gate_locked(tok_context *ctx, unsigned wait_ms, core_err *err)
{
    uint64_t until = core_deadline_us(wait_ms);
    bool in_time = true;
    ctx->closed = true;
    while (ctx->inside > 0 && in_time)
        in_time = core_cond_wait_until(&ctx->gate_moved, &ctx->gate, until);
    if (ctx->inside == 0)
        return ST_OK;
    open_gate_locked(ctx);
    return core_fail(err, ST_DEVICE, "module \"%s\": a call has not come back; %s",
                     ctx->config->module, core_status_next(ST_DEVICE));
}

/* With the gate closed: `op`, without the gate's lock. Then it opens again. */
static core_status act_closed_locked(tok_context *ctx, tok_lone_op op, void *arg, core_err *err)
{
    core_sigpipe sigpipe;

    core_mutex_unlock(&ctx->gate);
    core_sigpipe_block(&sigpipe);
    core_status st = op(arg, err);
    core_sigpipe_restore(&sigpipe);
    core_mutex_lock(&ctx->gate);
    open_gate_locked(ctx);
    return st;
}

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
    healing h = {.ctx = ctx, .asker = asker, .known = atomic_load(&ctx->health.down)};

    h.known |= asker != NULL && atomic_load(&asker->health.down);
    core_status st = close_gate_locked(ctx, ctx->config->defaults.session_wait_ms, err);
    return st == ST_OK ? act_closed_locked(ctx, reset_alone, &h, err) : st;
}

/* Finds out where the token is, with the gate open: that may take as long as a dead line takes. */
static core_status look_locked(tok_token *asker, CK_SLOT_ID *slot, core_err *err)
{
    tok_context *ctx = asker->ctx;
    tok_stay stay;

    asker->looking = true;
    core_mutex_unlock(&ctx->gate);
    core_status st = tok_enter(ctx, &stay, err);
    if (st == ST_OK) {
        st = tok_slot_look(asker, slot, err);
        if (st == ST_OK && !tok_slot_answers(ctx, *slot)) {
            st = core_fail(err, ST_DEVICE, "token \"%s\": it opens no session; %s",
                           asker->info.label, core_status_next(ST_DEVICE));
        }
        tok_leave(ctx, &stay, asker->info.label);
    }
    core_mutex_lock(&ctx->gate);
    asker->looking = false;
    core_cond_broadcast(&ctx->gate_moved);
    return st;
}

/* Whether users are logged in to the token, which works. */
static bool works(tok_token *token)
{
    return token->present && !atomic_load(&token->health.down) && tok_login_users(token) > 0;
}

/* Whether users are logged in to any token that works, other than `asker`. */
static bool at_work_locked(tok_context *ctx, const tok_token *asker)
{
    bool any = false;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
        any |= token != asker && works(token);
    return any;
}

/* Whether a reset for the sake of one is due, and takes nothing of the others at work that does not
 * come back: a login whose PIN is not kept, a volatile key. */
static bool may_reset_beside_locked(tok_context *ctx, const tok_token *asker,
                                    const tok_health *health)
{
    bool may = tok_reset_due(ctx, health);
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
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
    if (!h.found && !may_reset_beside_locked(ctx, asker, &asker->health))
        return st;
    if (ctx->closed || !ctx->initialised) { /* somebody has been faster */
        return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                         core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
    }
    st = close_gate_locked(ctx, BESIDE_WAIT_MS, err);
    return st == ST_OK ? act_closed_locked(ctx, heal_beside, &h, err) : st;
}

/* Whether there is anything left to heal; decided under the gate, and again after each wait. */
static bool healed_locked(tok_context *ctx, tok_token *asker, uint64_t epoch)
{
    if (!ctx->initialised)
        return false;
    return asker == NULL || (asker->present && atomic_load(&asker->epoch) != epoch);
}

/* Without the gate's lock: tokens are only ever added, at the front. */
static void tidy_all(tok_token *tokens)
{
    for (tok_token *token = tokens; token != NULL; token = token->next)
        tok_login_tidy(token);
}

static core_status fly(tok_context *ctx, tok_token *asker, uint64_t epoch, core_err *err)
{
    core_status st = ST_OK;
    core_err why = {0};
    tok_token *flown = NULL;

    core_mutex_lock(&ctx->gate);
    if (!await_flight_locked(ctx, asker)) {
        st = core_fail(err, ST_DEVICE, "module \"%s\": its recovery takes long; %s",
                       ctx->config->module, core_status_next(ST_DEVICE));
        goto done;
    }
    if (healed_locked(ctx, asker, epoch))
        goto done;
    if (tok_health_resting(ctx, asker)) {
        st = core_fail(err, ST_DEVICE_BACKOFF, "module \"%s\": %s; %s", ctx->config->module,
                       core_status_text(ST_DEVICE_BACKOFF), core_status_next(ST_DEVICE_BACKOFF));
        goto done;
    }
    st = asker != NULL && ctx->initialised && at_work_locked(ctx, asker)
             ? heal_beside_locked(ctx, asker, &why)
             : heal_alone_locked(ctx, asker, &why);
    if (st == ST_OK)
        tok_health_back(ctx, asker);
    else
        tok_health_lost(ctx, asker, st, &why);
    if (st != ST_OK)
        st = core_fail(err, st, "%s", core_err_text(&why, st));
    flown = ctx->tokens;
done:
    core_mutex_unlock(&ctx->gate);
    tidy_all(flown);
    return st;
}

core_status tok_context_ready(tok_context *ctx, core_err *err)
{
    tok_fork_check(ctx);
    return fly(ctx, NULL, 0, err);
}

/* Waits half as long as those who come to the closed gate, so that they get in afterwards. */
core_status tok_alone(tok_context *ctx, tok_lone_op op, void *arg, core_err *err)
{
    core_status st = ST_DEVICE;

    core_mutex_lock(&ctx->gate);
    if (!await_flight_locked(ctx, NULL) || !ctx->initialised) {
        st = core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                       core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
        goto done;
    }
    st = close_gate_locked(ctx, ctx->config->defaults.session_wait_ms / 2, NULL);
    if (st != ST_OK) { /* the device is not to blame, and not to be healed */
        st = core_fail(err, ST_POOL_TIMEOUT, "module \"%s\": a call has not come back; %s",
                       ctx->config->module, core_status_next(ST_POOL_TIMEOUT));
        goto done;
    }
    st = act_closed_locked(ctx, op, arg, err);
done:
    core_mutex_unlock(&ctx->gate);
    return st;
}

/* Whether a look that initialises the module may be taken now. */
static bool may_look_locked(tok_context *ctx, bool beside)
{
    if (ctx->closed || !ctx->initialised || !ctx->own || core_now_us() < ctx->look_at_us)
        return false;
    if (!at_work_locked(ctx, NULL))
        return true;
    if (beside && ctx->absent.reset_s == 0) { /* the first time: now the waiting begins */
        ctx->absent.reset_s = ctx->config->shared_reset_seconds;
        ctx->absent.reset_at_us = core_now_us() + (uint64_t)ctx->absent.reset_s * 1000000;
    }
    return beside && may_reset_beside_locked(ctx, NULL, &ctx->absent);
}

bool tok_context_look_again(tok_context *ctx, bool beside)
{
    enum { PAUSE_US = 1000000 };
    healing h = {.ctx = ctx};
    core_status st = ST_DEVICE;
    tok_token *looked = NULL;

    core_mutex_lock(&ctx->gate);
    if (!may_look_locked(ctx, beside))
        goto done;
    ctx->look_at_us = core_now_us() + PAUSE_US;
    st = close_gate_locked(ctx, beside ? BESIDE_WAIT_MS : ctx->config->defaults.session_wait_ms,
                           NULL);
    if (st == ST_OK) {
        st = act_closed_locked(ctx, beside ? heal_beside : reset_once, &h, NULL);
        looked = ctx->tokens;
    }
done:
    core_mutex_unlock(&ctx->gate);
    tidy_all(looked);
    return st == ST_OK;
}

static bool module_there_locked(const tok_context *ctx)
{
    return !ctx->closed && ctx->initialised;
}

bool tok_module_there(tok_context *ctx)
{
    core_mutex_lock(&ctx->gate);
    bool there = module_there_locked(ctx);
    core_mutex_unlock(&ctx->gate);
    return there;
}

void tok_mark_lost(tok_token *token, core_status st, const core_err *err)
{
    core_mutex_lock(&token->ctx->gate);
    if (module_there_locked(token->ctx) && !atomic_load(&token->health.down))
        tok_health_lost(token->ctx, token, st, err);
    core_mutex_unlock(&token->ctx->gate);
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
    core_mutex_lock(&token->ctx->gate);
    bool present = token->present;
    core_mutex_unlock(&token->ctx->gate);
    /* Nobody can log in to a token that is known to be gone. */
    if (core_status_class(st) == CORE_CLASS_DEVICE || !present)
        return fly(token->ctx, token, epoch, err);
    st = tok_heal_login(token, err);
    /* That is how some losses come to light. */
    return core_status_class(st) == CORE_CLASS_DEVICE ? fly(token->ctx, token, epoch, err) : st;
}
