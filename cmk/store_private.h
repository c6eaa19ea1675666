/* SPDX-License-Identifier: Apache-2.0
 *
 * The store from the inside: which path leads to which key (bind.c), and the frame of a call
 * (call.c): key, log line, audit record.
 *
 * Locks: docs/ARCHITECTURE.md, "Locks". That of a cmk_login is held while its token is logged in
 * to, so that a PIN is sent once, and calls for other tokens do not wait for it. All survive a
 * fork.
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

/* Applications use a handful of master keys. A path is resolved again after a while, so that a
 * name given to another key is noticed. */
enum { CMK_BINDINGS = 32, CMK_BINDING_SECONDS = 300, CMK_VERIFIED = 64 };

typedef struct cmk_binding {
    char *path;
    tok_key *key;
    uint64_t until_us;
    uint64_t used; /* the store's `uses` when it was */
} cmk_binding;

typedef struct cmk_login {
    tok_token *token; /* a reference */
    core_lock lock;   /* held during C_Login */
    atomic_bool in;   /* logged in: one logout is due */
    struct cmk_login *next;
} cmk_login;

struct cmk_store {
    atomic_uint refs;
    tok_context *ctx;
    const core_config *config;
    char *token_name; /* the token it was opened with; NULL */
    cmk_cache *cache; /* NULL: none */

    core_secret pin; /* of token_name until it has logged in; then empty. Guarded by its login */

    core_lock lock;                 /* guards the rest */
    tok_token *token CORE_GUARDED;  /* token_name, once found; constant from then on */
    cmk_login *logins CORE_GUARDED; /* one for each token used; only added to */
    cmk_binding bindings[CMK_BINDINGS] CORE_GUARDED;
    uint64_t uses CORE_GUARDED;
    uint8_t verified[CMK_VERIFIED][32] CORE_GUARDED; /* see store.c; a ring */
    unsigned next_verified CORE_GUARDED;
};

/* --- bind.c --- */
/* The key of a path, with a reference: bound before, or found now (*fresh). */
CORE_MUST_USE core_status cmk_bind(cmk_store *store, const char *path, tok_key **out, bool *fresh,
                                   core_err *err);
/* The same, found now whatever was bound before. */
CORE_MUST_USE core_status cmk_bind_fresh(cmk_store *store, const char *path, tok_key **out,
                                         core_err *err);
/* Forgets a path whose key turned out to be gone. */
void cmk_unbind(cmk_store *store, const char *path);
void cmk_bind_close(cmk_store *store);

/* --- call.c --- */
typedef struct cmk_call {
    cmk_store *store;
    const char *operation;
    core_audit_kind kind;
    const char *path;
    tok_key *key; /* of the path, until cmk_call_end */
    uint64_t since_us;
    core_err own;  /* where the caller gave none */
    core_err *err; /* never NULL */
} cmk_call;

/* Checks algorithm and path and finds the key; *call is valid for cmk_call_end in any case. */
CORE_MUST_USE core_status cmk_call_begin(cmk_call *call, cmk_store *store, const char *operation,
                                         core_audit_kind kind, const char *path, core_err *err);
/* *fresh: it was searched for on the token now. */
CORE_MUST_USE core_status cmk_call_key(cmk_call *call, bool *fresh);
/* The same for a call that makes values: the key is searched for on the token. */
CORE_MUST_USE core_status cmk_call_key_fresh(cmk_call *call);
CORE_MUST_USE core_status cmk_call_algorithm(cmk_call *call, const char *algorithm);
/* Logs a failure, writes the audit record and releases the key. Returns `st`, or ST_AUDIT, after
 * which the caller takes its result back. */
CORE_MUST_USE core_status cmk_call_end(cmk_call *call, core_status st);

/* --- store.c --- */
/* All checks of an ECEK against a key, up to and with its signature. */
CORE_MUST_USE core_status cmk_check_ecek(cmk_store *store, tok_key *key, const uint8_t *ecek,
                                         size_t length, cmk_ecek *out, core_err *err);
/* Decrypts a checked one. */
CORE_MUST_USE core_status cmk_open_ecek(tok_key *key, const cmk_ecek *ecek,
                                        uint8_t cek[CMK_CEK_LEN], core_err *err);

#endif
