/* SPDX-License-Identifier: Apache-2.0
 *
 * The pkcs11 room on a real token: entry point and shared parts of the suite.
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

const char *suite_config(const char *name, const char *more)
{
    char text[4096];
    const char *init = getenv("INIT_ARGS");
    int length = snprintf(
        text, sizeof text,
        "module = %s\nlog = stderr\nlog_level = error\n%s%s%s%s\n[token main]\ntoken = %s\n",
        getenv("MODULE"), init != NULL && *init != '\0' ? "init_args = \"" : "",
        init != NULL ? init : "", init != NULL && *init != '\0' ? "\"\n" : "", more,
        getenv("TOKEN"));
    /* Not testing_file: suites start outside of any test, where CUnit takes no assertion. */
    const char *path = testing_path(name);
    (void)remove(path);
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

bool suite_open(const char *config, tok_context **ctx, tok_token **token)
{
    core_err err = {ST_OK, ""};
    core_status st = tok_context_open(config, ctx, &err);

    *token = NULL;
    if (st == ST_OK) {
        st = tok_token_find(*ctx, "main", token, &err);
        if (st == ST_OK) {
            st = tok_token_login(*token, suite_pin(), strlen(suite_pin()), &err);
        }
        if (st != ST_OK) {
            tok_token_release(*token);
            tok_context_close(*ctx);
        }
    }
    if (st != ST_OK) {
        fprintf(stderr, "%s: %s\n", core_status_name(st), core_err_text(&err, st));
    }
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

void suite_destroy(tok_key *key)
{
    if (key != NULL && tok_key_destroy(key, NULL) != ST_OK) {
        fprintf(stderr, "key \"%s\" is left on the token\n", tok_key_about(key)->name);
    }
    tok_key_release(key);
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_find,   &suite_login, &suite_key,
                                               &suite_cipher, &suite_wrap,  &suite_threads};

    if (getenv("MODULE") == NULL || getenv("TOKEN") == NULL || getenv("PIN") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
