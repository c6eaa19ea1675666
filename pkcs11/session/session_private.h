/* SPDX-License-Identifier: Apache-2.0
 *
 * Session layer: entering the module, the session pool, mechanisms, and the child of a fork.
 */
#ifndef PKCS11_SESSION_SESSION_PRIVATE_H
#define PKCS11_SESSION_SESSION_PRIVATE_H

#include "core/crypto.h"
#include "pkcs11/slot/slot_private.h"

/* A public key object that one session may encrypt and wrap with (public_key.c). */
typedef struct tok_public {
    uint8_t thumb[TOK_THUMB_LEN]; /* of the key */
    CK_OBJECT_HANDLE object;      /* 0: free */
    uint64_t handle_generation;   /* tok_token_handle_generation when it was made or found */
    bool ours;                    /* a session object made here; else the token's own */
} tok_public;
enum { TOK_SESSION_PUBLICS = 4 };

struct tok_session {
    CK_SESSION_HANDLE handle;
    tok_token *token;
    tok_token *owner;      /* whose operation it is: the token, or a group that it is a member of */
    unsigned member_index; /* of the token in that group */
    uint64_t handle_generation; /* of the token when the operation began */
    const CK_FUNCTION_LIST *f;
    bool dirty;    /* an operation may still be active: close it, do not give it back */
    bool borrowed; /* it is the session that holds the login */
    bool gone;     /* the token does not know it any more: its handle may be another's by now */
    core_secret scratch; /* for what the token decrypts, wiped after each use: a block and what is
                          * in it */
    tok_public publics[TOK_SESSION_PUBLICS];
    unsigned public_next; /* the entry that is replaced next */
    struct tok_session *next;
};

/* The same for C_Decrypt and C_UnwrapKey. A code that is either the data's or the device's fault is
 * the data's as long as the device answers C_GetSessionInfo and C_GetTokenInfo, which are called.
 */
core_status tok_rv_data_fail(core_err *err, const tok_session *session, const char *function,
                             CK_RV rv);
/* The same for C_Encrypt, C_Sign and C_WrapKey, of codes that the standard does not have:
 * ST_FAILURE, for tok_execute_twice. */
core_status tok_rv_input_fail(core_err *err, const tok_session *session, const char *function,
                              CK_RV rv);
/* --- gate.c: operations. --- */
typedef core_status (*tok_op)(tok_session *session, void *arg, core_err *err);

/* Enters and leaves the gate without a session, for slot and login work. Between the two, calls
 * into the module are allowed. ST_DEVICE while it is not initialised. */
typedef struct tok_call_scope {
    core_sigpipe sigpipe;
    uint64_t since_us;
    bool serial; /* this operation keeps all others out */
} tok_call_scope;
CORE_MUST_USE core_status tok_module_enter(tok_context *ctx, tok_call_scope *scope, core_err *err)
    CORE_EXCLUDES(ctx->gate->lock);
void tok_module_exit(tok_context *ctx, tok_call_scope *scope, const char *what)
    CORE_EXCLUDES(ctx->gate->lock);

/* Called first by every public function: after a fork the child gets fresh locks and no sessions.
 */
void tok_fork_check(tok_context *ctx);
void tok_gate_fork_check(tok_gate *gate);
/* Closes a session, or keeps its handle to close it later where the device does not answer now. */
void tok_session_end(tok_token *token, CK_SESSION_HANDLE handle) CORE_EXCLUDES(token->lock);
/* Keeps a handle; drops all that are kept (the module or the process is another one). */
void tok_stale_add(tok_token *token, CK_SESSION_HANDLE handle);
void tok_stale_add_locked(tok_token *token, CK_SESSION_HANDLE handle) CORE_REQUIRES(token->lock);
void tok_stale_forget(tok_token *token);
/* Closes what is kept, if the token says that all of it is still ours. Inside the gate or with it
 * closed. */
void tok_stale_close(tok_token *token);
CORE_MUST_USE core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err)
    CORE_EXCLUDES(token->lock);
void tok_pool_give(tok_token *token, tok_session *session) CORE_EXCLUDES(token->lock);
/* Closes what is idle; with `forget` drops it without a call (the module or the process is
 * another). */
void tok_pool_drain(tok_token *token, bool forget);
/* C_OpenSession for writing, for some modules know no other; for reading where the token is. */
CK_RV tok_slot_open(tok_context *ctx, CK_SLOT_ID slot, CK_SESSION_HANDLE *out);
CORE_MUST_USE core_status tok_session_open(tok_token *token, CK_SESSION_HANDLE *out, core_err *err)
    CORE_EXCLUDES(token->lock);
/* The same for the session that holds the login: for reading where sessions for writing are few. */
CORE_MUST_USE core_status tok_session_open_for_login(tok_token *token, CK_SESSION_HANDLE *out,
                                                     core_err *err);
/* Fails with the device, never for a mechanism that is not there. */
CORE_MUST_USE core_status tok_mech(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *out,
                                   core_err *err);
/* Of those this code uses; "?" for others. */
const char *tok_mech_name(CK_MECHANISM_TYPE type);
CORE_MUST_USE core_status tok_mech_need(tok_session *session, CK_MECHANISM_TYPE type, CK_ULONG size,
                                        core_err *err);
/* Whether token and session answer a question of ours: if so, what failed is the fault of the
 * object that was asked for, not of the device. */
bool tok_device_answers(tok_session *session);
/* tok_status_is_access_lost, but a status of the device counts only if tok_device_answers finds
 * that the device does not answer (two calls). */
bool tok_access_is_lost(tok_session *session, core_status st);

#endif
