/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the PIN and login suites: the memory token with its quirks, and a context with one
 * token and one key.
 */
#ifndef FIELD_LOGIN_FIXTURE_H
#define FIELD_LOGIN_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/tokens/memory/login_quirk.h"

typedef struct memory_token {
    int (*park)(const char *, int);
    int (*await)(int, unsigned);
    void (*go)(int, CK_RV);
    void (*lose_sessions)(void);
    void (*lose_oldest)(void);
    void (*unplug)(int);
    void (*limit)(unsigned);
    void (*get)(p11memory_state *);
    void (*quirks)(const p11memory_quirks *);
    void (*set_pin)(const char *);
    void (*tries)(p11memory_tries *);
} memory_token;
extern memory_token memory;
/* Loads it; false if MODULE is not the memory token. */
bool memory_load(void);

typedef struct login_fixture {
    tok_context *ctx;
    tok_token *token;
    tok_key *key; /* AES; NULL until login_fixture_key */
    uint8_t sealed[64];
    size_t sealed_len;
} login_fixture;
/* A new token state (PIN "1234", no quirks) and a context; `globals`: further lines of the
 * configuration. No user is logged in. Each configuration is a new file. */
void fixture_open(login_fixture *w, const char *globals);
void fixture_close(login_fixture *w);
core_status fixture_login(login_fixture *w, const char *pin, core_err *err);
/* Logs in with the right PIN and makes the key. */
void fixture_start(login_fixture *w);
/* One decryption; ST_FAILURE: the plaintext is wrong. */
core_status fixture_work(login_fixture *w, core_err *err);
/* C_Login calls with a wrong PIN, and all calls, since the quirks were set. */
unsigned fixture_wrong(void);
unsigned fixture_logins(void);
/* The path of the configuration that was opened last. */
const char *fixture_config(void);

#endif
