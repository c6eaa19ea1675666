/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery: one thread puts things right while the others wait at the gate; after a failure nobody
 * tries again before the back-off has passed (0.1 s doubling to 10 s), so that a dead token costs
 * its callers nothing but a clear error. One log line a change of state, none a retry.
 */
#include <errno.h>
#include <string.h>
#include "pkcs11/tok_private.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 10000 };

static core_status module_initialize(tok_context *ctx, core_err *err)
{
    bool serialize = false;
    CK_RV rv = tok_library_initialize(&ctx->library, ctx->config, &ctx->own, &serialize);

    if (rv != CKR_OK) {
        return core_fail(err, ST_MODULE_INIT, "module \"%s\": C_Initialize: %s 0x%lx; %s",
                         ctx->config->module, tok_rv_name(rv), (unsigned long)rv,
                         core_status_next(ST_MODULE_INIT));
    }
    ctx->own |= ctx->unfinished;
    ctx->unfinished = false;
    if (serialize && !ctx->config->serialize) {
        core_log(CORE_LOG_WARNING, "module \"%s\" cannot lock for itself: its calls are serialised",
                 ctx->config->module);
        ctx->config->serialize = true;
    }
    return ST_OK;
}

/* Whether the token answers: then whatever failed was not the device, and nothing needs resetting.
 */
static bool token_answers(tok_token *token)
{
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE session;
    const CK_FUNCTION_LIST *f = token->ctx->library.f;

    if (f->C_GetTokenInfo(token->slot, &info) != CKR_OK ||
        f->C_OpenSession(token->slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
        return false;
    return f->C_CloseSession(session) == CKR_OK;
}

/* With the gate closed. A token that is not there now does not keep the others from working. */
static core_status token_revive(tok_token *token, core_err *err)
{
    core_status st = tok_slot_resolve(token, err);

    token->present = st == ST_OK;
    if (st == ST_OK && token->users > 0)
        st = tok_login_again(token, err);
    return st;
}

/* With the gate closed: nobody is in the module. `asker` is the token whose failure is being
 * healed, NULL when only the module is to be initialised. */
static core_status reset(tok_context *ctx, tok_token *asker, core_err *err)
{
    core_status st = ST_OK;
    core_err other = {0};

    if (ctx->initialised && asker != NULL && asker->present && token_answers(asker))
        return ST_OK;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next) {
        tok_pool_drain(token, true);
        token->keeper = 0;
        token->logged_in = false;
        token->indexed_at_us = 0;
        atomic_fetch_add(&token->epoch, 1);
    }
    if (ctx->initialised && ctx->own) {
        CK_RV rv = tok_library_finalize(&ctx->library);
        ctx->unfinished = rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    ctx->initialised = false;
    st = module_initialize(ctx, err);
    if (st != ST_OK)
        return st;
    ctx->initialised = true;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
        if (token != asker)
            (void)token_revive(token, &other);
    if (asker != NULL) {
        st = token_revive(asker, err);
        if (st == ST_OK)
            atomic_fetch_add(&asker->recoveries, 1);
    }
    return st;
}

/* The first failure is looked at a few times in half a second: a daemon that many processes turn to
 * at one moment (the children of a fork) sends some of them away. A token known to be gone is tried
 * once. */
static core_status reset_patiently(tok_context *ctx, tok_token *asker, core_err *err)
{
    enum { TRIES = 4, PAUSE_MS = 50 };
    core_status st = reset(ctx, asker, err);

    for (unsigned i = 1; i < TRIES && !ctx->down && core_status_class(st) == CORE_CLASS_DEVICE;
         i++) {
        core_sleep_ms((unsigned)PAUSE_MS << i);
        st = reset(ctx, asker, err);
    }
    return st;
}

static void note_outcome(tok_context *ctx, core_status st, const core_err *err)
{
    if (st == ST_OK) {
        if (ctx->down)
            core_log(CORE_LOG_INFO, "module \"%s\": back", ctx->config->module);
        ctx->down = false;
        ctx->backoff_ms = 0;
        ctx->retry_at_us = 0;
        return;
    }
    if (!ctx->down)
        core_log_status(CORE_LOG_ERROR, "module lost", st, err);
    ctx->down = true;
    ctx->backoff_ms = ctx->backoff_ms == 0 ? BACKOFF_FIRST_MS : ctx->backoff_ms * 2;
    if (ctx->backoff_ms > BACKOFF_LAST_MS)
        ctx->backoff_ms = BACKOFF_LAST_MS;
    ctx->retry_at_us = core_now_us() + (uint64_t)ctx->backoff_ms * 1000;
}

/* Waits for the flight that is under way, and says whether it is over. */
static bool await_flight_locked(tok_context *ctx)
{
    struct timespec until = tok_deadline(ctx->config->defaults.session_wait_ms);
    int rc = 0;
    while (ctx->closed && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&ctx->gate_moved, &ctx->gate, &until);
    return !ctx->closed;
}

/* Closes the gate and waits until all are out. A call that hangs in the module cannot be taken
 * back: then nothing may be reset under it, and the gate opens again. */
static bool close_gate_locked(tok_context *ctx)
{
    struct timespec until = tok_deadline(ctx->config->defaults.session_wait_ms);
    int rc = 0;
    ctx->closed = true;
    while (ctx->inside > 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&ctx->gate_moved, &ctx->gate, &until);
    return ctx->inside == 0;
}

/* Whether there is anything left to heal; decided under the gate, and again after each wait. */
static bool healed_locked(tok_context *ctx, tok_token *asker, uint64_t epoch)
{
    if (!ctx->initialised)
        return false;
    return asker == NULL || (asker->present && atomic_load(&asker->epoch) != epoch);
}

static core_status fly(tok_context *ctx, tok_token *asker, uint64_t epoch, core_err *err)
{
    core_status st = ST_OK;
    core_err why = {0};
    core_sigpipe sigpipe;

    pthread_mutex_lock(&ctx->gate);
    if (ctx->closed && !await_flight_locked(ctx)) {
        st = core_fail(err, ST_DEVICE, "module \"%s\": its recovery takes long; %s",
                       ctx->config->module, core_status_next(ST_DEVICE));
        goto done;
    }
    if (healed_locked(ctx, asker, epoch))
        goto done;
    if (core_now_us() < ctx->retry_at_us) {
        st = core_fail(err, ST_DEVICE_BACKOFF, "module \"%s\": %s; %s", ctx->config->module,
                       core_status_text(ST_DEVICE_BACKOFF), core_status_next(ST_DEVICE_BACKOFF));
        goto done;
    }
    if (!close_gate_locked(ctx)) {
        st = core_fail(&why, ST_DEVICE, "module \"%s\": a call has not come back; %s",
                       ctx->config->module, core_status_next(ST_DEVICE));
    } else {
        pthread_mutex_unlock(&ctx->gate);
        core_sigpipe_block(&sigpipe);
        st = reset_patiently(ctx, asker, &why);
        core_sigpipe_restore(&sigpipe);
        pthread_mutex_lock(&ctx->gate);
    }
    note_outcome(ctx, st, &why);
    ctx->closed = false;
    pthread_cond_broadcast(&ctx->gate_moved);
    if (st != ST_OK)
        st = core_fail(err, st, "%s", core_err_text(&why, st));
done:
    pthread_mutex_unlock(&ctx->gate);
    return st;
}

core_status tok_context_ready(tok_context *ctx, core_err *err)
{
    tok_fork_check(ctx);
    return fly(ctx, NULL, 0, err);
}

static bool in_use_locked(tok_context *ctx)
{
    unsigned users = 0;
    for (tok_token *token = ctx->tokens; token != NULL; token = token->next) {
        pthread_mutex_lock(&token->lock);
        users += token->users;
        pthread_mutex_unlock(&token->lock);
    }
    return users > 0;
}

bool tok_context_look_again(tok_context *ctx)
{
    enum { PAUSE_US = 1000000 };
    core_sigpipe sigpipe;
    core_status st = ST_DEVICE;

    pthread_mutex_lock(&ctx->gate);
    if (ctx->closed || !ctx->initialised || !ctx->own || core_now_us() < ctx->look_at_us ||
        in_use_locked(ctx))
        goto done;
    ctx->look_at_us = core_now_us() + PAUSE_US;
    if (close_gate_locked(ctx)) {
        pthread_mutex_unlock(&ctx->gate);
        core_sigpipe_block(&sigpipe);
        st = reset(ctx, NULL, NULL);
        core_sigpipe_restore(&sigpipe);
        pthread_mutex_lock(&ctx->gate);
    }
    ctx->closed = false;
    pthread_cond_broadcast(&ctx->gate_moved);
done:
    pthread_mutex_unlock(&ctx->gate);
    return st == ST_OK;
}

core_status tok_heal(tok_token *token, core_status st, uint64_t epoch, core_err *err)
{
    tok_stay stay;

    pthread_mutex_lock(&token->ctx->gate);
    bool present = token->present;
    pthread_mutex_unlock(&token->ctx->gate);
    /* Nobody can log in to a token that is known to be gone. */
    if (core_status_class(st) == CORE_CLASS_DEVICE || !present)
        return fly(token->ctx, token, epoch, err);
    st = tok_enter(token->ctx, &stay, err);
    if (st == ST_OK) {
        st = tok_login_again(token, err);
        tok_leave(token->ctx, &stay, token->info.label);
    }
    /* That is how some losses come to light. */
    return core_status_class(st) == CORE_CLASS_DEVICE ? fly(token->ctx, token, epoch, err) : st;
}
