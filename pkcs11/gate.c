/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on the token: through the gate, with a session from the pool, each kind of loss healed
 * once where that can help.
 */
#include "pkcs11/tok_private.h"

/* Joins the operations in the module, or says why not. */
static bool join(tok_context *ctx, tok_stay *stay)
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
    stay->serial = gate->serialize;
    core_mutex_unlock(&gate->lock);
    return open;
}

static void part(tok_gate *gate)
{
    core_mutex_lock(&gate->lock);
    if (--gate->inside == 0 && gate->closed)
        core_cond_broadcast(&gate->moved);
    core_mutex_unlock(&gate->lock);
}

core_status tok_enter(tok_context *ctx, tok_stay *stay, core_err *err)
{
    tok_fork_check(ctx);
    if (!join(ctx, stay)) {
        return core_fail(err, ST_DEVICE, "module \"%s\": %s; %s", ctx->config->module,
                         core_status_text(ST_DEVICE), core_status_next(ST_DEVICE));
    }
    if (stay->serial && !tok_turn_take(&ctx->gate->serial, ctx->config->defaults.session_wait_ms)) {
        part(ctx->gate);
        return core_fail(err, ST_POOL_TIMEOUT, "module \"%s\": another call has not come back",
                         ctx->config->module);
    }
    if (ctx->mask_sigpipe)
        core_sigpipe_block(&stay->sigpipe);
    stay->since_us = ctx->config->slow_call_ms > 0 ? core_now_us() : 0;
    return ST_OK;
}

void tok_leave(tok_context *ctx, tok_stay *stay, const char *what)
{
    const unsigned slow_ms = ctx->config->slow_call_ms;
    const uint64_t took_ms = slow_ms > 0 ? (core_now_us() - stay->since_us) / 1000 : 0;

    if (ctx->mask_sigpipe)
        core_sigpipe_restore(&stay->sigpipe);
    if (stay->serial)
        tok_turn_give(&ctx->gate->serial);
    part(ctx->gate);
    tok_notes_flush(ctx->gate);
    if (slow_ms > 0 && took_ms > slow_ms) {
        core_log(CORE_LOG_WARNING, "token \"%s\" took %lu ms for one operation", what,
                 (unsigned long)took_ms);
    }
}

/* What came of one try: whether `op` was reached, and the epoch in which it failed. */
typedef struct attempt {
    bool reached;
    uint64_t epoch;
} attempt;

static core_status run_try(tok_token *token, const tok_run_how *run, tok_op op, void *arg,
                           attempt *how, core_err *err)
{
    tok_stay stay;
    tok_session *session = NULL;

    how->reached = false;
    how->epoch = atomic_load(&token->epoch);
    core_status st = tok_enter(token->ctx, &stay, err);
    if (st != ST_OK)
        return st;
    how->epoch = atomic_load(&token->epoch);
    st = tok_pool_take(token, &session, err);
    if (st == ST_OK) {
        how->reached = true;
        session->asker = run->asker;
        session->place = run->place;
        session->age = tok_token_age(token);
        st = op(session, arg, err);
        /* Whatever failed may have left an operation active, and a session is cheaper than a doubt.
         */
        if (st != ST_OK) {
            session->dirty = true;
            session->gone |= st == ST_SESSION_LOST;
        }
        tok_pool_give(token, session);
    }
    tok_leave(token->ctx, &stay, token->info.label);
    return st;
}

/* What may still be done for one operation. One loss can hide another: behind lost sessions a lost
 * login, behind that a lost handle, behind that a token that is gone. Each is healed once. */
typedef struct remedies {
    bool counted;
    unsigned sessions; /* a token that dropped one may have dropped all in the pool */
    unsigned healed;   /* set of classes */
} remedies;

static unsigned sessions_open(tok_token *token)
{
    core_mutex_lock(&token->lock);
    unsigned count = token->open;
    core_mutex_unlock(&token->lock);
    return count;
}

/* ST_OK: try again. */
static core_status remedy(tok_token *token, const tok_run_how *run, remedies *left, core_status st,
                          uint64_t epoch, core_err *err)
{
    core_class class = core_status_class(st);
    /* A spare is none while the module they share is not there. */
    bool spare = run->spare && (class != CORE_CLASS_DEVICE || tok_module_there(token->ctx));

    switch (class) {
    case CORE_CLASS_SESSION: /* another session is all it takes */
        if (!left->counted)
            left->sessions = sessions_open(token) + 1;
        left->counted = true;
        return left->sessions-- > 0 ? ST_OK : st;
    case CORE_CLASS_DEVICE:
    case CORE_CLASS_HANDLE: /* some tokens say so after a logout */
    case CORE_CLASS_LOGIN:
        if (class == CORE_CLASS_DEVICE && spare)
            return st;
        if ((left->healed & (1u << class)) != 0)
            return st;
        left->healed |= 1u << class;
        return spare ? tok_heal_login(token, err) : tok_heal(token, st, epoch, err);
    case CORE_CLASS_NONE:
    case CORE_CLASS_DATA:
    case CORE_CLASS_USAGE:
    case CORE_CLASS_POLICY:
    case CORE_CLASS_CAPACITY:
    case CORE_CLASS_PIN:
    case CORE_CLASS_QUIRK:
    default:
        return st;
    }
}

core_status tok_run_on(tok_token *token, tok_run_how *run, tok_op op, void *arg, core_err *err)
{
    remedies left = {0};
    attempt how;

    for (;;) {
        core_status st = run_try(token, run, op, arg, &how, err);
        run->reached |= how.reached;
        if (st == ST_OK)
            return st;
        if (how.reached && run->once) {
            /* The next operation finds the login made again, or known to be lost. */
            core_status healed =
                core_status_class(st) == CORE_CLASS_LOGIN ? tok_heal_login(token, NULL) : ST_OK;
            (void)healed;
            return st;
        }
        st = remedy(token, run, &left, st, how.epoch, err);
        if (st != ST_OK)
            return st;
    }
}

core_status tok_run(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_run_how run = {.asker = token};
    return token->group != NULL ? tok_group_run(token, op, arg, false, err)
                                : tok_run_on(token, &run, op, arg, err);
}

core_status tok_run_once(tok_token *token, tok_op op, void *arg, core_err *err)
{
    tok_run_how run = {.asker = token, .once = true};
    return token->group != NULL ? tok_group_run(token, op, arg, true, err)
                                : tok_run_on(token, &run, op, arg, err);
}

core_status tok_run_twice(tok_token *token, tok_op op, void *arg, core_err *err)
{
    const core_status st = tok_run(token, op, arg, err);
    return st == ST_FAILURE ? tok_run(token, op, arg, err) : st;
}
