/* SPDX-License-Identifier: Apache-2.0
 *
 * Resets the token layer in the child of a fork: new locks, no sessions, no login, and a module
 * that has to be initialized again (PKCS #11, "Applications and processes").
 */
#include "pkcs11/session/key_private.h"

static void token_forget_process(tok_token *token)
    CORE_NO_ANALYSIS /* no other thread of the child is past this yet */
{
    tok_token_locks(token);
    tok_pool_drain(token, true);
    tok_stale_forget(token);
    token->login_session = 0;
    token->indexed_at_us = 0;
    tok_login_lost(token);
    token->probing = false;
    atomic_fetch_add(&token->module_generation, 1);
}

static void context_forget_process(tok_context *ctx)
    CORE_NO_ANALYSIS /* no other thread of the child is past this yet */
{
    ctx->visits = 0;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
        token_forget_process(token);
    for (tok_token *group = ctx->groups; group != NULL; group = group->next)
        token_forget_process(group);
}

/* In the child, locks may be held by threads that do not exist there, sessions belong to the
 * parent, and the module has to be initialized again. The first thread that enters resets the
 * state, the other threads wait for it. There is no pthread_atfork handler, because it would run
 * while the host holds its own locks. */
void tok_gate_fork_check(tok_gate *gate)
    CORE_NO_ANALYSIS /* no other thread of the child is past this yet */
{
    const uint32_t pid = core_process_id();

    if (atomic_load(&gate->pid) == pid)
        return;
    uint32_t resetting = atomic_load(&gate->fork_pid);
    if (resetting != pid && atomic_compare_exchange_strong(&gate->fork_pid, &resetting, pid)) {
        tok_gate_init_locks(gate);
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
