/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds token sections in a configuration that has been read.
 */
#include "core/config.h"

#include <string.h>

const core_token_config *core_config_token(const core_config *config, const char *alias)
{
    for (size_t i = 0; i < config->token_count; i++) {
        if (strcmp(config->tokens[i].alias, alias) == 0)
            return &config->tokens[i];
    }
    return NULL;
}

static bool is_member(const core_config *config, const core_token_config *token)
{
    for (size_t i = 0; i < config->token_count; i++)
        for (unsigned m = 0; m < config->tokens[i].member_count; m++)
            if (config->tokens[i].member[m] == token)
                return true;
    return false;
}

const core_token_config *core_config_only(const core_config *config)
{
    const core_token_config *only = NULL;
    for (size_t i = 0; i < config->token_count; i++) {
        if (is_member(config, &config->tokens[i]))
            continue;
        if (only != NULL)
            return NULL;
        only = &config->tokens[i];
    }
    return only;
}
