/* SPDX-License-Identifier: Apache-2.0
 *
 * Session layer: entering the module, the session pool, mechanisms, and the child of a fork.
 */
#ifndef PKCS11_SESSION_SESSION_PRIVATE_H
#define PKCS11_SESSION_SESSION_PRIVATE_H

#include "core/crypto.h"
#include "pkcs11/slot/slot_private.h"

/* A public key object that a session encrypts and wraps with (public_key.c). */
typedef struct tok_public {
    uint8_t thumb[TOK_THUMB_LEN]; /* of the key */
    CK_OBJECT_HANDLE object;      /* 0: free */
    uint64_t handle_generation;   /* tok_token_handle_generation when it was made or found */
    bool ours;                    /* a session object that we created; else a token object */
} tok_public;
enum { TOK_SESSION_PUBLICS = 4 };

struct tok_session {
    CK_SESSION_HANDLE handle;
    tok_token *token;
    tok_token *owner;           /* token (or group) on whose behalf this session is used */
    unsigned member_index;      /* of the token in that group; 0 without a group */
    uint64_t handle_generation; /* of the token when the operation began */
    const CK_FUNCTION_LIST *f;
    bool dirty;    /* an operation may still be active: close the session, do not reuse it */
    bool borrowed; /* this is the login session */
    bool gone;     /* the token no longer knows the session, and may have reassigned its handle */
    core_secret scratch; /* for decrypted data, wiped after each use; holds a padded block and its
                          * plaintext */
    tok_public publics[TOK_SESSION_PUBLICS];
    unsigned public_next; /* the entry of `publics` to replace next */
    struct tok_session *next;
};

/* tok_rv_fail for C_Decrypt and C_UnwrapKey. A code that can mean bad data or a broken device
 * counts as bad data as long as the device answers C_GetSessionInfo and C_GetTokenInfo, which are
 * called here. */
core_status tok_rv_data_fail(core_err *err, const tok_session *session, const char *function,
                             CK_RV rv);
/* tok_rv_fail for C_Encrypt, C_Sign and C_WrapKey. A vendor code means ST_FAILURE as long as the
 * device answers; tok_execute_twice repeats the operation then. */
core_status tok_rv_input_fail(core_err *err, const tok_session *session, const char *function,
                              CK_RV rv);
/* An operation that runs in a session of the pool, inside the gate. It returns its status, which
 * decides on recovery and retry. */
typedef core_status (*tok_op)(tok_session *session, void *arg, core_err *err);

/* --- enter.c: the call gate. --- */

/* The state between tok_module_enter and tok_module_exit, on the caller's stack. */
typedef struct tok_call_scope {
    core_sigpipe sigpipe;
    uint64_t since_us;
    bool serial; /* the scope holds gate->serial, which excludes all other operations */
} tok_call_scope;
/* Acquires the call gate shared; only between the two functions may a thread call the module (or
 * with the gate closed). Not recursive. Enter waits up to session_wait_ms while the gate is closed.
 * ST_DEVICE: the module is not initialized; ST_POOL_TIMEOUT: another call hangs in a module that
 * allows one at a time. `what` names the token in the log line about a slow call. */
CORE_MUST_USE core_status tok_module_enter(tok_context *ctx, tok_call_scope *scope, core_err *err)
    CORE_EXCLUDES(ctx->gate->lock);
void tok_module_exit(tok_context *ctx, tok_call_scope *scope, const char *what)
    CORE_EXCLUDES(ctx->gate->lock);

/* Every public function calls it first: in the child of a fork it makes new locks and drops all
 * sessions. */
void tok_fork_check(tok_context *ctx);
void tok_gate_fork_check(tok_gate *gate);
/* Closes a session. If the device does not answer, keeps the handle as stale to close it later. */
void tok_session_end(tok_token *token, CK_SESSION_HANDLE handle) CORE_EXCLUDES(token->lock);
/* Add a stale handle; tok_stale_add_locked is called with the token's lock. tok_stale_forget drops
 * all without closing them, after C_Finalize or a fork. */
void tok_stale_add(tok_token *token, CK_SESSION_HANDLE handle);
void tok_stale_add_locked(tok_token *token, CK_SESSION_HANDLE handle) CORE_REQUIRES(token->lock);
void tok_stale_forget(tok_token *token);
/* Closes all stale sessions if the token still knows all of them. Called inside the gate or with it
 * closed. */
void tok_stale_close(tok_token *token);
/* Takes a session; waits for one up to session_wait_ms. Inside the gate. ST_LOGIN_LOST,
 * ST_AUTH_FAILED (no user), ST_POOL_TIMEOUT, ST_TOKEN_FULL. Return it with tok_pool_give. */
CORE_MUST_USE core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err)
    CORE_EXCLUDES(token->lock);
void tok_pool_give(tok_token *token, tok_session *session) CORE_EXCLUDES(token->lock);
/* Closes the idle sessions; with `forget` drops them without a call, after C_Finalize or a fork. */
void tok_pool_drain(tok_token *token, bool forget);
/* Opens a read/write session, because some modules support no other kind; a read-only one on a
 * write-protected token. */
CK_RV tok_slot_open(tok_context *ctx, CK_SLOT_ID slot, CK_SESSION_HANDLE *out);
CORE_MUST_USE core_status tok_session_open(tok_token *token, CK_SESSION_HANDLE *out, core_err *err)
    CORE_EXCLUDES(token->lock);
/* The same for the login session: read-only if the token has a single read/write session. */
CORE_MUST_USE core_status tok_session_open_for_login(tok_token *token, CK_SESSION_HANDLE *out,
                                                     core_err *err);
/* What the token offers of a mechanism. Fails only if the device fails; a mechanism that is not
 * offered has out->listed = false. Inside the gate; any thread. */
CORE_MUST_USE core_status tok_mech(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *out,
                                   core_err *err);
/* The name of a mechanism that this code uses; "?" for others. */
const char *tok_mech_name(CK_MECHANISM_TYPE type);
/* ST_MECHANISM if the token does not offer the mechanism, or not with this key size (in the unit of
 * the mechanism). */
CORE_MUST_USE core_status tok_mech_need(tok_session *session, CK_MECHANISM_TYPE type, CK_ULONG size,
                                        core_err *err);
/* True if the token answers C_GetTokenInfo and C_GetSessionInfo. Then the object of a failed call
 * is the cause, not the device. */
bool tok_device_answers(tok_session *session);
/* tok_status_is_access_lost, but a status of the device counts only if tok_device_answers finds
 * that the device does not answer (two calls). */
bool tok_access_is_lost(tok_session *session, core_status st);

#endif
