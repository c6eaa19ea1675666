/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the key store: the bindings of paths to keys (bind.c), and the common part of all
 * calls (call.c): key, log line, audit record.
 *
 * Locks: the lock of a cmk_login is held during the login to its token, so that a PIN is sent once,
 * and calls for other tokens do not wait. The `lock` of the store guards memory only: no thread
 * calls a token or takes another lock while it holds it. Both can be used in a child of a
 * fork. The order of all locks: docs/ARCHITECTURE.md, "Locks".
 */
#ifndef CMK_STORE_PRIVATE_H
#define CMK_STORE_PRIVATE_H

#include <stdatomic.h>
#include "cmk/cache.h"
#include "cmk/ecek.h"
#include "cmk/path.h"
#include "cmk/store.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/memory.h"
#include "pkcs11/key.h"

/* Applications use a few master keys. A binding expires, so that a name given to another key is
 * noticed. */
enum { CMK_BINDINGS = 32, CMK_BINDING_SECONDS = 300, CMK_VERIFIED = 64 };

typedef struct cmk_binding {
    char *path;
    tok_key *key;
    uint64_t until_us;
    uint64_t used; /* the value of `uses` in the store at its last use */
} cmk_binding;

typedef struct cmk_login {
    tok_token *token; /* a reference */
    core_lock lock;   /* held during C_Login */
    atomic_bool in;   /* logged in: the store must log out once */
    struct cmk_login *next;
} cmk_login;

struct cmk_store {
    atomic_uint refs;
    tok_context *ctx;
    const core_config *config;
    char *token_name; /* alias, URI or label of the default token; NULL: there is none */
    cmk_cache *cache; /* NULL: no cache */

    core_secret pin; /* PIN of token_name, empty after the login; guarded by cmk_login.lock */

    core_lock lock;                 /* guards the members below */
    tok_token *token CORE_GUARDED;  /* the default token once found, a reference; then constant */
    cmk_login *logins CORE_GUARDED; /* one for each token used; entries are only added */
    cmk_binding bindings[CMK_BINDINGS] CORE_GUARDED;
    uint64_t uses CORE_GUARDED;
    uint8_t verified[CMK_VERIFIED]
                    [32] CORE_GUARDED; /* digests of verified values (store.c); a ring buffer */
    unsigned next_verified CORE_GUARDED;
};

/* bind.c */
/* Returns the key of a path with a reference. *fresh: it was searched for on the token, not
 * remembered. */
CORE_MUST_USE core_status cmk_bind(cmk_store *store, const char *path, tok_key **out, bool *fresh,
                                   core_err *err);
/* The same, and always searches on the token. */
CORE_MUST_USE core_status cmk_bind_fresh(cmk_store *store, const char *path, tok_key **out,
                                         core_err *err);
/* Removes the binding of a path whose key is gone. */
void cmk_unbind(cmk_store *store, const char *path);
void cmk_bind_close(cmk_store *store);

/* call.c */
typedef struct cmk_call {
    cmk_store *store;
    const char *operation;
    core_audit_kind kind;
    const char *path;
    tok_key *key; /* a reference to the key of the path, released by cmk_call_end */
    uint64_t since_us;
    core_err local_err; /* used if the caller passes no core_err */
    core_err *err;      /* never NULL */
} cmk_call;

/* Begins a call and checks the path. cmk_call_end must be called after success and failure. `path`
 * and `operation` are not copied. */
CORE_MUST_USE core_status cmk_call_begin(cmk_call *call, cmk_store *store, const char *operation,
                                         core_audit_kind kind, const char *path, core_err *err);
/* Finds the key. *fresh: it was searched for on the token. */
CORE_MUST_USE core_status cmk_call_key(cmk_call *call, bool *fresh);
/* The same for calls that create values: always searches on the token. */
CORE_MUST_USE core_status cmk_call_key_fresh(cmk_call *call);
CORE_MUST_USE core_status cmk_call_algorithm(cmk_call *call, const char *algorithm);
/* Logs a failure, writes the audit record and releases the key. Returns `st`, or ST_AUDIT, in which
 * case the caller wipes its result. */
CORE_MUST_USE core_status cmk_call_end(cmk_call *call, core_status st);

/* store.c */
/* Makes all checks of an ECEK against a key, including the signature. */
CORE_MUST_USE core_status cmk_check_ecek(cmk_store *store, tok_key *key, const uint8_t *ecek,
                                         size_t length, cmk_ecek *out, core_err *err);
/* Decrypts an ECEK that cmk_check_ecek has accepted. */
CORE_MUST_USE core_status cmk_open_ecek(tok_key *key, const cmk_ecek *ecek,
                                        uint8_t cek[CMK_CEK_LEN], core_err *err);

#endif
