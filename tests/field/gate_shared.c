/* SPDX-License-Identifier: Apache-2.0
 *
 * Several configurations and other components of the process use one library: there is one gate, so
 * that no C_Finalize runs during another's call, and none that is not wanted.
 */
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "tests/field/gate_fixture.h"

#define DIRECT "module_loader = direct\n"

static gate_fixture one, two;

static void *search_one(void *arg)
{
    *(core_status *)arg = gate_search(&one, NULL);
    return NULL;
}

/* The first configuration loses its token. To recover it, the module may be re-initialised only
 * after the call of the second has returned. */
static void recovery_waits_for_the_calls_of_another_configuration(void)
{
    gate_call call;
    pthread_t thread;
    core_status st = ST_OK;

    gate_reset();
    gate_login(&one, getenv("TOKEN"), DIRECT "shared_reset_seconds = 1\n");
    gate_start(&two, "other", DIRECT);
    gate_hold(&call, &two);
    atomic_store(&knobs->gone_slot, tok_token_info_of(one.token)->slot);
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, search_one, &st), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(core_status_class(st), CORE_CLASS_DEVICE);
    core_sleep_ms(1100); /* a reset while others use the module is due */
    (void)gate_search(&one, NULL);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(gate_release(&call), ST_OK);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised_under_call), 0);
    atomic_store(&knobs->gone_slot, 0);
    for (int i = 0; gate_search(&one, NULL) != ST_NOT_FOUND && i < 200; i++)
        core_sleep_ms(50);
    CU_ASSERT_EQUAL(gate_search(&one, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(gate_work(&two, NULL), ST_OK);
    gate_close(&two);
    gate_close(&one);
    CU_ASSERT_EQUAL(gate_sessions(), 0);
}

/* A reset invalidates the state of all configurations and logs all of them in again. */
static void reset_by_one_configuration_revives_the_other(void)
{
    core_err err = {0};

    gate_reset();
    gate_login(&one, getenv("TOKEN"), DIRECT "shared_reset_seconds = 1\n");
    gate_start(&two, "other", DIRECT);
    atomic_store(&knobs->gone_slot, tok_token_info_of(one.token)->slot);
    const int logins = atomic_load(&knobs->logins);
    for (int i = 0; atomic_load(&knobs->finalised) == 0 && i < 400; i++) {
        (void)gate_search(&one, NULL);
        CU_ASSERT_EQUAL(gate_work(&two, &err), ST_OK);
        core_sleep_ms(20);
    }
    CU_ASSERT(atomic_load(&knobs->finalised) > 0);
    CU_ASSERT_EQUAL(gate_work(&two, &err), ST_OK);
    CU_ASSERT_EQUAL(atomic_load(&knobs->logins), logins + atomic_load(&knobs->finalised));
    atomic_store(&knobs->gone_slot, 0);
    gate_close(&one);
    gate_close(&two);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised_under_call), 0);
}

static core_status find_missing(tok_context *ctx)
{
    tok_token *token = NULL;
    core_status st = tok_token_find(ctx, "no such token", &token, NULL);
    tok_token_release(token);
    return st;
}

static void mistyped_identity_leaves_the_module_of_others_alone(void)
{
    gate_reset();
    gate_start(&two, "other", DIRECT);
    gate_open(&one, getenv("TOKEN"), DIRECT);
    const int logins = atomic_load(&knobs->logins);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(find_missing(one.ctx), ST_TOKEN_NOT_FOUND);
        CU_ASSERT_EQUAL(gate_work(&two, NULL), ST_OK);
        core_sleep_ms(i < 2 ? 1050 : 0);
    }
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(atomic_load(&knobs->logins), logins);
    gate_close(&one);
    CU_ASSERT_EQUAL(gate_work(&two, NULL), ST_OK);
    gate_close(&two);
}

/* While no user is logged in, the module is re-initialised to look for the token, but less and less
 * often. */
static void mistyped_identity_is_probed_less_often(void)
{
    gate_reset();
    gate_open(&one, getenv("TOKEN"), DIRECT);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(find_missing(one.ctx), ST_TOKEN_NOT_FOUND);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 1);
    core_sleep_ms(1050);
    for (int i = 0; i < 20; i++)
        (void)find_missing(one.ctx);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 2);
    core_sleep_ms(1050); /* the interval has doubled */
    (void)find_missing(one.ctx);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 2);
    gate_close(&one);
}

static void last_configuration_finalises(void)
{
    gate_reset();
    gate_open(&one, getenv("TOKEN"), DIRECT);
    gate_start(&two, "other", DIRECT);
    gate_close(&one);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(gate_work(&two, NULL), ST_OK);
    gate_close(&two);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 1);
    CU_ASSERT_EQUAL(atomic_load(&knobs->initialised), 1);
}

/* A configuration with `never` decides for all; an outage changes nothing. */
static void never_finalises_for_any_configuration(void)
{
    gate_reset();
    gate_start(&one, getenv("TOKEN"), DIRECT "finalize = never\n");
    gate_open(&two, "other", DIRECT);
    CU_ASSERT_EQUAL(find_missing(two.ctx), ST_TOKEN_NOT_FOUND);
    atomic_store(&knobs->all_gone, true);
    CU_ASSERT_NOT_EQUAL(gate_search(&one, NULL), ST_OK);
    for (int i = 0; i < 5; i++, core_sleep_ms(50))
        (void)gate_search(&one, NULL);
    atomic_store(&knobs->all_gone, false);
    for (int i = 0; gate_work(&one, NULL) != ST_OK && i < 200; i++)
        core_sleep_ms(50);
    CU_ASSERT_EQUAL(gate_work(&one, NULL), ST_OK);
    gate_close(&one);
    gate_close(&two);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(gate_sessions(), 0);
    /* We initialised it, so a later configuration may finalise it. */
    gate_open(&one, getenv("TOKEN"), DIRECT);
    gate_close(&one);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 1);
}

/* --- another component of the process --- */

static void another_initialises(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CU_ASSERT_EQUAL_FATAL(module->C_Initialize(&args), CKR_OK);
}

static void module_of_another_component_is_not_finalised(void)
{
    gate_reset();
    another_initialises();
    gate_start(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_EQUAL(find_missing(one.ctx), ST_TOKEN_NOT_FOUND);
    gate_close(&one);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
}

/* After another component has finalised the module, the first call notices it. */
static void module_finalised_by_another_is_initialised_at_once(void)
{
    tok_token_info *infos = NULL;
    size_t count = 0;

    gate_reset();
    another_initialises();
    gate_open(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(tok_token_find(one.ctx, "main", &one.token, NULL), ST_OK);
    CU_ASSERT(core_now_us() - from < 1000000);
    CU_ASSERT_EQUAL(atomic_load(&knobs->initialised), 2);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
    CU_ASSERT_EQUAL(tok_token_list(one.ctx, &infos, &count, NULL), ST_OK);
    core_free(infos);
    CU_ASSERT_EQUAL(atomic_load(&knobs->initialised), 3);
    tok_token_release(one.token);
    tok_context_close(one.ctx);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 3); /* now we have initialised it */
}

/* As far as we know, both of our tokens are in use. */
static void module_finalised_under_users_is_initialised_for_all(void)
{
    gate_reset();
    gate_start(&one, getenv("TOKEN"), DIRECT "shared_reset_seconds = 0\n");
    gate_start(&two, "other", DIRECT "shared_reset_seconds = 0\n");
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
    CU_ASSERT_EQUAL(gate_work(&one, NULL), ST_OK);
    CU_ASSERT_EQUAL(gate_work(&two, NULL), ST_OK);
    CU_ASSERT_EQUAL(atomic_load(&knobs->initialised), 2);
    gate_close(&one);
    gate_close(&two);
}

static const test_case cases[] = {
    {"recovery_waits_for_the_calls_of_another_configuration",
     recovery_waits_for_the_calls_of_another_configuration},
    {"reset_by_one_configuration_revives_the_other", reset_by_one_configuration_revives_the_other},
    {"mistyped_identity_leaves_the_module_of_others_alone",
     mistyped_identity_leaves_the_module_of_others_alone},
    {"mistyped_identity_is_probed_less_often", mistyped_identity_is_probed_less_often},
    {"last_configuration_finalises", last_configuration_finalises},
    {"never_finalises_for_any_configuration", never_finalises_for_any_configuration},
    {"module_of_another_component_is_not_finalised", module_of_another_component_is_not_finalised},
    {"module_finalised_by_another_is_initialised_at_once",
     module_finalised_by_another_is_initialised_at_once},
    {"module_finalised_under_users_is_initialised_for_all",
     module_finalised_under_users_is_initialised_for_all},
    {NULL, NULL},
};
const test_suite gate_shared_suite = {.name = "shared", .cases = cases};
