/* SPDX-License-Identifier: Apache-2.0
 *
 * The health state of unavailable modules and tokens: back-off, and when a module that others use
 * may be re-initialised.
 */
#include <string.h>
#include "core/platform.h"
#include "pkcs11/group/group_private.h"
#include "testing.h"

static core_config config = {.shared_reset_seconds = 5};
static tok_context ctx;
static tok_gate gate;
static tok_token token;
static const core_err gone = {.status = ST_DEVICE, .text = "gone"};

static void afresh(void)
{
    memset(&ctx, 0, sizeof ctx);
    memset(&token, 0, sizeof token);
    memset(&gate, 0, sizeof gate);
    core_mutex_init(&gate.notes.lock);
    ctx.config = &config;
    ctx.gate = &gate;
    gate.initialised = true;
    token.ctx = &ctx;
}

static void pauses_double(void)
{
    static const unsigned pauses[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    unsigned pause = 0;

    afresh();
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        pause = tok_backoff_next(pause);
        CU_ASSERT_EQUAL(pause, pauses[i]);
        tok_health_lost(&ctx, &token, ST_DEVICE, &gone);
        CU_ASSERT_EQUAL(token.health.backoff_ms, pauses[i]);
    }
    CU_ASSERT(tok_health_resting(&ctx, &token));
    CU_ASSERT_FALSE(tok_health_resting(&ctx, NULL)); /* the module is available */
    tok_health_back(&ctx, &token);
    CU_ASSERT_FALSE(tok_health_resting(&ctx, &token));
    CU_ASSERT_FALSE(atomic_load(&token.health.down));
}

static void module_loss_affects_all_tokens(void)
{
    afresh();
    gate.initialised = false;
    tok_health_lost(&ctx, &token, ST_MODULE_INIT, &gone);
    CU_ASSERT(atomic_load(&gate.health.down));
    CU_ASSERT_FALSE(atomic_load(&token.health.down));
    CU_ASSERT(tok_health_resting(&ctx, &token));
    tok_health_back(&ctx, NULL);
    CU_ASSERT_FALSE(atomic_load(&gate.health.down));
}

/* The first reset of a module in use waits; each later one waits twice as long. */
static void reset_interval_doubles(void)
{
    afresh();
    tok_health_lost(&ctx, &token, ST_DEVICE, &gone);
    CU_ASSERT_EQUAL(token.health.reset_s, 5);
    CU_ASSERT_FALSE(tok_reset_due(&ctx, &token.health));
    token.health.reset_at_us = 0;
    CU_ASSERT(tok_reset_due(&ctx, &token.health));
    for (unsigned s = 10; s <= 640; s = s < 320 ? s * 2 : s + 320) {
        tok_reset_done(&ctx, &token.health, 1000);
        CU_ASSERT_EQUAL(token.health.reset_s, s < 320 ? s : 320);
    }
    CU_ASSERT_FALSE(tok_reset_due(&ctx, &token.health));
    /* The duration of a reset counts twenty-fold, for the next token, too. */
    token.health.reset_at_us = 0;
    gate.reset_after_us = 0;
    CU_ASSERT(tok_reset_due(&ctx, &token.health));
    tok_reset_done(&ctx, &gate.absent, 60000000);
    CU_ASSERT_FALSE(tok_reset_due(&ctx, &token.health));
    config.shared_reset_seconds = 0;
    gate.reset_after_us = 0;
    CU_ASSERT_FALSE(tok_reset_due(&ctx, &token.health));
    config.shared_reset_seconds = 5;
}

/* A token that was lost while the log had reported the loss of the module waits, too. */
static void token_lost_after_module_waits(void)
{
    afresh();
    atomic_store(&gate.health.down, true);
    tok_health_lost(&ctx, &token, ST_TOKEN_NOT_FOUND, &gone);
    CU_ASSERT(atomic_load(&token.health.down));
    CU_ASSERT_EQUAL(token.health.reset_s, 5);
    CU_ASSERT_FALSE(tok_reset_due(&ctx, &token.health));
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"pauses_double", pauses_double},
        {"module_loss_affects_all_tokens", module_loss_affects_all_tokens},
        {"reset_interval_doubles", reset_interval_doubles},
        {"token_lost_after_module_waits", token_lost_after_module_waits},
        {NULL, NULL},
    };
    static const test_suite suite = {.name = "health", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
