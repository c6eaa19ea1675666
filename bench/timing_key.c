/* SPDX-License-Identifier: Apache-2.0
 *
 * See timing_key.h.
 */
#include "bench/timing_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/tokens/token_conf.h"

static tok_context *ctx;
static tok_token *token;

tok_key *timing_key_open(const char *lines)
{
    const tok_key_spec spec = {"timing", CORE_ALG_RSA_2048, 0, true, false};
    const char *pin = getenv("PIN");
    tok_key *key = NULL;
    core_err err = {0};

    if (!token_conf_make(lines) || tok_context_open(token_conf_path(), &ctx, &err) != ST_OK ||
        tok_token_find(ctx, "test", &token, &err) != ST_OK ||
        tok_token_login(token, pin, strlen(pin), &err) != ST_OK ||
        tok_key_create(token, &spec, &key, &err) != ST_OK)
        printf("FAILED: %s\n", err.text);
    return key;
}

bool timing_key_close(tok_key *key)
{
    const bool destroyed = tok_key_destroy(key, NULL) == ST_OK;

    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    token_conf_remove();
    return destroyed;
}
