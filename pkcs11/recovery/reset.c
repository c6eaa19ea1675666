/* SPDX-License-Identifier: Apache-2.0
 *
 * Re-initializes a module and restores its tokens. All functions are called with the gate closed:
 * no operation is in the module.
 *
 *   tok_reset               re-initialize, unless the failed token answers; restore all tokens
 *   tok_reset_with_retries  the same, repeated within half a second after a first failure
 *   tok_reset_shared        the same while other tokens are in use; limits how often
 *   tok_reset_for_login     re-initialize always, and leave one token logged out for a PIN check
 *   tok_rebind_slot         no re-initialization: the token was found in a slot
 */
#include "pkcs11/recovery/recovery_private.h"

/* p11-kit always passes CKF_OS_LOCKING_OK, and a module that cannot lock returns CKR_CANT_LOCK. So
 * all contexts call the module directly from now on. */
static void bypass_p11_kit(tok_context *ctx)
{
    tok_library direct = ctx->library;

    tok_library_unmanage(&direct);
    for (tok_context *c = atomic_load(&ctx->gate->contexts); c != NULL;
         c = atomic_load(&c->gate_next))
        c->library = direct;
    tok_note(ctx->gate, CORE_LOG_WARNING,
             "module \"%s\": it cannot be initialized through p11-kit (CKR_CANT_LOCK), so it is "
             "called directly",
             ctx->config->module);
}

static core_status module_initialize(tok_context *ctx, bool *fresh, core_err *err)
{
    tok_gate *gate = ctx->gate;
    bool serialize = false;
    CK_RV rv = tok_library_initialize(&ctx->library, ctx->config, fresh, &serialize);

    if (rv == CKR_CANT_LOCK && ctx->library.managed) {
        bypass_p11_kit(ctx);
        rv = tok_library_initialize(&ctx->library, ctx->config, fresh, &serialize);
    }
    if (rv != CKR_OK) {
        return core_fail(err, ST_MODULE_INIT, "module \"%s\": C_Initialize: %s 0x%lx; %s",
                         ctx->config->module, tok_rv_name(rv), (unsigned long)rv,
                         core_status_next(ST_MODULE_INIT));
    }
    gate->cannot_lock = serialize;
    if (serialize && !gate->serialize) {
        tok_note(gate, CORE_LOG_WARNING,
                 "module \"%s\" cannot lock for itself: its calls are serialized",
                 ctx->config->module);
        gate->serialize = true;
    }
    return ST_OK;
}

bool tok_slot_answers(tok_context *ctx, CK_SLOT_ID slot)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = tok_slot_open(ctx, slot, &session);

    if (rv == CKR_SESSION_COUNT) /* the token works, but its only session is in use */
        return true;
    return rv == CKR_OK && ctx->library.f->C_CloseSession(session) == CKR_OK;
}

/* True if the token is in its slot and opens a session: the device works, so nothing is reset. */
static bool token_answers(tok_token *token)
{
    return tok_slot_holds(token, token->slot) && tok_slot_answers(token->ctx, token->slot);
}

/* Drops all sessions and handles of the token without calling the module. It is not known yet
 * whether the module still has the sessions, so their handles become stale (session/stale.c). */
static void drop_sessions(tok_token *token)
{
    core_mutex_lock(&token->lock);
    for (const tok_session *s = token->idle; s != NULL; s = s->next)
        tok_stale_add_locked(token, s->handle);
    for (const tok_key *key = token->session_keys; key != NULL; key = key->next)
        if (key->own_session != 0 && key->own_generation == atomic_load(&token->module_generation))
            tok_stale_add_locked(token, key->own_session);
    if (token->login_session != 0)
        tok_stale_add_locked(token, token->login_session);
    core_mutex_unlock(&token->lock);
    tok_pool_drain(token, true);
    token->login_session = 0;
    tok_login_lost(token);
    core_mutex_lock(&token->lock); /* the gate does not exclude threads outside the module */
    token->indexed_at_us = 0;
    core_mutex_unlock(&token->lock);
    atomic_fetch_add(&token->module_generation, 1);
}

/* Finds the token's slot again, closes its stale sessions, and logs in again for its users. */
static core_status restore_token(tok_token *token, core_err *err)
{
    core_status st = tok_slot_resolve(token, err);

    token->present = st == ST_OK;
    if (st == ST_OK)
        tok_stale_close(token);
    if (st == ST_OK && tok_login_users(token) > 0)
        st = tok_login_again(token, err);
    if (st == ST_OK)
        tok_mark_available(token);
    return st;
}

/* Calls C_Finalize, if the module is ours, and C_Initialize. If the module was finalized, by us or
 * another component, all sessions are gone and it may reassign their handles. If it stayed
 * initialized, it keeps our stale sessions open. */
static core_status reinitialize(tok_context *ctx, core_err *err)
{
    tok_gate *gate = ctx->gate;
    bool finalized = false;
    bool initialized = false; /* by this call, not earlier by another component */

    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        drop_sessions(token);
    if (gate->initialised && tok_gate_may_finalize(gate)) {
        CK_RV rv = tok_library_finalize(&ctx->library, ctx->config);
        finalized = rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
        gate->own = !finalized;
    }
    gate->initialised = false;
    core_status st = module_initialize(ctx, &initialized, err);
    if (finalized || initialized)
        for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
            tok_stale_forget(token);
    if (st == ST_OK) {
        gate->own |= initialized;
        gate->initialised = true;
        atomic_store(&gate->uninitialised, false);
    }
    return st;
}

/* Restores all tokens but `owner`. An unavailable token does not prevent the use of the others. */
static void restore_other_tokens(tok_context *ctx, const tok_token *owner)
{
    core_err other = {0};
    for (tok_token *token = NULL; (token = tok_gate_next(ctx->gate, token)) != NULL;)
        if (token != owner)
            (void)restore_token(token, &other);
}

core_status tok_reset(tok_context *ctx, tok_token *owner, core_err *err)
{
    if (ctx->gate->initialised && owner != NULL && owner->present && token_answers(owner))
        return ST_OK;
    core_status st = reinitialize(ctx, err);
    if (st != ST_OK)
        return st;
    restore_other_tokens(ctx, owner);
    if (owner != NULL) {
        st = restore_token(owner, err);
        if (st == ST_OK)
            atomic_fetch_add(&owner->recoveries, 1);
    }
    return st;
}

core_status tok_reset_for_login(tok_token *token, core_err *err)
{
    core_status st = reinitialize(token->ctx, err);
    if (st != ST_OK)
        return st;
    restore_other_tokens(token->ctx, token);
    st = tok_slot_resolve(token, err);
    token->present = st == ST_OK;
    return st;
}

/* Retries several times within half a second: a daemon that many processes connect to at once (the
 * children of a fork) rejects some of the connections. A token or module that is already known to
 * be unavailable (`known`) is tried once. */
core_status tok_reset_with_retries(tok_context *ctx, tok_token *owner, bool known, core_err *err)
{
    enum { TRIES = 4, PAUSE_MS = 50 };
    core_status st = tok_reset(ctx, owner, err);

    for (unsigned i = 1; i < TRIES && !known && core_status_class(st) == CORE_CLASS_DEVICE; i++) {
        core_sleep_ms((unsigned)PAUSE_MS << i);
        st = tok_reset(ctx, owner, err);
    }
    return st;
}

core_status tok_rebind_slot(tok_token *token, CK_SLOT_ID slot, core_err *err)
{
    drop_sessions(token);
    tok_stale_close(token); /* before token->slot changes, which it compares with */
    atomic_store(&token->slot, slot);
    token->present = true;
    core_status st = tok_login_users(token) > 0 ? tok_login_again(token, err) : ST_OK;
    if (st == ST_OK)
        atomic_fetch_add(&token->recoveries, 1);
    return st;
}

/* Records how long the reset took, which delays the next one (health.c): it stops all tokens. */
core_status tok_reset_shared(tok_context *ctx, tok_token *owner, core_err *err)
{
    const uint64_t since = core_now_us();
    core_status st = tok_reset(ctx, owner, err);
    tok_reset_done(ctx, owner != NULL ? &owner->health : &ctx->gate->absent, core_now_us() - since);
    return st;
}
