/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting the module and its tokens right: with the gate closed, nobody is inside.
 */
#include "pkcs11/recovery/recovery_private.h"

/* p11-kit always asks for the locks of the system, and a module that has none answers
 * CKR_CANT_LOCK. So from now on it is called directly, by all contexts; nothing of it is in use. */
static void leave_manager(tok_context *ctx)
{
    tok_library direct = ctx->library;

    tok_library_unmanage(&direct);
    for (tok_context *c = atomic_load(&ctx->gate->contexts); c != NULL;
         c = atomic_load(&c->gate_next))
        c->library = direct;
    tok_note(ctx->gate, CORE_LOG_WARNING,
             "module \"%s\": it cannot be initialised through p11-kit (CKR_CANT_LOCK), so it is "
             "called directly",
             ctx->config->module);
}

static core_status module_initialize(tok_context *ctx, bool *fresh, core_err *err)
{
    tok_gate *gate = ctx->gate;
    bool serialize = false;
    CK_RV rv = tok_library_initialize(&ctx->library, ctx->config, fresh, &serialize);

    if (rv == CKR_CANT_LOCK && ctx->library.managed) {
        leave_manager(ctx);
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
                 "module \"%s\" cannot lock for itself: its calls are serialised",
                 ctx->config->module);
        gate->serialize = true;
    }
    return ST_OK;
}

/* Whether a session can be opened there. */
bool tok_slot_answers(tok_context *ctx, CK_SLOT_ID slot)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = tok_slot_open(ctx, slot, &session);

    if (rv == CKR_SESSION_COUNT) /* that is an answer: a token with room for one session is well */
        return true;
    return rv == CKR_OK && ctx->library.f->C_CloseSession(session) == CKR_OK;
}

/* Whether the token answers: then whatever failed was not the device, and nothing needs resetting.
 */
static bool token_answers(tok_token *token)
{
    return tok_slot_holds(token, token->slot) && tok_slot_answers(token->ctx, token->slot);
}

/* With the gate closed: what there was with the module or the token is of no use any more. Whether
 * the sessions are still open in the module is not known yet. */
static void forget_sessions(tok_token *token)
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
    core_mutex_lock(&token->lock); /* against those who do not wait at the gate */
    token->indexed_at_us = 0;
    core_mutex_unlock(&token->lock);
    atomic_fetch_add(&token->module_generation, 1);
}

/* With the gate closed. A token that is not there now does not keep the others from working. */
static core_status token_revive(tok_token *token, core_err *err)
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

/* Sessions are gone where we finalised the module, or where it was not initialised: their numbers
 * may be others' by now. A module that is still initialised keeps them open. */
static core_status initialize_anew(tok_context *ctx, core_err *err)
{
    tok_gate *gate = ctx->gate;
    bool ended = false;
    bool fresh = false;

    for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
        forget_sessions(token);
    if (gate->initialised && tok_gate_may_finalize(gate)) {
        CK_RV rv = tok_library_finalize(&ctx->library, ctx->config);
        ended = rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
        gate->own = !ended;
    }
    gate->initialised = false;
    core_status st = module_initialize(ctx, &fresh, err);
    if (ended || fresh)
        for (tok_token *token = NULL; (token = tok_gate_next(gate, token)) != NULL;)
            tok_stale_forget(token);
    if (st == ST_OK) {
        gate->own |= fresh;
        gate->initialised = true;
        atomic_store(&gate->uninitialised, false);
    }
    return st;
}

static void revive_others(tok_context *ctx, const tok_token *owner)
{
    core_err other = {0};
    for (tok_token *token = NULL; (token = tok_gate_next(ctx->gate, token)) != NULL;)
        if (token != owner)
            (void)token_revive(token, &other);
}

/* With the gate closed: nobody is in the module. `asker` is the token whose failure is being
 * healed, NULL when only the module is to be initialised. */
core_status tok_reset(tok_context *ctx, tok_token *owner, core_err *err)
{
    if (ctx->gate->initialised && owner != NULL && owner->present && token_answers(owner))
        return ST_OK;
    core_status st = initialize_anew(ctx, err);
    if (st != ST_OK)
        return st;
    revive_others(ctx, owner);
    if (owner != NULL) {
        st = token_revive(owner, err);
        if (st == ST_OK)
            atomic_fetch_add(&owner->recoveries, 1);
    }
    return st;
}

core_status tok_reset_for_login(tok_token *token, core_err *err)
{
    core_status st = initialize_anew(token->ctx, err);
    if (st != ST_OK)
        return st;
    revive_others(token->ctx, token);
    st = tok_slot_resolve(token, err);
    token->present = st == ST_OK;
    return st;
}

/* The first failure is looked at a few times in half a second: a daemon that many processes turn to
 * at one moment (the children of a fork) sends some of them away. What is known to be gone is tried
 * once. */
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

/* With the gate closed: the token is in another slot, or back in its old one. */
core_status tok_rebind_slot(tok_token *token, CK_SLOT_ID slot, core_err *err)
{
    forget_sessions(token);
    tok_stale_close(token); /* while the slot is the old one */
    atomic_store(&token->slot, slot);
    token->present = true;
    core_status st = tok_login_users(token) > 0 ? tok_login_again(token, err) : ST_OK;
    if (st == ST_OK)
        atomic_fetch_add(&token->recoveries, 1);
    return st;
}

/* For the sake of one token, with the gate closed. */
core_status tok_reset_shared(tok_context *ctx, tok_token *owner, core_err *err)
{
    uint64_t since = core_now_us();
    core_status st = tok_reset(ctx, owner, err);
    tok_reset_done(ctx, owner != NULL ? &owner->health : &ctx->gate->absent, core_now_us() - since);
    return st;
}
