/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes a configuration for the token that setup-*.sh describes in the environment.
 */
#ifndef TESTS_TOKEN_CONF_H
#define TESTS_TOKEN_CONF_H

#include <stdbool.h>

/* Makes a directory with a configuration with the alias "test"; `globals` are further lines, with
 * "log = stderr" and warnings unless they name a log. Points P11EKM_CONF to it. False if it cannot
 * be written. */
bool token_conf_make(const char *globals);
/* Its path; "" if there is none. */
const char *token_conf_path(void);
/* Removes both; another may be made. */
void token_conf_remove(void);

#endif
