/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the key suites: a context on the memory token, with the fault proxy in between,
 * objects of other programs on it, and the token's unusual behaviors
 * (tests/tokens/memory/memory.h).
 */
#ifndef FIELD_KEY_FIXTURE_H
#define FIELD_KEY_FIXTURE_H

#include "pkcs11/key.h"
#include "pkcs11/key_list.h"
#include "tests/tokens/memory/memory.h"
#include "testing.h"

typedef struct key_fixture {
    CK_FUNCTION_LIST *f; /* of the memory token, without the fault proxy */
    CK_SESSION_HANDLE session;
    tok_context *ctx;
    tok_token *token;

    void (*refuse_attribute)(const char *, CK_OBJECT_CLASS, CK_ATTRIBUTE_TYPE, CK_RV);
    void (*refuse_encrypt)(const char *, CK_RV);
    void (*refuse_change)(const char *, CK_RV);
    void (*make_with)(CK_ATTRIBUTE_TYPE, CK_BBOOL);
    void (*as_usual)(void);
    void (*twin)(int);
    void (*lose_sessions)(void);
    unsigned long (*calls)(const char *);
    void (*reset_calls)(void);
} key_fixture;
extern key_fixture fixture;

/* Finds both modules; false if they are not the tests' own. */
bool fixture_load(void);
/* Opens a context whose token section has these lines and logs in. Fails the test. */
void fixture_open(const char *lines);
/* A new session, after p11memory_lose_sessions. */
void fixture_session(void);
/* Destroys all objects of the token and closes the context. */
void fixture_close(void);

/* Objects as another program makes them; `private` is their CKA_PRIVATE, `id` may be NULL. The
 * label has `label_len` bytes. 0 on failure. */
typedef struct fixture_object {
    const char *label;
    size_t label_len;
    const uint8_t *id;
    size_t id_len;
    bool private;
    bool extractable;
} fixture_object;
CK_OBJECT_HANDLE fixture_aes(const fixture_object *o, uint8_t seed);
CK_OBJECT_HANDLE fixture_des3(const fixture_object *o, uint8_t seed);
/* A key pair; returns the private object's handle. */
CK_OBJECT_HANDLE fixture_rsa(const fixture_object *o);

/* Makes a key of ours; fails the test. */
tok_key *fixture_make(const char *name, core_algorithm algorithm);
/* Finds a key by its name, and encrypts and decrypts with it. */
core_status fixture_use(const char *name);
core_status fixture_round_trip(tok_key *key);

#endif
