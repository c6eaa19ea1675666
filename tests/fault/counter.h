/* SPDX-License-Identifier: Apache-2.0
 *
 * The counting module (tests/tokens/count.h), reached by name in the module that is loaded anyway,
 * and a configuration that loads it directly: p11-kit would answer some calls itself.
 */
#ifndef FAULT_COUNTER_H
#define FAULT_COUNTER_H

#include <stdbool.h>

typedef struct counter {
    unsigned long (*get)(const char *);
    unsigned long (*violations)(void);
    void (*reset)(void);
    const char *(*log)(void);
    int (*plan)(const char *);
} counter;

/* Fills *c; false where the module named by MODULE is not the counting one. */
bool counter_load(counter *c);
/* Writes `name` in the directory of the tests, with the alias "main" and these further lines of
 * global keys ("log = none" unless they begin with another log); its path, or NULL. Good as long as
 * testing_path()'s. */
const char *counter_config(const char *name, const char *more);

/* Makes a second SoftHSM token beside the one of with-token, with its PIN; before the module is
 * initialised. */
bool counter_second_token(const char *label);

#endif
