/* SPDX-License-Identifier: Apache-2.0
 *
 * Races that are made, not waited for: a call of one thread is stopped in the memory token
 * (tests/tokens/memory/memory.h) while another thread does what may collide with it, in every order
 * that can be. What the suites share.
 */
#ifndef FAULT_RACE_H
#define FAULT_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/tokens/memory/memory.h"

/* The memory token's doors. */
typedef struct race_doors {
    int (*park)(const char *, int);
    int (*await)(int, unsigned);
    void (*go)(int, CK_RV);
    void (*lose_sessions)(void);
    void (*unplug)(int);
    void (*limit)(unsigned);
    void (*get)(p11memory_state *);
    /* and the judge's, which stands before it */
    unsigned long (*violations)(void);
    int (*plan)(const char *);
    void (*reset)(void);
    const char *(*log)(void);
} race_doors;
extern race_doors race;
bool race_load(void);

/* A context, the token with one user logged in, and a key; `more`: lines of the configuration. */
typedef struct race_world {
    char config[256];
    char name[32]; /* of the key: each world has its own */
    tok_context *ctx;
    tok_token *token;
    tok_key *key;
    uint8_t sealed[32]; /* what the key makes of the plaintext */
} race_world;
void race_open(race_world *w, const char *more);
/* The end of every test: the token works; once the last user is out, no session and no login is
 * left on it, it can be logged in to again, and works. No rule of Cryptoki was broken. */
void race_close(race_world *w);
/* What ends a test that has logged out itself. */
void race_close_logged_out(race_world *w);

/* Operations, for threads and directly. */
typedef core_status (*race_op)(void *world);
core_status race_work(void *world); /* encrypts, and looks at the result */
core_status race_login(void *world);
core_status race_logout(void *world);

/* A thread with one operation. Joining one that does not come back ends the process. */
typedef struct race_thread {
    pthread_t id;
    race_op op;
    void *arg;
    core_status st;
    atomic_bool done;
} race_thread;
void race_start(race_thread *t, race_op op, void *arg);
core_status race_join(race_thread *t);
/* Whether it is still at it after a while that is long for what it does. */
bool race_waits(const race_thread *t);

/* Starts the operation and waits until its call of `function` stands still, before its work is done
 * or `after`. The place. */
int race_park(race_thread *t, race_op op, void *arg, const char *function, bool after);

extern const test_suite race_pool_suite, race_recovery_suite, race_login_suite, race_key_suite,
    race_context_suite;

#endif
