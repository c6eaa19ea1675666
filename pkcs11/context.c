/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts: one for each configuration file in use, shared by all doors of the process.
 */
#include <string.h>
#include "core/lock.h"
#include "pkcs11/tok_private.h"

static core_lock contexts_lock = CORE_LOCK_INIT; /* guards the list and refs */
static tok_context *contexts;

static void context_free(tok_context *ctx)
{
    core_mutex_destroy(&ctx->gate);
    core_cond_destroy(&ctx->gate_moved);
    tok_turn_destroy(&ctx->serial);
    core_config_free(ctx->config);
    core_free(ctx->path);
    core_free(ctx);
}

/* Loads the module, and initialises it if it will: a token that comes up late is no reason to fail.
 */
static core_status context_load(tok_context *ctx, core_err *err)
{
    core_err late = {0};
    core_status st = tok_library_load(ctx->config, &ctx->library, err);

    if (st == ST_OK) {
        ctx->serialize = ctx->config->serialize == CORE_YES ||
                         (ctx->config->serialize == CORE_AUTO && ctx->library.alone);
        ctx->mask_sigpipe = ctx->config->mask_sigpipe == CORE_YES ||
                            (ctx->config->mask_sigpipe == CORE_AUTO && !ctx->library.local &&
                             core_sigpipe_default());
        if (tok_context_ready(ctx, &late) != ST_OK) {
            core_log(CORE_LOG_WARNING, "going on without it: %s",
                     core_err_text(&late, late.status));
        }
    }
    return st;
}

static core_status context_new(const char *path, tok_context **out, core_err *err)
{
    bool logging = false;
    core_status st;
    tok_context *ctx = core_calloc(1, sizeof *ctx);

    *out = NULL;
    if (ctx == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    core_mutex_init(&ctx->gate);
    core_cond_init(&ctx->gate_moved);
    tok_turn_init(&ctx->serial);
    ctx->refs = 1;
    atomic_store(&ctx->pid, core_process_id());
    ctx->path = core_strdup(path);
    if (ctx->path == NULL) {
        st = core_fail(err, ST_NO_MEMORY, "out of memory");
        goto done;
    }
    st = core_config_load(path, &ctx->config, err);
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
        if (logging) { /* here, as the caller's line finds this log closed */
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

    core_lock_take(&contexts_lock);
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
    core_lock_give(&contexts_lock);

    if (st == ST_OK)
        *out = ctx;
    else
        core_crypto_close();
    return st;
}

static void context_close_module(tok_context *ctx)
{
    tok_stay stay;

    while (ctx->groups != NULL) {
        tok_token *group = ctx->groups;
        ctx->groups = group->next;
        tok_group_free(group);
    }
    if (tok_enter(ctx, &stay, NULL) == ST_OK) {
        while (ctx->tokens != NULL) {
            tok_token *token = ctx->tokens;
            ctx->tokens = token->next;
            tok_token_free(token);
        }
        tok_leave(ctx, &stay, "closing");
        if (ctx->own)
            (void)tok_library_finalize(&ctx->library, ctx->config);
    }
    while (ctx->tokens != NULL) {
        tok_token *token = ctx->tokens;
        ctx->tokens = token->next;
        tok_pool_drain(token, true);
        tok_token_free(token);
    }
}

void tok_context_close(tok_context *ctx)
{
    if (ctx == NULL)
        return;
    core_lock_take(&contexts_lock);
    bool last = --ctx->refs == 0;
    if (last) {
        tok_context **at = &contexts;
        while (*at != ctx)
            at = &(*at)->next;
        *at = ctx->next;
        /* Still under the lock, so that one who opens it again at once finds the module finalised.
         */
        context_close_module(ctx);
        core_log_close(ctx->config);
        context_free(ctx);
    }
    core_lock_give(&contexts_lock);
    core_crypto_close();
}

const core_config *tok_context_config(const tok_context *ctx)
{
    return ctx->config;
}

bool tok_context_serialized(const tok_context *ctx)
{
    return ctx->serialize;
}

bool tok_context_needs_serial(const tok_context *ctx)
{
    return ctx->library.alone;
}

static void token_forget_process(tok_token *token)
{
    tok_token_locks(token);
    tok_pool_drain(token, true);
    token->keeper = 0;
    token->indexed_at_us = 0;
    token->logged_in = false;
    token->looking = false;
    atomic_fetch_add(&token->epoch, 1);
}

/* In a child all locks may be held by threads that do not exist, sessions belong to the parent, and
 * the module has to be initialised again. One thread of the child puts that right, the others wait.
 * Nothing is done in an atfork handler: those run with the host's locks held. */
void tok_fork_check(tok_context *ctx)
{
    uint32_t pid = core_process_id();
    uint32_t none = 0;

    if (atomic_load(&ctx->pid) == pid)
        return;
    none = atomic_load(&ctx->fork_pid);
    if (none != pid && atomic_compare_exchange_strong(&ctx->fork_pid, &none, pid)) {
        core_mutex_init(&ctx->gate);
        core_cond_init(&ctx->gate_moved);
        tok_turn_init(&ctx->serial);
        ctx->inside = 0;
        ctx->closed = false;
        ctx->initialised = false;
        atomic_store(&ctx->health.retry_at_us, 0);
        for (tok_token *token = ctx->tokens; token != NULL; token = token->next)
            token_forget_process(token);
        for (tok_token *group = ctx->groups; group != NULL; group = group->next) {
            token_forget_process(group);
            tok_group_forget_process(group);
        }
        atomic_store(&ctx->pid, pid);
        return;
    }
    while (atomic_load(&ctx->pid) != pid)
        core_sleep_ms(1);
}
