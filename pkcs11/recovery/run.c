/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an operation on one token: enters the module, takes a session, and recovers from each kind
 * of loss once.
 */
#include "pkcs11/recovery/recovery_private.h"

/* What came of one try: whether `op` was reached, and the epoch in which it failed. */
typedef struct attempt {
    bool reached;
    uint64_t module_generation;
} attempt;

static core_status run_try(tok_token *token, const tok_exec_options *run, tok_op op, void *arg,
                           attempt *how, core_err *err)
{
    tok_call_scope scope;
    tok_session *session = NULL;

    how->reached = false;
    how->module_generation = atomic_load(&token->module_generation);
    core_status st = tok_module_enter(token->ctx, &scope, err);
    if (st != ST_OK)
        return st;
    how->module_generation = atomic_load(&token->module_generation);
    st = tok_pool_take(token, &session, err);
    if (st == ST_OK) {
        how->reached = true;
        session->owner = run->owner;
        session->member_index = run->member_index;
        session->handle_generation = tok_token_handle_generation(token);
        st = op(session, arg, err);
        /* Whatever failed may have left an operation active, and a session is cheaper than a doubt.
         */
        if (st != ST_OK) {
            session->dirty = true;
            session->gone |= st == ST_SESSION_LOST;
        }
        tok_pool_give(token, session);
    }
    tok_module_exit(token->ctx, &scope, token->info.label);
    return st;
}

/* What may still be done for one operation. One loss can hide another: behind lost sessions a lost
 * login, behind that a lost handle, behind that a token that is gone. Each is healed once. */
typedef struct retry_budget {
    bool counted;
    unsigned sessions; /* a token that dropped one may have dropped all in the pool */
    unsigned healed;   /* set of classes */
} retry_budget;

static unsigned sessions_open(tok_token *token)
{
    core_mutex_lock(&token->lock);
    unsigned count = token->open;
    core_mutex_unlock(&token->lock);
    return count;
}

/* ST_OK: try again. */
static core_status recover_for_retry(tok_token *token, const tok_exec_options *run,
                                     retry_budget *left, core_status st, uint64_t module_generation,
                                     core_err *err)
{
    core_class class = core_status_class(st);
    /* A spare is none while the module they share is not there. */
    bool can_failover =
        run->can_failover && (class != CORE_CLASS_DEVICE || tok_module_there(token->ctx));

    switch (class) {
    case CORE_CLASS_SESSION: /* another session is all it takes */
        if (!left->counted)
            left->sessions = sessions_open(token) + 1;
        left->counted = true;
        return left->sessions-- > 0 ? ST_OK : st;
    case CORE_CLASS_DEVICE:
    case CORE_CLASS_HANDLE: /* some tokens say so after a logout */
    case CORE_CLASS_LOGIN:
        if (class == CORE_CLASS_DEVICE && can_failover)
            return st;
        if ((left->healed & (1u << class)) != 0)
            return st;
        left->healed |= 1u << class;
        return can_failover ? tok_recover_login(token, err)
                            : tok_recover(token, st, module_generation, err);
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

core_status tok_execute_on_token(tok_token *token, tok_exec_options *run, tok_op op, void *arg,
                                 core_err *err)
{
    retry_budget left = {0};
    attempt how;

    for (;;) {
        core_status st = run_try(token, run, op, arg, &how, err);
        run->reached |= how.reached;
        if (st == ST_OK)
            return st;
        if (how.reached && run->once) {
            /* The next operation finds the login made again, or known to be lost. */
            core_status healed =
                core_status_class(st) == CORE_CLASS_LOGIN ? tok_recover_login(token, NULL) : ST_OK;
            (void)healed;
            return st;
        }
        st = recover_for_retry(token, run, &left, st, how.module_generation, err);
        if (st != ST_OK)
            return st;
    }
}
