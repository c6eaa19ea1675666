/* SPDX-License-Identifier: Apache-2.0
 *
 * What fake_tok.c and fake_key.c share.
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

/* What is on the token; kept until fake_reset, so that keys can always point to it. */
typedef struct fake_object {
    struct fake_object *next;
    bool present;
    tok_key_info info;
    uint8_t secret[32];
} fake_object;

/* What callers hold: a description of the object as it was found. */
struct tok_key {
    unsigned refs; /* under the world's lock */
    tok_token *token;
    tok_key_info info;
    fake_object *object;
};

typedef struct fake_fault {
    core_status status;
    unsigned times;
} fake_fault;

typedef struct fake_world {
    pthread_mutex_t lock; /* guards all */
    const char *config_text;
    fake_fault faults[FAKE_COUNT];
    unsigned calls[FAKE_COUNT];
    unsigned live, logins, misuses, delay_ms;
    unsigned made; /* objects ever made: the seed of the next one */
    fake_object *objects;
} fake_world;

extern fake_world fake;

/* Counts the call and answers its fault. */
core_status fake_enter(fake_function function, core_err *err);
void fake_count(int change);
void fake_misuse(void);
bool fake_logged_in(void);
void fake_free_objects_locked(void);

#endif
