/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts. A context exists for each configuration file in use; all front ends of the process
 * share it. Contexts that use the same PKCS#11 library share its call gate (gate.c).
 */
#include <string.h>
#include "core/lock.h"
#include "pkcs11/group/group_private.h"
#include "pkcs11/slot/selector.h"

static core_lock contexts_lock = CORE_LOCK_INIT; /* guards the list and refs */
static tok_context *contexts CORE_GUARDED_BY(contexts_lock);

static void context_free(tok_context *ctx)
{
    core_config_free(ctx->config);
    core_free(ctx->path);
    core_free(ctx);
}

/* Loads the module and tries to initialize it. If C_Initialize fails, logs a warning and succeeds:
 * the token may become available later. */
static core_status context_load(tok_context *ctx, core_err *err)
{
    core_err late = {0};
    core_status st = tok_library_load(ctx->config, &ctx->library, err);

    if (st != ST_OK)
        return st;
    ctx->gate = ctx->library.gate;
    ctx->mask_sigpipe =
        ctx->config->mask_sigpipe == CORE_YES ||
        (ctx->config->mask_sigpipe == CORE_AUTO && !ctx->library.local && core_sigpipe_default());
    tok_gate_fork_check(ctx->gate);
    tok_gate_attach(ctx);
    if (tok_context_ready(ctx, &late) != ST_OK) {
        core_log(CORE_LOG_WARNING, "going on without it: %s", core_err_text(&late, late.status));
    }
    return ST_OK;
}

static core_status context_new(const char *path, tok_context **out, core_err *err)
{
    bool logging = false;
    core_status st;
    tok_context *ctx = core_calloc(1, sizeof *ctx);

    *out = NULL;
    if (ctx == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    ctx->refs = 1;
    ctx->path = core_strdup(path);
    if (ctx->path == NULL) {
        st = core_fail(err, ST_NO_MEMORY, "out of memory");
        goto done;
    }
    st = core_config_load(path, &ctx->config, err);
    if (st == ST_OK)
        st = tok_selectors_check(ctx->config, err);
    if (st != ST_OK)
        goto done;
    st = core_log_open(ctx->config, err);
    if (st != ST_OK)
        goto done;
    logging = true;
    st = context_load(ctx, err);
done:
    if (st == ST_OK) {
        *out = ctx;
    } else {
        if (logging) { /* log the error now: this log is closed when the caller gets the error */
            core_log_status(CORE_LOG_ERROR, path, st, err);
            core_log_close(ctx->config);
        }
        context_free(ctx);
    }
    return st;
}

core_status tok_context_open(const char *config_path, tok_context **out, core_err *err)
{
    const char *path = config_path != NULL ? config_path : core_config_path();
    *out = NULL;
    core_status st = core_crypto_open();
    if (st != ST_OK)
        return core_fail(err, st, "OpenSSL does not start");

    core_lock_acquire(&contexts_lock);
    tok_context *ctx = contexts;
    while (ctx != NULL && strcmp(ctx->path, path) != 0)
        ctx = ctx->next;
    if (ctx != NULL) {
        ctx->refs++;
    } else {
        st = context_new(path, &ctx, err);
        if (ctx != NULL) {
            ctx->next = contexts;
            contexts = ctx;
        }
    }
    core_lock_release(&contexts_lock);

    if (st == ST_OK)
        *out = ctx;
    else
        core_crypto_close();
    return st;
}

/* Closes all sessions of a token. Inside the gate. */
static void end_sessions(tok_token *token)
{
    tok_pool_drain(token, false);
    tok_session_keys_end(token);
    if (token->login_session != 0)
        tok_session_end(token, token->login_session);
    token->login_session = 0;
    tok_stale_close(token);
}

/* Ends the sessions, frees the tokens, and finalizes the module if no other context uses it. False:
 * a recovery that another context started did not end in time and may still read this context, so
 * the caller must not free it. */
static bool context_close_module(tok_context *ctx)
{
    tok_call_scope scope;

    tok_fork_check(ctx);
    if (tok_module_enter(ctx, &scope, NULL) == ST_OK) {
        for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
            end_sessions(token);
        tok_module_exit(ctx, &scope, "closing");
    }
    if (!tok_gate_detach(ctx))
        return false;
    while (ctx->groups != NULL) {
        tok_token *group = ctx->groups;
        ctx->groups = group->next;
        tok_group_free(group);
    }
    while (ctx->tokens != NULL) {
        tok_token *token = ctx->tokens;
        ctx->tokens = token->next;
        tok_token_free(token);
    }
    tok_gate_finalize_unused(ctx->gate, ctx);
    return true;
}

void tok_context_close(tok_context *ctx)
{
    if (ctx == NULL)
        return;
    core_lock_acquire(&contexts_lock);
    bool last = --ctx->refs == 0;
    if (last) {
        tok_context **at = &contexts;
        while (*at != ctx)
            at = &(*at)->next;
        *at = ctx->next;
        /* Hold contexts_lock: a thread that opens the configuration again waits until the module is
         * finalized. */
        const bool ended = context_close_module(ctx);
        core_log_close(ctx->config);
        if (ended)
            context_free(ctx);
    }
    core_lock_release(&contexts_lock);
    core_crypto_close();
}

const core_config *tok_context_config(const tok_context *ctx)
{
    return ctx->config;
}

bool tok_context_serialized(const tok_context *ctx)
{
    core_mutex_lock(&ctx->gate->lock);
    const bool serialized = ctx->gate->serialize;
    core_mutex_unlock(&ctx->gate->lock);
    return serialized;
}

bool tok_context_needs_serial(const tok_context *ctx)
{
    return ctx->library.alone;
}
