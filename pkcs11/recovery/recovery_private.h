/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery layer: re-initialization of a module, retry of an operation, login of users, check of a
 * changed PIN, and finding a token. Functions named _locked are called with the gate's lock held.
 */
#ifndef PKCS11_RECOVERY_RECOVERY_PRIVATE_H
#define PKCS11_RECOVERY_RECOVERY_PRIVATE_H

#include "pkcs11/login/login_private.h"

/* How an operation is run on one token. */
typedef struct tok_exec_options {
    tok_token *owner;      /* the token, or its group */
    unsigned member_index; /* of the token in the group */
    bool once;             /* do not repeat `op` after it was called (tok_execute_once) */
    bool can_failover;     /* another member can serve, so do not recover a failed device now */
    bool reached;          /* out: `op` was called */
} tok_exec_options;
/* Runs `op` in a session of the pool, with recovery and retry. Outside the gate, without locks. */
CORE_MUST_USE core_status tok_execute_on_token(tok_token *token, tok_exec_options *options,
                                               tok_op op, void *arg, core_err *err);

/* --- reset.c. With the gate closed. `owner` is the token to recover; NULL: the module. --- */

/* Re-initializes the module, unless `owner` answers, and restores all tokens: finds their slots and
 * logs in again. The result is that of `owner`. */
CORE_MUST_USE core_status tok_reset(tok_context *ctx, tok_token *owner, core_err *err);
/* tok_reset, repeated within half a second after a device failure, unless that is `known`. */
CORE_MUST_USE core_status tok_reset_with_retries(tok_context *ctx, tok_token *owner, bool known,
                                                 core_err *err);
/* tok_reset while other tokens are in use: also starts the interval until the next one. */
CORE_MUST_USE core_status tok_reset_shared(tok_context *ctx, tok_token *owner, core_err *err);
/* Without re-initialization: the token is in `slot` now. Drops its sessions and logs in again. */
CORE_MUST_USE core_status tok_rebind_slot(tok_token *token, CK_SLOT_ID slot, core_err *err);
/* Re-initializes the module, which must be ours, and finds `token` without logging in to it. All
 * other tokens are restored. */
CORE_MUST_USE core_status tok_reset_for_login(tok_token *token, core_err *err);
/* True if a session can be opened in the slot. Inside the gate or with it closed. */
bool tok_slot_answers(tok_context *ctx, CK_SLOT_ID slot);
/* Recovers from the failure `st` of an operation (class device, handle or login), unless another
 * thread has done so since `module_generation`, the token's when the operation ran. Outside the
 * gate, without locks. ST_DEVICE_BACKOFF: the back-off has not elapsed. */
CORE_MUST_USE core_status tok_recover(tok_token *token, core_status st, uint64_t module_generation,
                                      core_err *err);
/* Restores a lost login and recovers nothing else. Outside the gate, without locks. */
CORE_MUST_USE core_status tok_recover_login(tok_token *token, core_err *err);
/* True if the module is initialized and no recovery has closed the gate. If not, no failover to
 * another token of the module is possible. */
bool tok_module_there(tok_context *ctx);
/* Marks the token as unavailable, so that other members of its group serve. Does nothing while the
 * module is unavailable: its back-off would grow with each call. */
void tok_mark_unavailable(tok_token *token, core_status st, const core_err *err);
/* Runs `op` in the module with the gate closed. ST_POOL_TIMEOUT, without a text, if the gate could
 * not be closed within `wait_ms` because of long calls; the attempts hold up other threads for at
 * most 1/24 of the time. Outside the gate, without locks. */
typedef core_status (*tok_exclusive_op)(void *arg, core_err *err);
CORE_MUST_USE core_status tok_run_exclusive(tok_context *ctx, unsigned wait_ms, tok_exclusive_op op,
                                            void *arg, core_err *err);
/* Initializes the module unless it is initialized. One thread does; back-off as for a recovery. */
CORE_MUST_USE core_status tok_context_ready(tok_context *ctx, core_err *err);
/* Re-initializes the module to probe for a token that it does not list, because many modules look
 * for tokens only in C_Initialize. A pause that doubles up to 10 s must have elapsed since the last
 * probe. While any context uses a token this is done only with `shared`, after
 * shared_reset_seconds. A module that another component finalized is initialized at once. Returns
 * true if the module was initialized. */
CORE_MUST_USE bool tok_context_probe_again(tok_context *ctx, bool shared);
/* A probe has found the token: resets the pause between probes. */
void tok_context_found(tok_context *ctx);
/* ST_OK if the token may be asked about a PIN that differs from the one that is logged in.
 * tok_pin_change asks it: logs out, and logs in with that PIN, or again with the old one. Both with
 * the login lock held, tok_pin_change also with the gate closed. */
CORE_MUST_USE core_status tok_pin_change_allowed(tok_token *token, size_t length,
                                                 const uint8_t hash[TOK_HASH], core_err *err);
CORE_MUST_USE core_status tok_pin_change(tok_token *token, tok_pin_offer *offer, core_err *err)
    CORE_REQUIRES(token->login_lock);
/* Waits up to session_wait_ms while a recovery is running. Returns false if it still is. */
bool tok_gate_wait_recovery_locked(tok_context *ctx, const tok_token *owner)
    CORE_REQUIRES(ctx->gate->lock);
void tok_gate_open_locked(tok_gate *gate) CORE_REQUIRES(gate->lock);
/* Closes the gate and waits up to `wait_ms` until no operation is in the module. ST_DEVICE: a call
 * has not returned; the gate is open again. */
core_status tok_gate_close_locked(tok_context *ctx, unsigned wait_ms, core_err *err)
    CORE_REQUIRES(ctx->gate->lock);
/* Runs `op` with the gate closed and its lock released, then opens the gate. */
core_status tok_gate_act_closed_locked(tok_context *ctx, tok_exclusive_op op, void *arg,
                                       core_err *err) CORE_REQUIRES(ctx->gate->lock);
bool tok_module_there_locked(const tok_gate *gate) CORE_REQUIRES(gate->lock);
/* tok_token_find of one token: `selector` is its URI or label, `identity` its name in errors. */
CORE_MUST_USE core_status tok_single_find(tok_context *ctx, const char *identity,
                                          const char *selector, tok_token **out, core_err *err);
/* tok_token_login and tok_token_logout of one token. */
CORE_MUST_USE core_status tok_single_login(tok_token *token, const char *pin, size_t pin_len,
                                           core_err *err);
void tok_single_logout(tok_token *token);

#endif
