/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys on the token: creation, search, retirement.
 */
#include <stdio.h>
#include <string.h>
#include "tests/tokens/token_suite.h"

static tok_context *ctx;
static tok_token *token;

static int start(void)
{
    return suite_open(suite_config("keys.conf", ""), &ctx, &token) ? 0 : 1;
}

static int stop(void)
{
    suite_close(ctx, token);
    return 0;
}

static void creates_with_the_right_attributes(void)
{
    const char *name = suite_name("attr");
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, 0, name);
    tok_key *found = NULL;

    NEED(key);
    const tok_key_info *info = tok_key_info_of(key);
    CU_ASSERT_STRING_EQUAL(info->name, name);
    CU_ASSERT(info->rsa && info->persistent && info->sensitive && !info->extractable &&
              !info->retired);
    CU_ASSERT_EQUAL(info->bits, 2048);
    CU_ASSERT_EQUAL(info->algorithm, CORE_ALG_RSA_2048);
    CU_ASSERT_EQUAL(info->id_len, TOK_THUMB_LEN);
    CU_ASSERT_EQUAL(memcmp(info->id, info->thumb, TOK_THUMB_LEN), 0);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, info->thumb, &found, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(found, key);
    tok_key_release(found);
    CU_ASSERT_EQUAL(tok_key_by_name(token, name, &found, NULL), ST_OK);
    CU_ASSERT_EQUAL(memcmp(tok_key_info_of(found)->thumb, info->thumb, TOK_THUMB_LEN), 0);
    tok_key_release(found);
    suite_destroy(key);
}

static void names_clash(void)
{
    const char *name = suite_name("clash");
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, 0, name);
    tok_key_spec again = {name, CORE_ALG_AES_256, 0, true, false};
    tok_key *other = NULL;

    NEED(key);
    CU_ASSERT_EQUAL(tok_key_create(token, &again, &other, NULL), ST_KEY_EXISTS);
    CU_ASSERT_PTR_NULL(other);
    suite_destroy(key);
}

static void refuses_bad_specs(void)
{
    char longer[TOK_NAME_UNITS + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const tok_key_spec bad[] = {
        {"", CORE_ALG_AES_256, 0, true, false},
        {longer, CORE_ALG_AES_256, 0, true, false},
        {"p11ekm-retired:x", CORE_ALG_AES_256, 0, true, false},
        {"\xff", CORE_ALG_AES_256, 0, true, false},
        {"a\nGO", CORE_ALG_AES_256, 0, true, false},
        {"\xe2\x80\xaex", CORE_ALG_AES_256, 0, true, false},
        {"x$(y)", CORE_ALG_AES_256, 0, true, false},
        {"weak", CORE_ALG_RSA_1024, 0, true, false},
        {"none", CORE_ALG_COUNT, 0, true, false},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tok_key *key = NULL;
        core_status st = tok_key_create(token, &bad[i], &key, NULL);
        CU_ASSERT_EQUAL(st, i < 7 ? ST_INVALID_ARGUMENT : ST_POLICY);
        CU_ASSERT_PTR_NULL(key);
    }
}

static void finds_nothing(void)
{
    static const uint8_t thumb[TOK_THUMB_LEN] = {0xde, 0xad};
    tok_key *key = NULL;
    tok_token_stats before;
    tok_token_stats after;

    CU_ASSERT_EQUAL(tok_key_by_name(token, "there is no such key", &key, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &key, NULL), ST_NOT_FOUND);
    CU_ASSERT_PTR_NULL(key);
    tok_token_stats_get(token, &before);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &key, NULL), ST_NOT_FOUND);
    tok_token_stats_get(token, &after);
    CU_ASSERT_EQUAL(before.searches, after.searches); /* the result is cached for a while */
}

static void retires_and_restores(void)
{
    const char *name = suite_name("retire");
    tok_key *key = suite_make(token, CORE_ALG_RSA_2048, 0, name);
    tok_key *found = NULL;
    tok_key **all = NULL;
    size_t count = 0;
    tok_key *retired = NULL;
    uint8_t thumb[TOK_THUMB_LEN];

    NEED(key);
    memcpy(thumb, tok_key_info_of(key)->thumb, sizeof thumb);
    CU_ASSERT_EQUAL(tok_key_retire(key, NULL), ST_OK);
    tok_key_release(key);
    CU_ASSERT_EQUAL(tok_key_by_name(token, name, &found, NULL), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &found, NULL), ST_NOT_FOUND);

    CU_ASSERT_EQUAL_FATAL(tok_key_list(token, &all, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (memcmp(tok_key_info_of(all[i])->thumb, thumb, sizeof thumb) == 0)
            retired = tok_key_ref(all[i]);
    tok_key_list_free(all, count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(retired);
    CU_ASSERT(tok_key_info_of(retired)->retired);
    CU_ASSERT_EQUAL(tok_key_restore(retired, NULL), ST_OK);
    tok_key_release(retired);
    CU_ASSERT_EQUAL(tok_key_by_thumb(token, thumb, &found, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL(tok_key_info_of(found)->name, name);
    suite_destroy(found);
}

static void makes_or_refuses_the_largest(void)
{
    tok_key *key = suite_make(token, CORE_ALG_RSA_4096, 0, suite_name("large"));
    CU_ASSERT_EQUAL(key == NULL, suite_limit("rsa-3072"));
    suite_destroy(key);
}

static void volatile_keys_end(void)
{
    core_err err = {0};
    tok_key_spec spec = {suite_name("volatile"), CORE_ALG_AES_256, 0, false, false};
    tok_key *key = NULL;
    tok_key *found = NULL;
    core_status st = tok_key_create(token, &spec, &key, &err);

    if (st == ST_MECHANISM)
        TEST_SKIP(err.text);
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
    CU_ASSERT(!tok_key_info_of(key)->persistent);
    CU_ASSERT_EQUAL(tok_key_by_name(token, spec.name, &found, NULL), ST_NOT_FOUND);
    uint8_t iv[16] = {1};
    uint8_t out[64];
    size_t out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, iv, 16, out, &out_len, NULL), ST_OK);
    tok_key_release(key);
}

static const test_case key_cases[] = {
    {"creates with the right attributes", creates_with_the_right_attributes},
    {"names clash", names_clash},
    {"refuses bad specs", refuses_bad_specs},
    {"finds nothing", finds_nothing},
    {"retires and restores", retires_and_restores},
    {"makes or refuses the largest", makes_or_refuses_the_largest},
    {"volatile keys end", volatile_keys_end},
    {NULL, NULL},
};
const test_suite suite_key = {.name = "key", .cases = key_cases, .start = start, .stop = stop};
