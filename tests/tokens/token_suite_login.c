/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the token and logging in: exactly one token matches, every PIN is verified, no PIN try is
 * wasted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/uri.h"
#include "tests/tokens/token_suite.h"

static void finds_by_alias_label_and_uri(void)
{
    tok_context *ctx = NULL;
    tok_token *by_alias = NULL;
    tok_token *by_label = NULL;
    tok_token *by_uri = NULL;
    core_str uri = {0};

    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("find.conf", ""), &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_find(ctx, "main", &by_alias, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_find(ctx, getenv("TOKEN"), &by_label, NULL), ST_OK);
    tok_uri parts = {.token = (char *)(uintptr_t)tok_token_info_of(by_alias)->label,
                     .serial = (char *)(uintptr_t)tok_token_info_of(by_alias)->serial};
    tok_uri_format(&parts, &uri);
    CU_ASSERT_EQUAL(tok_token_find(ctx, core_str_get(&uri), &by_uri, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(by_alias, by_label);
    CU_ASSERT_PTR_EQUAL(by_alias, by_uri);
    core_str_free(&uri);
    CU_ASSERT_STRING_EQUAL(tok_token_config(by_label)->alias, "main");
    CU_ASSERT_STRING_EQUAL(tok_token_info_of(by_uri)->label, getenv("TOKEN"));
    tok_token_release(by_alias);
    tok_token_release(by_label);
    tok_token_release(by_uri);
    tok_context_close(ctx);
}

static void refuses_none_and_bad_uris(void)
{
    static const struct {
        const char *identity;
        core_status st;
    } cases[] = {
        {"no such token", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=nope", ST_TOKEN_NOT_FOUND},
        {"pkcs11:nonsense=1", ST_FORMAT},
        {"", ST_INVALID_ARGUMENT},
    };
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err;

    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("none.conf", ""), &ctx, NULL), ST_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(tok_token_find(ctx, cases[i].identity, &token, &err), cases[i].st);
        CU_ASSERT_PTR_NULL(token);
    }
    CU_ASSERT_EQUAL(tok_token_find(ctx, "no such token", &token, &err), ST_TOKEN_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, getenv("TOKEN"))); /* the candidates are named */
    tok_context_close(ctx);
}

static void shares_a_context(void)
{
    tok_context *a = NULL;
    tok_context *b = NULL;
    const char *config = suite_config("share.conf", "");

    CU_ASSERT_EQUAL_FATAL(tok_context_open(config, &a, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(config, &b, NULL), ST_OK);
    CU_ASSERT_PTR_EQUAL(a, b);
    tok_context_close(a);
    tok_token *token = NULL;
    CU_ASSERT_EQUAL(tok_token_find(b, "main", &token, NULL), ST_OK);
    tok_token_release(token);
    tok_context_close(b);
}

static void wrong_pin_of_a_second_user(void)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err;
    tok_key **keys = NULL;
    size_t count = 0;

    CU_ASSERT_FATAL(suite_open(suite_config("second.conf", ""), &ctx, &token));
    CU_ASSERT_EQUAL(tok_token_login(token, "000000", 6, &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NULL(strstr(err.text, "000000"));
    CU_ASSERT_EQUAL(tok_token_login(token, suite_pin(), strlen(suite_pin()) - 1, &err),
                    ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(tok_token_login(token, suite_pin(), strlen(suite_pin()), &err), ST_OK);
    tok_token_logout(token);
    /* The first user is not affected. */
    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, &err), ST_OK);
    tok_key_list_free(keys, count);
    suite_close(ctx, token);
}

static void ten_wrong_pins_do_not_lock(void)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    tok_token_stats stats;
    char pin[16];
    core_err err;

    CU_ASSERT_EQUAL_FATAL(
        tok_context_open(suite_config("wrong.conf", "pin_tries = 1\npin_retry_seconds = 60\n"),
                         &ctx, NULL),
        ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(tok_token_login(token, "999999", 6, &err), ST_AUTH_FAILED);
    tok_token_stats_get(token, &stats);
    CU_ASSERT_EQUAL(stats.logins, 1); /* the same PIN is sent to the token once */
    for (int i = 0; i < 10; i++) {
        snprintf(pin, sizeof pin, "90000%d", i);
        core_status st = tok_token_login(token, pin, strlen(pin), &err);
        CU_ASSERT(st == ST_AUTH_FAILED || st == ST_PIN_RATIONED);
    }
    tok_token_stats_get(token, &stats);
    CU_ASSERT_EQUAL(stats.logins, 1); /* and of different ones at most pin_tries */
    /* The limit applies to the right PIN, too; a new context shows that the token is not locked. */
    tok_token_release(token);
    tok_context_close(ctx);
    CU_ASSERT_FATAL(suite_open(suite_config("wrong.conf", ""), &ctx, &token));
    suite_close(ctx, token);
}

static void needs_a_login(void)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    tok_key *key = NULL;
    core_err err;

    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("nologin.conf", ""), &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_key_by_name(token, "x", &key, &err), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(tok_token_login(token, NULL, 0, &err), ST_PIN_SOURCE);
    tok_token_release(token);
    tok_context_close(ctx);
}

static void reads_the_pin_file(void)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_err err;
    char line[64];
    char more[512];

    int length = snprintf(line, sizeof line, "%s\r\n", suite_pin());
    const char *file = testing_file("pin", line, (size_t)length, 0600);
    snprintf(more, sizeof more, "pin_file = %s\n", file);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("pinfile.conf", more), &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(token, NULL, 0, &err), ST_OK);
    suite_close(ctx, token);

    file = testing_file("pin-open", line, (size_t)length, 0644);
    snprintf(more, sizeof more, "pin_file = %s\n", file);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("pinopen.conf", more), &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(token, NULL, 0, &err), ST_UNSAFE_FILE);
    tok_token_release(token);
    tok_context_close(ctx);
}

/* Text that cannot be a PIN is not sent: the token counts tries. */
static void sends_no_pin_file_that_is_no_text(void)
{
    static const char utf16[] = "\xff\xfe"
                                "1\0002\0003\0004\0";
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    tok_token_stats stats;
    char more[512];

    snprintf(more, sizeof more, "pin_file = %s\n",
             testing_file("pin-utf16", utf16, sizeof utf16 - 1, 0600));
    CU_ASSERT_EQUAL_FATAL(tok_context_open(suite_config("pinutf16.conf", more), &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_login(token, NULL, 0, NULL), ST_PIN_SOURCE);
    tok_token_stats_get(token, &stats);
    CU_ASSERT_EQUAL(stats.logins, 0);
    tok_token_release(token);
    tok_context_close(ctx);
}

static void opens_and_closes_many_times(void)
{
    const char *config = suite_config("many.conf", "");
    tok_context *ctx = NULL;
    tok_token *token = NULL;

    for (int i = 0; i < 50; i++) {
        CU_ASSERT_FATAL(suite_open(config, &ctx, &token));
        suite_close(ctx, token);
    }
}

static const test_case find_cases[] = {
    {"finds by alias, label and URI", finds_by_alias_label_and_uri},
    {"refuses none and bad URIs", refuses_none_and_bad_uris},
    {"shares a context", shares_a_context},
    {NULL, NULL},
};
const test_suite suite_find = {.name = "find", .cases = find_cases};

static const test_case login_cases[] = {
    {"wrong PIN of a second user", wrong_pin_of_a_second_user},
    {"ten wrong PINs do not lock", ten_wrong_pins_do_not_lock},
    {"needs a login", needs_a_login},
    {"reads the PIN file", reads_the_pin_file},
    {"sends no PIN file that is no text", sends_no_pin_file_that_is_no_text},
    {"opens and closes many times", opens_and_closes_many_times},
    {NULL, NULL},
};
const test_suite suite_login = {.name = "login", .cases = login_cases};
