/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an operation on one token: enters the module, takes a session, and recovers from each kind
 * of loss once.
 */
#include "pkcs11/recovery/recovery_private.h"

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
