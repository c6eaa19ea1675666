/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the call gate suites: the gate module over two SoftHSM tokens, and a context with one
 * of them, from a configuration of its own.
 */
#ifndef FIELD_GATE_FIXTURE_H
#define FIELD_GATE_FIXTURE_H

#include <pthread.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/field/gate_module.h"

extern gate_knobs *knobs;
extern CK_FUNCTION_LIST *module; /* called directly, as by another component */
/* Loads the module and makes the second token, "other"; false if that is impossible. */
bool gate_load(void);

typedef struct gate_fixture {
    tok_context *ctx;
    tok_token *token;
    tok_key *key; /* AES */
    uint8_t sealed[32];
    size_t sealed_len;
} gate_fixture;
/* A context of a configuration of its own that names the token `label`; `globals` are further
 * lines. gate_login also finds the token and logs in; gate_start also makes a key. */
void gate_open(gate_fixture *w, const char *label, const char *globals);
void gate_login(gate_fixture *w, const char *label, const char *globals);
void gate_start(gate_fixture *w, const char *label, const char *globals);
/* Undoes it; sessions or objects that are left in the module fail the caller's test. */
void gate_close(gate_fixture *w);
/* Puts an AES key with this label on the token without p11ekm; its value is always the same. */
void gate_import(gate_fixture *w, const char *label);
/* One decryption; ST_FAILURE: the plaintext is wrong. */
core_status gate_work(gate_fixture *w, core_err *err);
/* An operation that needs the token and no key: ST_NOT_FOUND if it works. */
core_status gate_search(gate_fixture *w, core_err *err);
/* Sets the controls and the counts to 0. */
void gate_reset(void);
int gate_sessions(void);

/* A decryption in another thread, which is stopped in the module until gate_release. */
typedef struct gate_call {
    pthread_t thread;
    gate_fixture *w;
    core_status st;
} gate_call;
void gate_hold(gate_call *call, gate_fixture *w);
core_status gate_release(gate_call *call);

extern const test_suite gate_shared_suite, gate_outage_suite, gate_lock_suite;

#endif
