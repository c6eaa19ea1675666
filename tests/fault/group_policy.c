/* SPDX-License-Identifier: Apache-2.0
 *
 * What a group refuses, and which member it uses: operations move to another member on device
 * failures only, and a change of keys is done on all members or on none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fault/group.h"

static grp_fixture w;

static core_status member_open(const char *alias, tok_token **token, core_err *err)
{
    core_status st = tok_token_find(w.ctx, alias, token, err);
    return st == ST_OK ? grp_login(*token, getenv("PIN"), err) : st;
}

static void member_close(tok_token *token)
{
    tok_token_logout(token);
    tok_token_release(token);
}

/* ST_OK if the member has a key with this name. */
static core_status member_has(const char *alias, const char *name)
{
    tok_token *token = NULL;
    tok_key *key = NULL;

    CU_ASSERT_EQUAL_FATAL(member_open(alias, &token, NULL), ST_OK);
    core_status st = tok_key_by_name(token, name, &key, NULL);
    tok_key_release(key);
    member_close(token);
    return st;
}

static void preference_uses_first_member(void)
{
    tok_token_stats stats;
    tok_key *again = NULL;

    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT_STRING_EQUAL(tok_token_info_of(w.group)->label, "ha");
    CU_ASSERT_PTR_EQUAL(tok_key_token(w.rsa), w.group);
    for (unsigned i = 0; i < 6; i++)
        CU_ASSERT(grp_served_by(&w, "pair-0"));
    CU_ASSERT_EQUAL(tok_key_by_thumb(w.group, tok_key_info_of(w.rsa)->thumb, &again, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(again, w.rsa);
    tok_key_release(again);
    tok_token_stats_get(w.group, &stats);
    CU_ASSERT_EQUAL(stats.logins, 2);
    grp_close(&w);
}

static void rotation_uses_each_member(void)
{
    unsigned served[2] = {0};

    CU_ASSERT_FATAL(grp_open(&w, "group_order = round-robin\n"));
    for (unsigned i = 0; i < 20; i++) {
        core_err err = {0};
        CU_ASSERT_EQUAL(grp_decrypt(&w, &err), ST_OK);
        served[err.served_by != NULL && strcmp(err.served_by, "pair-1") == 0]++;
    }
    CU_ASSERT_EQUAL(served[0], 10);
    CU_ASSERT_EQUAL(served[1], 10);
    grp_close(&w);
}

static void many_users(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT_EQUAL(grp_login(w.group, getenv("PIN"), &err), ST_OK);
    tok_token_logout(w.group);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    CU_ASSERT_EQUAL(grp_login(w.group, "4321", &err), ST_AUTH_FAILED);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    tok_token_logout(w.group);
    CU_ASSERT_EQUAL(grp_decrypt(&w, &err), ST_AUTH_FAILED); /* no user is logged in */
    CU_ASSERT_EQUAL(grp_login(w.group, getenv("PIN"), &err), ST_OK);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    grp_close(&w);
}

static void wrong_pin_of_member_is_result(void)
{
    core_err err = {0};
    tok_token *group = NULL;
    char pin_file[600];

    /* Each member has its own PIN file; the second one's PIN is wrong. */
    const char *good = testing_file("good.pin", "1234\n", 5, 0600);
    snprintf(pin_file, sizeof pin_file, "pin_file = %s\n", testing_path("good.pin"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(good);
    CU_ASSERT_FATAL(grp_open(&w, ""));
    grp_close(&w);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(grp_config(pin_file, ""), &w.ctx, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w.ctx, "ha", &group, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(group, NULL, 0, &err), ST_OK);
    tok_token_logout(group);
    CU_ASSERT_EQUAL(grp_login(group, "4321", &err), ST_AUTH_FAILED);
    CU_ASSERT_STRING_EQUAL(err.served_by, "pair-0"); /* and the next was not tried */
    tok_token_release(group);
    tok_context_close(w.ctx);
}

static void create_follows_policy(void)
{
    tok_key_spec spec = {"made", CORE_ALG_RSA_2048, 0, true, false};
    tok_key *key = NULL;
    core_err err = {0};

    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT_EQUAL(tok_key_create(w.group, &spec, &key, &err), ST_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "group_create"));
    grp_close(&w);

    CU_ASSERT_FATAL(grp_open(&w, "group_create = single\n"));
    spec.persistent = false;
    CU_ASSERT_EQUAL(tok_key_create(w.group, &spec, &key, &err), ST_POLICY);
    spec.persistent = true;
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w.group, &spec, &key, &err), ST_OK);
    CU_ASSERT_STRING_EQUAL(err.served_by, "pair-0");
    CU_ASSERT_EQUAL(member_has("zero", "made"), ST_OK);
    CU_ASSERT_EQUAL(member_has("one", "made"), ST_NOT_FOUND);
    /* A key that only one member has cannot be retired on both: nothing is changed. */
    CU_ASSERT_EQUAL(tok_key_retire(key, &err), ST_HANDLE_LOST);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "pair-1"));
    CU_ASSERT_EQUAL(member_has("zero", "made"), ST_OK);
    tok_key_release(key);

    tok_token *zero = NULL;
    CU_ASSERT_EQUAL_FATAL(member_open("zero", &zero, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(zero, "made", &key, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    tok_key_release(key);
    member_close(zero);
    grp_close(&w);
}

static void retire_changes_all_or_none(void)
{
    core_err err = {0};
    tok_key *back = NULL;

    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT_EQUAL(tok_key_retire(w.rsa, &err), ST_OK);
    CU_ASSERT_EQUAL(member_has("zero", "shared"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(member_has("one", "shared"), ST_NOT_FOUND);

    tok_key **keys = NULL;
    size_t count = 0;
    CU_ASSERT_EQUAL_FATAL(tok_key_list(w.group, &keys, &count, &err), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (tok_key_info_of(keys[i])->retired)
            CU_ASSERT_EQUAL(tok_key_restore(keys[i], &err), ST_OK);
    tok_key_list_free(keys, count);
    CU_ASSERT_EQUAL(member_has("zero", "shared"), ST_OK);
    CU_ASSERT_EQUAL(member_has("one", "shared"), ST_OK);
    CU_ASSERT_EQUAL(tok_key_by_name(w.group, "shared", &back, &err), ST_OK);

    CU_ASSERT(grp_setup("unplug-1"));
    CU_ASSERT_EQUAL(core_status_class(tok_key_retire(back, &err)), CORE_CLASS_DEVICE);
    CU_ASSERT_EQUAL(member_has("zero", "shared"), ST_OK);
    CU_ASSERT(grp_served_by(&w, "pair-0"));
    CU_ASSERT(grp_setup("plug-1"));
    tok_key_release(back);
    grp_close(&w);
}

/* A key that one member does not have is reported missing; no other member is tried. */
static void missing_key_not_sought_on_other_member(void)
{
    tok_token *one = NULL;
    tok_key *key = NULL;
    core_err err = {0};
    tok_key_spec spec = {"only-1", CORE_ALG_RSA_2048, 0, true, false};

    CU_ASSERT_FATAL(grp_open(&w, ""));
    CU_ASSERT_EQUAL_FATAL(member_open("one", &one, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(one, &spec, &key, &err), ST_OK);
    tok_key *there = NULL;
    CU_ASSERT_EQUAL(tok_key_by_name(w.group, "only-1", &there, &err), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_by_thumb(w.group, tok_key_info_of(key)->thumb, &there, &err),
                    ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    tok_key_release(key);
    member_close(one);
    grp_close(&w);
}

static const test_case policy_cases[] = {
    {"preference_uses_first_member", preference_uses_first_member},
    {"rotation_uses_each_member", rotation_uses_each_member},
    {"many users", many_users},
    {"wrong_pin_of_member_is_result", wrong_pin_of_member_is_result},
    {"create_follows_policy", create_follows_policy},
    {"retire_changes_all_or_none", retire_changes_all_or_none},
    {"missing_key_not_sought_on_other_member", missing_key_not_sought_on_other_member},
    {NULL, NULL},
};
const test_suite suite_policy = {.name = "policy", .cases = policy_cases};
