/* SPDX-License-Identifier: Apache-2.0
 *
 * Access to the fault proxy (tests/tokens/count.h): finds its functions in the module that is
 * already loaded, and writes a configuration that loads it directly, because p11-kit would answer
 * some calls itself.
 */
#ifndef FAULT_PROXY_H
#define FAULT_PROXY_H

#include <stdbool.h>

typedef struct fault_proxy {
    unsigned long (*get)(const char *);
    unsigned long (*violations)(void);
    void (*reset)(void);
    const char *(*log)(void);
    int (*plan)(const char *);
} fault_proxy;

/* Fills *c; false if the module named by MODULE is not the fault proxy. */
bool fault_proxy_load(fault_proxy *c);
/* Writes the configuration file `name` in the tests' directory, with the alias "main" and the
 * global lines `more` ("log = none" unless they begin with another log). Returns its path, valid as
 * long as testing_path()'s, or NULL. */
const char *fault_proxy_config(const char *name, const char *more);

/* Makes a second SoftHSM token next to the one of with-token, with the same PIN. Call it before the
 * module is initialised. */
bool fault_proxy_second_token(const char *label);

#endif
