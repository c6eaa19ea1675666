/* SPDX-License-Identifier: Apache-2.0
 *
 * Forced races: a call of one thread is stopped in the memory token (tests/tokens/memory/memory.h)
 * while another thread does something that may collide with it, in every possible order. Shared by
 * the race suites.
 */
#ifndef FAULT_RACE_H
#define FAULT_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/tokens/memory/memory.h"

/* Functions of the memory token. */
typedef struct race_functions {
    int (*park)(const char *, int);
    int (*await)(int, unsigned);
    void (*go)(int, CK_RV);
    void (*lose_sessions)(void);
    void (*unplug)(int);
    void (*limit)(unsigned);
    void (*get)(p11memory_state *);
    /* of the fault proxy, which is in front of it */
    unsigned long (*violations)(void);
    int (*plan)(const char *);
    void (*reset)(void);
    const char *(*log)(void);
} race_functions;
extern race_functions race;
bool race_load(void);

/* A context, the token with one user logged in, and a key; `more`: configuration lines. */
typedef struct race_fixture {
    char config[256];
    char name[32]; /* of the key, unique to each fixture */
    tok_context *ctx;
    tok_token *token;
    tok_key *key;
    uint8_t sealed[32]; /* the plaintext, encrypted with the key */
} race_fixture;
void race_open(race_fixture *w, const char *more);
/* The end of every test. Checks that the token works; that after the last logout no session and no
 * login is left on it; that it can be logged in to again and works; and that no rule of Cryptoki
 * was broken. */
void race_close(race_fixture *w);
/* The end of a test that has logged out itself. */
void race_close_logged_out(race_fixture *w);

/* Operations, run by a thread or directly. */
typedef core_status (*race_op)(void *fixture);
core_status race_work(void *fixture); /* encrypts and checks the result */
core_status race_login(void *fixture);
core_status race_logout(void *fixture);

/* A thread that runs one operation. race_join() ends the process if the thread does not end. */
typedef struct race_thread {
    pthread_t id;
    race_op op;
    void *arg;
    core_status st;
    atomic_bool done;
} race_thread;
void race_start(race_thread *t, race_op op, void *arg);
core_status race_join(race_thread *t);
/* True if the operation has not ended after a time that is long for it. */
bool race_waits(const race_thread *t);

/* Starts the operation and waits until its call of `function` is stopped, before its work is done
 * or `after`. Returns the number of the rendezvous. */
int race_park(race_thread *t, race_op op, void *arg, const char *function, bool after);

extern const test_suite race_pool_suite, race_recovery_suite, race_login_suite, race_key_suite,
    race_context_suite;

#endif
