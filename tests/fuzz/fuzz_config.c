/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration: refused with a text, or every value is within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "core/config.h"
#include "core/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fuzz target reports a failure by abort(). */
static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_token(const core_token_config *token)
{
    check(token->algorithms != 0 && token->algorithms < 1U << CORE_ALG_COUNT);
    check(token->rsa_unwrap != 0 && token->rsa_unwrap < 1U << CORE_PAD_COUNT);
    check((token->rsa_unwrap & 1U << token->rsa_padding) != 0);
    check(token->max_sessions <= 1024 && token->pin_tries >= 1 && token->pin_tries <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool open; /* once: a library context for each input would be most of the work */
    core_config *config = NULL;
    core_err err = {.status = ST_OK};
    if (!open)
        check(core_crypto_open() == ST_OK);
    open = true;
    const core_status st = core_config_parse((const char *)data, size, "fuzz.conf", &config, &err);
    check((st == ST_OK) == (config != NULL));
    if (st != ST_OK) {
        check(err.text[0] != '\0' && core_utf8_valid(err.text, strlen(err.text)));
        return 0;
    }
    check(config->module != NULL && config->log != NULL && config->audit != NULL);
    check_token(&config->defaults);
    for (size_t i = 0; i < config->token_count; i++) {
        check_token(&config->tokens[i]);
        check((config->tokens[i].token != NULL) != (config->tokens[i].members != NULL));
        check((config->tokens[i].member_count >= 2) == (config->tokens[i].members != NULL));
        check(config->tokens[i].alias != NULL);
        check(core_config_token(config, config->tokens[i].alias) == &config->tokens[i]);
    }
    core_config_free(config);
    return 0;
}
