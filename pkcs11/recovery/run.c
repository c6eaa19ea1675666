/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs an operation on one token: enters the module, takes a session from the pool, and calls the
 * operation. After a loss of session, login, handle or device it recovers and runs the operation
 * again, within a retry budget.
 */
#include "pkcs11/recovery/recovery_private.h"

/* The result of one attempt. */
typedef struct attempt {
    bool reached;               /* `op` was called */
    uint64_t module_generation; /* of the token during the attempt */
} attempt;

static core_status run_attempt(tok_token *token, const tok_exec_options *options, tok_op op,
                               void *arg, attempt *result, core_err *err)
{
    tok_call_scope scope;
    tok_session *session = NULL;

    result->reached = false;
    result->module_generation = atomic_load(&token->module_generation);
    core_status st = tok_module_enter(token->ctx, &scope, err);
    if (st != ST_OK)
        return st;
    result->module_generation = atomic_load(&token->module_generation);
    st = tok_pool_take(token, &session, err);
    if (st == ST_OK) {
        result->reached = true;
        session->owner = options->owner;
        session->member_index = options->member_index;
        session->handle_generation = tok_token_handle_generation(token);
        st = op(session, arg, err);
        /* A failed call may have left an operation active in the session, so discard it. */
        if (st != ST_OK) {
            session->dirty = true;
            session->gone |= st == ST_SESSION_LOST;
        }
        tok_pool_give(token, session);
    }
    tok_module_exit(token->ctx, &scope, token->info.label);
    return st;
}

/* The retries left for one operation. One loss can hide another: after lost sessions the login may
 * prove lost, then the handle, then the device. Each class of loss is recovered once. */
typedef struct retry_budget {
    bool sessions_counted;
    unsigned sessions;  /* further sessions to try */
    unsigned recovered; /* set of core_class */
} retry_budget;

static unsigned sessions_open(tok_token *token)
{
    core_mutex_lock(&token->lock);
    unsigned count = token->open;
    core_mutex_unlock(&token->lock);
    return count;
}

/* A lost session needs no recovery, only another session. A token that lost one may have lost all
 * sessions in the pool, so the budget is one more than these. False: it is used up. */
static bool may_try_other_session(tok_token *token, retry_budget *budget)
{
    if (!budget->sessions_counted)
        budget->sessions = sessions_open(token) + 1;
    budget->sessions_counted = true;
    return budget->sessions-- > 0;
}

/* Recovers from `st`, a loss of device, handle or login, unless the budget of its class is used up.
 * If another member of the group can serve, only the login is recovered, and a failed device is
 * left to the group. No member can serve while the module that they share is unavailable. */
static core_status recover_class(tok_token *token, const tok_exec_options *options,
                                 retry_budget *budget, core_status st, uint64_t module_generation,
                                 core_err *err)
{
    const core_class class = core_status_class(st);
    const bool can_failover =
        options->can_failover && (class != CORE_CLASS_DEVICE || tok_module_there(token->ctx));

    if (class == CORE_CLASS_DEVICE && can_failover)
        return st;
    if ((budget->recovered & (1u << class)) != 0)
        return st;
    budget->recovered |= 1u << class;
    return can_failover ? tok_recover_login(token, err)
                        : tok_recover(token, st, module_generation, err);
}

/* Called after each failed attempt, outside the gate, with its status. ST_OK: run the operation
 * again. Otherwise the result of the operation: `st`, or why the recovery failed. */
static core_status recover_for_retry(tok_token *token, const tok_exec_options *options,
                                     retry_budget *budget, core_status st,
                                     uint64_t module_generation, core_err *err)
{
    switch (core_status_class(st)) {
    case CORE_CLASS_SESSION:
        return may_try_other_session(token, budget) ? ST_OK : st;
    case CORE_CLASS_DEVICE:
    case CORE_CLASS_HANDLE: /* some tokens report this after a logout */
    case CORE_CLASS_LOGIN:
        return recover_class(token, options, budget, st, module_generation, err);
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

/* An operation that must not be repeated has failed. Recovers a lost login all the same, so that
 * the next operation finds the token logged in, or its login marked as lost. */
static void recover_for_next(tok_token *token, core_status st)
{
    const core_status recovered =
        core_status_class(st) == CORE_CLASS_LOGIN ? tok_recover_login(token, NULL) : ST_OK;
    (void)recovered;
}

core_status tok_execute_on_token(tok_token *token, tok_exec_options *options, tok_op op, void *arg,
                                 core_err *err)
{
    retry_budget budget = {0};
    attempt result;

    for (;;) {
        core_status st = run_attempt(token, options, op, arg, &result, err);
        options->reached |= result.reached;
        if (st == ST_OK)
            return st;
        if (result.reached && options->once) {
            recover_for_next(token, st);
            return st;
        }
        st = recover_for_retry(token, options, &budget, st, result.module_generation, err);
        if (st != ST_OK)
            return st;
    }
}
