/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery layer: re-initialization of a module, retry of an operation, PIN change, and finding a
 * token.
 */
#ifndef PKCS11_RECOVERY_RECOVERY_PRIVATE_H
#define PKCS11_RECOVERY_RECOVERY_PRIVATE_H

#include "pkcs11/login/login_private.h"

/* How an operation is run on one token. */
typedef struct tok_exec_options {
    tok_token *owner;      /* the token, or its group */
    unsigned member_index; /* of the token in the group */
    bool once;             /* as tok_execute_once */
    bool can_failover;     /* others can do it: a device that fails is not healed now */
    bool reached;          /* out: `op` was called */
} tok_exec_options;
CORE_MUST_USE core_status tok_execute_on_token(tok_token *token, tok_exec_options *run, tok_op op,
                                               void *arg, core_err *err);

/* --- reset.c. With the gate closed; `asker` is the token whose failure is being healed, NULL when
 * it is the module that matters. --- */
CORE_MUST_USE core_status tok_reset(tok_context *ctx, tok_token *owner, core_err *err);
CORE_MUST_USE core_status tok_reset_with_retries(tok_context *ctx, tok_token *owner, bool known,
                                                 core_err *err);
CORE_MUST_USE core_status tok_reset_shared(tok_context *ctx, tok_token *owner, core_err *err);
CORE_MUST_USE core_status tok_rebind_slot(tok_token *token, CK_SLOT_ID slot, core_err *err);
/* The module finalised and initialised, of a module that is ours: `token` is found again and not
 * logged in, the others are. */
CORE_MUST_USE core_status tok_reset_for_login(tok_token *token, core_err *err);
/* Whether a session can be opened there. */
bool tok_slot_answers(tok_context *ctx, CK_SLOT_ID slot);
/* Puts right what made `st` (device, login), unless somebody has since `epoch`. */
CORE_MUST_USE core_status tok_recover(tok_token *token, core_status st, uint64_t module_generation,
                                      core_err *err);
/* Logs in again, no more. */
CORE_MUST_USE core_status tok_recover_login(tok_token *token, core_err *err);
/* Whether the module is initialised, and not about to be anew. Where it is not, no token of it can
 * stand in for another. */
bool tok_module_there(tok_context *ctx);
/* Notes that the token is gone, so that the others of its group serve; not where it is the module
 * that is: the pause before its next try would grow with each call. */
void tok_mark_unavailable(tok_token *token, core_status st, const core_err *err);
/* Runs `op` in the module with the gate closed and nobody else inside. ST_POOL_TIMEOUT, without a
 * text, when that could not be had within `wait_ms`; others are hardly held up meanwhile. */
typedef core_status (*tok_exclusive_op)(void *arg, core_err *err);
CORE_MUST_USE core_status tok_run_exclusive(tok_context *ctx, unsigned wait_ms, tok_exclusive_op op,
                                            void *arg, core_err *err);
/* Initialises the module if it is not; the same single flight and back-off as recovery. */
CORE_MUST_USE core_status tok_context_ready(tok_context *ctx, core_err *err);
/* Initialises the module anew for the sake of a token that it does not know: many look for tokens
 * then only. After a pause that doubles to 10 s; while a token is in use by any context only
 * `beside`, when that is due. A module that another component finalised is initialised at once.
 * Says whether it was done. */
CORE_MUST_USE bool tok_context_probe_again(tok_context *ctx, bool shared);
/* A look has shown the token: the pause before the next one begins anew. */
void tok_context_found(tok_context *ctx);
/* Whether the token may be asked about a PIN that is not the one logged in; and asks it, with the
 * gate closed. */
CORE_MUST_USE core_status tok_pin_change_allowed(tok_token *token, size_t length,
                                                 const uint8_t hash[TOK_HASH], core_err *err);
CORE_MUST_USE core_status tok_pin_change(tok_token *token, tok_pin_offer *offer, core_err *err)
    CORE_REQUIRES(token->login_lock);
/* Waits for the flight that is under way, and says whether it is over. */
bool tok_gate_wait_recovery_locked(tok_context *ctx, const tok_token *owner)
    CORE_REQUIRES(ctx->gate->lock);
void tok_gate_open_locked(tok_gate *gate) CORE_REQUIRES(gate->lock);
/* Closes the gate and waits until all are out. A call that hangs in the module cannot be taken
 * back: then nothing may be reset under it, and the gate opens again. */
core_status tok_gate_close_locked(tok_context *ctx, unsigned wait_ms, core_err *err)
    CORE_REQUIRES(ctx->gate->lock);
/* With the gate closed: `op`, without the gate's lock. Then it opens again. */
core_status tok_gate_act_closed_locked(tok_context *ctx, tok_exclusive_op op, void *arg,
                                       core_err *err) CORE_REQUIRES(ctx->gate->lock);
bool tok_module_there_locked(const tok_gate *gate) CORE_REQUIRES(gate->lock);
/* tok_token_find of one token: `selector` is its URI or label, `identity` what errors call it. */
CORE_MUST_USE core_status tok_single_find(tok_context *ctx, const char *identity,
                                          const char *selector, tok_token **out, core_err *err);
/* tok_token_login and tok_token_logout of one token. */
CORE_MUST_USE core_status tok_single_login(tok_token *token, const char *pin, size_t pin_len,
                                           core_err *err);
void tok_single_logout(tok_token *token);

#endif
