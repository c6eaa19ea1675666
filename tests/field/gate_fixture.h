/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suites of the call gate share: the module with knobs over two SoftHSM tokens, and a
 * context of a configuration of its own with one of them.
 */
#ifndef FIELD_GATE_FIXTURE_H
#define FIELD_GATE_FIXTURE_H

#include <pthread.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/field/gate_module.h"

extern gate_knobs *knobs;
extern CK_FUNCTION_LIST *module; /* directly, as another component has it */
/* Loads the module and makes the second token, "other"; false where that cannot be. */
bool gate_load(void);

typedef struct gate_fixture {
    tok_context *ctx;
    tok_token *token;
    tok_key *key; /* AES */
    uint8_t sealed[32];
    size_t sealed_len;
} gate_fixture;
/* A context of a configuration of its own that names the token `label`; `globals` are further
 * lines. The second also finds the token and logs in, the third also makes a key. */
void gate_open(gate_fixture *w, const char *label, const char *globals);
void gate_login(gate_fixture *w, const char *label, const char *globals);
void gate_start(gate_fixture *w, const char *label, const char *globals);
/* What was done, undone; what is left of it in the module is a failure of the caller's test. */
void gate_close(gate_fixture *w);
/* Puts an AES key of this label on the token, past p11ekm; the same value each time. */
void gate_import(gate_fixture *w, const char *label);
/* One decryption whose plaintext is looked at; ST_FAILURE: it is wrong. */
core_status gate_work(gate_fixture *w, core_err *err);
/* An operation that needs the token and no key: ST_NOT_FOUND when it works. */
core_status gate_search(gate_fixture *w, core_err *err);
/* Zeroes the knobs and the counts. */
void gate_reset(void);
int gate_sessions(void);

/* A decryption by another thread, which stands still in the module until gate_release. */
typedef struct gate_call {
    pthread_t thread;
    gate_fixture *w;
    core_status st;
} gate_call;
void gate_hold(gate_call *call, gate_fixture *w);
core_status gate_release(gate_call *call);

extern const test_suite gate_shared_suite, gate_outage_suite, gate_lock_suite;

#endif
