/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by fake_tok.c and fake_key.c.
 */
#ifndef FAKE_TOK_PRIVATE_H
#define FAKE_TOK_PRIVATE_H

#include <pthread.h>
#include "core/log.h"
#include "tests/unit/fake_tok.h"

struct tok_token {
    tok_context *context;
    tok_token_info info;
};

struct tok_context {
    core_config *config;
    tok_token token;
};

/* An object on the token; kept until fake_reset, so that keys may always point to it. */
typedef struct fake_object {
    struct fake_object *next;
    bool present;
    tok_key_info info;
    uint8_t secret[32];
} fake_object;

/* A key handed to callers: a description of the object when it was found. */
struct tok_key {
    unsigned refs; /* under the fake's lock */
    tok_token *token;
    tok_key_info info;
    fake_object *object;
};

typedef struct fake_fault {
    core_status status;
    unsigned times;
} fake_fault;

typedef struct fake_token_state {
    pthread_mutex_t lock; /* guards all */
    const char *config_text;
    fake_fault faults[FAKE_COUNT];
    unsigned calls[FAKE_COUNT];
    unsigned live, logins, misuses, delay_ms;
    unsigned made; /* number of objects ever made: the seed of the next one */
    fake_object *objects;
} fake_token_state;

extern fake_token_state fake;

/* Counts the call and returns its fault. */
core_status fake_enter(fake_function function, core_err *err);
void fake_count(int change);
void fake_misuse(void);
bool fake_logged_in(void);
void fake_free_objects_locked(void);

#endif
