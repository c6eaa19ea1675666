/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of modules and tokens that are gone: pauses, and when the module may be initialised
 * anew beside others at work.
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
    CU_ASSERT_FALSE(tok_health_resting(&ctx, NULL)); /* the module is well */
    tok_health_back(&ctx, &token);
    CU_ASSERT_FALSE(tok_health_resting(&ctx, &token));
    CU_ASSERT_FALSE(atomic_load(&token.health.down));
}

static void the_module_is_gone_for_all(void)
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

/* The first reset beside others waits; each next one twice as long. */
static void resets_become_rarer(void)
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
    /* What a reset took counts twenty-fold, whoever is next. */
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

/* A token that is missed while the loss of the module was what the log has told waits, too. */
static void a_loss_told_before_waits_too(void)
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
        {"the_module_is_gone_for_all", the_module_is_gone_for_all},
        {"resets_become_rarer", resets_become_rarer},
        {"a_loss_told_before_waits_too", a_loss_told_before_waits_too},
        {NULL, NULL},
    };
    static const test_suite suite = {.name = "health", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
