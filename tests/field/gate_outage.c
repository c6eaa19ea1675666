/* SPDX-License-Identifier: Apache-2.0
 *
 * Outages of one token or all: their effects on a module that we must not finalise, on the health
 * state, and on a group whose change was half done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "pkcs11/group/group_private.h"
#include "tests/field/gate_fixture.h"

#define DIRECT "module_loader = direct\n"

static gate_fixture one, two;

static void wait_until_back(gate_fixture *w)
{
    for (int i = 0; gate_search(w, NULL) != ST_NOT_FOUND && i < 400; i++)
        core_sleep_ms(25);
    CU_ASSERT_EQUAL(gate_search(w, NULL), ST_NOT_FOUND);
}

/* The caller notices that the token is away and probes for it. */
static void notice_outage(gate_fixture *w)
{
    core_err err = {0};
    core_status st =
        tok_recover(w->token, ST_DEVICE, atomic_load(&w->token->module_generation), &err);
    CU_ASSERT_EQUAL(core_status_class(st), CORE_CLASS_DEVICE);
}

static void another_initialises(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CU_ASSERT_EQUAL_FATAL(module->C_Initialize(&args), CKR_OK);
}

/* The module keeps the sessions that an outage made useless, and with them the login. */
static void outages_leave_no_sessions_in_the_module_of_another(void)
{
    const char *pin = getenv("PIN");
    core_err err = {0};

    gate_reset();
    another_initialises();
    gate_start(&one, getenv("TOKEN"), DIRECT);
    const int before = gate_sessions();
    for (int i = 0; i < 3; i++) {
        atomic_store(&knobs->all_gone, true);
        notice_outage(&one);
        atomic_store(&knobs->all_gone, false);
        wait_until_back(&one);
        CU_ASSERT(gate_sessions() <= before);
    }
    tok_token_logout(one.token);
    CU_ASSERT_EQUAL(gate_sessions(), 0);
    CU_ASSERT_EQUAL(tok_token_login(one.token, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_EQUAL(gate_work(&one, &err), ST_OK);
    gate_close(&one);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
}

/* All users log out while the token is away. Their sessions must not keep the token logged in for
 * the next user. */
static void logouts_in_an_outage_leave_no_login(void)
{
    const char *pin = getenv("PIN");
    core_err err = {0};

    gate_reset();
    another_initialises();
    gate_login(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_EQUAL(gate_search(&one, NULL), ST_NOT_FOUND);
    atomic_store(&knobs->all_gone, true);
    notice_outage(&one);
    tok_token_logout(one.token);
    atomic_store(&knobs->all_gone, false);
    core_status st = ST_DEVICE;
    for (int i = 0; st != ST_OK && i < 100; i++, core_sleep_ms(25))
        st = tok_token_login(one.token, pin, strlen(pin), &err);
    CU_ASSERT_EQUAL(st, ST_OK);
    gate_close(&one);
    CU_ASSERT_EQUAL(gate_sessions(), 0);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
}

/* Another component closed our sessions and opened its own, with the same handles. */
static void sessions_that_may_be_another_components_are_not_closed(void)
{
    CK_SESSION_HANDLE sessions[64];
    CK_SESSION_INFO info;
    size_t count = 0;

    gate_reset();
    another_initialises();
    gate_login(&one, getenv("TOKEN"), DIRECT);
    const CK_SLOT_ID slot = tok_token_info_of(one.token)->slot;
    CU_ASSERT_EQUAL(gate_search(&one, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(module->C_CloseAllSessions(slot), CKR_OK);
    for (; count < 1; count++)
        CU_ASSERT_EQUAL(
            module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &sessions[count]), CKR_OK);
    atomic_store(&knobs->all_gone, true);
    notice_outage(&one);
    atomic_store(&knobs->all_gone, false);
    wait_until_back(&one);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(module->C_GetSessionInfo(sessions[i], &info), CKR_OK);
        CU_ASSERT_EQUAL(module->C_CloseSession(sessions[i]), CKR_OK);
    }
    gate_close(&one);
    CU_ASSERT_EQUAL(module->C_Finalize(NULL), CKR_OK);
}

/* The token works again, so the outage of another token must not re-initialise the module while it
 * is in use. */
static void login_brings_a_lost_token_back(void)
{
    const char *pin = getenv("PIN");
    core_err err = {0};

    gate_reset();
    gate_login(&one, getenv("TOKEN"), DIRECT);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(one.ctx, "other", &two.token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(two.token, pin, strlen(pin), &err), ST_OK);
    atomic_store(&knobs->gone_slot, tok_token_info_of(one.token)->slot);
    notice_outage(&one);
    CU_ASSERT(atomic_load(&one.token->health.down));
    tok_token_logout(one.token);
    atomic_store(&knobs->gone_slot, 0);
    CU_ASSERT_EQUAL(tok_token_login(one.token, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_FALSE(atomic_load(&one.token->health.down));
    CU_ASSERT(one.token->present);
    const int finalised = atomic_load(&knobs->finalised);
    atomic_store(&knobs->gone_slot, tok_token_info_of(two.token)->slot);
    for (int i = 0; i < 20; i++, core_sleep_ms(10)) {
        core_status st =
            tok_recover(two.token, ST_DEVICE, atomic_load(&two.token->module_generation), &err);
        CU_ASSERT_NOT_EQUAL(st, ST_OK);
        CU_ASSERT_EQUAL(gate_search(&one, &err), ST_NOT_FOUND);
    }
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), finalised);
    atomic_store(&knobs->gone_slot, 0);
    tok_token_logout(two.token);
    tok_token_release(two.token);
    gate_close(&one);
}

/* --- what a token offers --- */

static core_status create(gate_fixture *w, core_err *err)
{
    static unsigned serial;
    char name[32];
    tok_key_spec spec = {.name = name, .algorithm = CORE_ALG_AES_256, .persistent = true};
    tok_key *key = NULL;

    (void)snprintf(name, sizeof name, "offer-%u", ++serial);
    core_status st = tok_key_create(w->token, &spec, &key, err);
    if (st == ST_OK)
        st = tok_key_destroy(key, err);
    tok_key_release(key);
    return st;
}

/* A failed query is not cached and keeps no key from being made. */
static void failed_mechanism_query_is_repeated(void)
{
    static const CK_RV answers[] = {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, 0x80000001UL,
                                    CKR_FUNCTION_NOT_SUPPORTED, CKR_HOST_MEMORY};

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        core_err err = {0};
        gate_reset();
        gate_login(&one, getenv("TOKEN"), DIRECT);
        atomic_store(&knobs->mechanism_info, answers[i]);
        atomic_store(&knobs->mechanism_times, 1000000);
        atomic_store(&knobs->mechanism, CKM_AES_KEY_GEN);
        core_status st = create(&one, &err);
        if (st != ST_OK)
            printf("0x%lx: %s\n", answers[i], err.text);
        CU_ASSERT_EQUAL(st, ST_OK);
        atomic_store(&knobs->mechanism_times, 0);
        CU_ASSERT_EQUAL(create(&one, &err), ST_OK);
        gate_close(&one);
    }
}

/* The list does not have the mechanism, which counts until the token answers the query. */
static void mechanism_list_used_until_the_query_succeeds(void)
{
    core_err err = {0};

    gate_reset();
    gate_login(&one, getenv("TOKEN"), DIRECT);
    atomic_store(&knobs->no_list, true);
    atomic_store(&knobs->mechanism_info, CKR_GENERAL_ERROR);
    atomic_store(&knobs->mechanism_times, 1);
    atomic_store(&knobs->mechanism, CKM_AES_KEY_GEN);
    CU_ASSERT_EQUAL(create(&one, &err), ST_MECHANISM);
    core_sleep_ms(1050); /* not queried again before that */
    CU_ASSERT_EQUAL(create(&one, &err), ST_OK);
    gate_close(&one);
}

/* A mechanism that the token does not support is refused without being tried. */
static void mechanism_that_is_not_offered_is_refused(void)
{
    core_err err = {0};

    gate_reset();
    gate_login(&one, getenv("TOKEN"), DIRECT);
    atomic_store(&knobs->mechanism_info, CKR_MECHANISM_INVALID);
    atomic_store(&knobs->mechanism_times, 1);
    atomic_store(&knobs->mechanism, CKM_AES_KEY_GEN);
    CU_ASSERT_EQUAL(create(&one, &err), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_AES_KEY_GEN"));
    gate_close(&one);
}

/* --- groups --- */

static const char both_tokens[] =
    DIRECT "[token b]\ntoken = other\n[token both]\nmembers = b, main\n";

static core_status still_there(tok_token *token)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(token, "grouped", &key, NULL);
    tok_key_release(key);
    return st;
}

/* The second member fails after the first has destroyed the key: a repeated call completes it. */
static void half_done_destroy_is_completed_by_repeat(void)
{
    const char *pin = getenv("PIN");
    core_err err = {0};
    tok_token *group = NULL;
    tok_key *key = NULL;

    gate_reset();
    gate_login(&one, getenv("TOKEN"), both_tokens);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(one.ctx, "b", &two.token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(two.token, pin, strlen(pin), &err), ST_OK);
    gate_import(&one, "grouped");
    gate_import(&two, "grouped");
    CU_ASSERT_EQUAL_FATAL(tok_token_find(one.ctx, "both", &group, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(group, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(group, "grouped", &key, &err), ST_OK);
    atomic_store(&knobs->destroys, 2);
    CU_ASSERT_NOT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    core_status st = ST_FAILURE;
    for (int i = 0; st != ST_OK && i < 40; i++, core_sleep_ms(50))
        st = tok_key_destroy(key, &err);
    if (st != ST_OK)
        printf("%s ", err.text);
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(still_there(one.token), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(still_there(two.token), ST_NOT_FOUND);
    /* No member has it: that is not a success. */
    CU_ASSERT_NOT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    tok_key_release(key);
    tok_token_logout(group);
    tok_token_release(group);
    tok_token_logout(two.token);
    tok_token_release(two.token);
    gate_close(&one);
}

static const test_case cases[] = {
    {"outages_leave_no_sessions_in_the_module_of_another",
     outages_leave_no_sessions_in_the_module_of_another},
    {"logouts_in_an_outage_leave_no_login", logouts_in_an_outage_leave_no_login},
    {"sessions_that_may_be_another_components_are_not_closed",
     sessions_that_may_be_another_components_are_not_closed},
    {"login_brings_a_lost_token_back", login_brings_a_lost_token_back},
    {"failed_mechanism_query_is_repeated", failed_mechanism_query_is_repeated},
    {"mechanism_list_used_until_the_query_succeeds", mechanism_list_used_until_the_query_succeeds},
    {"mechanism_that_is_not_offered_is_refused", mechanism_that_is_not_offered_is_refused},
    {"half_done_destroy_is_completed_by_repeat", half_done_destroy_is_completed_by_repeat},
    {NULL, NULL},
};
const test_suite gate_outage_suite = {.name = "outage", .cases = cases};
