/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake token and its faults: see fake_tok.h. Keys are in fake_key.c.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "core/platform.h"
#include "tests/unit/fake_tok_private.h"

fake_token_state fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fake_reset(const char *config)
{
    pthread_mutex_lock(&fake.lock);
    fake_free_objects_locked();
    fake.config_text = config ? config : FAKE_CONFIG FAKE_ALIAS;
    memset(fake.faults, 0, sizeof fake.faults);
    memset(fake.calls, 0, sizeof fake.calls);
    fake.misuses = 0;
    fake.live = 0;
    fake.logins = 0;
    fake.delay_ms = 0;
    pthread_mutex_unlock(&fake.lock);
}

void fake_fail(fake_function function, core_status st, unsigned times)
{
    pthread_mutex_lock(&fake.lock);
    fake.faults[function].status = st;
    fake.faults[function].times = times;
    pthread_mutex_unlock(&fake.lock);
}

core_status fake_enter(fake_function function, core_err *err)
{
    pthread_mutex_lock(&fake.lock);
    fake.calls[function]++;
    fake_fault *fault = &fake.faults[function];
    core_status st = fault->status;
    if (st != ST_OK && fault->times > 0 && --fault->times == 0)
        fault->status = ST_OK;
    pthread_mutex_unlock(&fake.lock);
    return st == ST_OK ? ST_OK : core_fail(err, st, "a fault of the test");
}

unsigned fake_calls(fake_function function)
{
    pthread_mutex_lock(&fake.lock);
    unsigned calls = fake.calls[function];
    pthread_mutex_unlock(&fake.lock);
    return calls;
}

unsigned fake_calls_all(void)
{
    unsigned sum = 0;
    for (int f = 0; f < FAKE_COUNT; f++)
        sum += fake_calls((fake_function)f);
    return sum;
}

unsigned fake_live(void)
{
    pthread_mutex_lock(&fake.lock);
    unsigned live = fake.live + fake.logins;
    pthread_mutex_unlock(&fake.lock);
    return live;
}

unsigned fake_misuses(void)
{
    pthread_mutex_lock(&fake.lock);
    unsigned misuses = fake.misuses;
    pthread_mutex_unlock(&fake.lock);
    return misuses;
}

void fake_delay_ms(unsigned milliseconds)
{
    pthread_mutex_lock(&fake.lock);
    fake.delay_ms = milliseconds;
    pthread_mutex_unlock(&fake.lock);
}

void fake_count(int change)
{
    pthread_mutex_lock(&fake.lock);
    if (change < 0 && fake.live == 0)
        fake.misuses++;
    else
        fake.live += (unsigned)change;
    pthread_mutex_unlock(&fake.lock);
}

void fake_misuse(void)
{
    pthread_mutex_lock(&fake.lock);
    fake.misuses++;
    pthread_mutex_unlock(&fake.lock);
}

bool fake_logged_in(void)
{
    pthread_mutex_lock(&fake.lock);
    bool in = fake.logins > 0;
    pthread_mutex_unlock(&fake.lock);
    return in;
}

core_status tok_context_open(const char *config_path, tok_context **out, core_err *err)
{
    (void)config_path;
    *out = NULL;
    core_status st = fake_enter(FAKE_tok_context_open, err);
    if (st == ST_OK)
        st = core_crypto_open();
    if (st != ST_OK)
        return st;
    tok_context *ctx = core_calloc(1, sizeof *ctx);
    st = ctx ? ST_OK : ST_NO_MEMORY;
    if (st == ST_OK)
        st = core_config_parse(fake.config_text, strlen(fake.config_text), "fake", &ctx->config,
                               err);
    if (st == ST_OK)
        st = core_log_open(ctx->config, err);
    if (st != ST_OK) {
        if (ctx)
            core_config_free(ctx->config);
        core_free(ctx);
        core_crypto_close();
        return st;
    }
    ctx->token.context = ctx;
    memcpy(ctx->token.info.label, "fake token", 11);
    memcpy(ctx->token.info.alias, "alpha", 6);
    fake_count(1);
    *out = ctx;
    return ST_OK;
}

void tok_context_close(tok_context *ctx)
{
    fake_count(-1);
    if (fake_live() > 0)
        fake_misuse();
    core_log_close(ctx->config);
    core_config_free(ctx->config);
    core_free(ctx);
    core_crypto_close();
}

const core_config *tok_context_config(const tok_context *ctx)
{
    return ctx->config;
}

core_status tok_token_list(tok_context *ctx, tok_token_info **out, size_t *count, core_err *err)
{
    *out = NULL;
    *count = 0;
    core_status st = fake_enter(FAKE_tok_token_list, err);
    if (st != ST_OK)
        return st;
    *out = core_calloc(1, sizeof **out);
    if (!*out)
        return ST_NO_MEMORY;
    **out = ctx->token.info;
    *count = 1;
    return ST_OK;
}

core_status tok_token_find(tok_context *ctx, const char *identity, tok_token **out, core_err *err)
{
    *out = NULL;
    core_status st = fake_enter(FAKE_tok_token_find, err);
    if (st != ST_OK)
        return st;
    if (strcmp(identity, "alpha") != 0 && strcmp(identity, "fake token") != 0)
        return core_fail(err, ST_TOKEN_NOT_FOUND, "no token \"%s\"", identity);
    fake_count(1);
    *out = &ctx->token;
    return ST_OK;
}

void tok_token_release(tok_token *token)
{
    (void)token;
    fake_count(-1);
}

const core_token_config *tok_token_config(const tok_token *token)
{
    const core_token_config *config = core_config_token(token->context->config, "alpha");
    return config ? config : &token->context->config->defaults;
}

const tok_token_info *tok_token_info_of(const tok_token *token)
{
    return &token->info;
}

core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len, core_err *err)
{
    (void)token;
    core_status st = fake_enter(FAKE_tok_token_login, err);
    if (st != ST_OK)
        return st;
    if (pin_len == 0)
        return core_fail(err, ST_PIN_SOURCE, "no PIN");
    if (pin_len != 4 || memcmp(pin, "1234", 4) != 0)
        return core_fail(err, ST_AUTH_FAILED, "wrong PIN");
    pthread_mutex_lock(&fake.lock);
    fake.logins++;
    pthread_mutex_unlock(&fake.lock);
    return ST_OK;
}

void tok_token_logout(tok_token *token)
{
    (void)token;
    pthread_mutex_lock(&fake.lock);
    if (fake.logins == 0)
        fake.misuses++;
    else
        fake.logins--;
    pthread_mutex_unlock(&fake.lock);
}
