/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared functions of the token layer's suite on a real token.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/tokens/token_suite.h"

const char *suite_pin(void)
{
    return getenv("PIN");
}

bool suite_limit(const char *limit)
{
    const char *limits = getenv("TOKEN_LIMITS");
    return limits != NULL && strstr(limits, limit) != NULL;
}

const char *suite_config(const char *name, const char *more)
{
    char text[4096];
    const char *init = getenv("INIT_ARGS");
    const char *extra = getenv("CONF_EXTRA");
    int length = snprintf(
        text, sizeof text,
        "module = %s\nlog = stderr\nlog_level = error\n%s%s%s%s\n%s\n[token main]\ntoken = %s\n",
        getenv("MODULE"), init != NULL && *init != '\0' ? "init_args = \"" : "",
        init != NULL ? init : "", init != NULL && *init != '\0' ? "\"\n" : "", more,
        extra != NULL ? extra : "", getenv("TOKEN"));
    /* Not testing_file: a suite's start runs outside of any test, where CUnit accepts no
     * assertion. */
    const char *path = testing_path(name);
    (void)remove(path);
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

bool suite_open(const char *config, tok_context **ctx, tok_token **token)
{
    core_err err = {0};
    core_status st = tok_context_open(config, ctx, &err);

    *token = NULL;
    if (st == ST_OK) {
        st = tok_token_find(*ctx, "main", token, &err);
        if (st == ST_OK)
            st = tok_token_login(*token, suite_pin(), strlen(suite_pin()), &err);
        if (st != ST_OK) {
            tok_token_release(*token);
            tok_context_close(*ctx);
        }
    }
    if (st != ST_OK)
        fprintf(stderr, "%s: %s\n", core_status_name(st), core_err_text(&err, st));
    return st == ST_OK;
}

void suite_close(tok_context *ctx, tok_token *token)
{
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
}

const char *suite_name(const char *stem)
{
    static char names[8][64];
    static unsigned next;
    static unsigned serial;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "%s-%u-%u", stem, (unsigned)core_process_id(), ++serial);
    return name;
}

static char refusal[512];

const char *suite_refusal(void)
{
    return refusal;
}

tok_key *suite_make(tok_token *token, core_algorithm algorithm, unsigned can, const char *name)
{
    unsigned rights = suite_limit("dual-use") ? SUITE_CMK : can;
    tok_key_spec spec = {name, algorithm, rights, true, false};
    tok_key *key = NULL;
    core_err err = {0};
    core_status st = tok_key_create(token, &spec, &key, &err);

    if (st != ST_OK && st != ST_MECHANISM) {
        fprintf(stderr, "create %s: %s: %s\n", core_algorithm_tag(algorithm), core_status_name(st),
                err.text);
        CU_FAIL("create");
    }
    if (st == ST_MECHANISM)
        CU_ASSERT(strstr(err.text, "CKM_") != NULL || strstr(err.text, "CKR_") != NULL);
    snprintf(refusal, sizeof refusal, "%s", err.text);
    return key;
}

void suite_destroy(tok_key *key)
{
    if (key != NULL && tok_key_destroy(key, NULL) != ST_OK)
        fprintf(stderr, "key \"%s\" is left on the token\n", tok_key_info_of(key)->name);
    tok_key_release(key);
}
