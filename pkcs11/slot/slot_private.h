/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot layer: the struct of a token, the information in its slot, and its login state.
 */
#ifndef PKCS11_SLOT_SLOT_PRIVATE_H
#define PKCS11_SLOT_SLOT_PRIVATE_H

#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "pkcs11/module/module_private.h"
#include "pkcs11/slot/health_private.h"

/* Iterates over the tokens of all contexts: returns the token after `token` (NULL: the first), or
 * NULL at the end. Call it with the gate's lock held or with the gate closed. */
tok_token *tok_gate_next(const tok_gate *gate, const tok_token *token);
/* Calls `visit` for each token of each context, without the gate's lock. No context can be closed
 * during the calls. */
void tok_gate_visit(tok_gate *gate, void (*visit)(tok_token *token)) CORE_EXCLUDES(gate->lock);

/* The first key that a search found and skipped (passed.c). */
typedef struct tok_passed {
    bool any, retired; /* skipped because it is retired; false: because it is unprotected */
    char label[TOK_LABEL_MAX + 1];
} tok_passed;

/* The login of this process to a token.
 *   LOGGED_OUT -> LOGGED_IN   the first user logs in
 *   LOGGED_IN  -> LOGIN_LOST  the token lost the login (recovery, a lost session, a fork)
 *   LOGIN_LOST -> LOGGED_IN   recovery with the cached PIN, or a user's login
 *   any        -> LOGGED_OUT  cleanup after the last user has logged out */
typedef enum tok_login_state {
    TOK_LOGGED_OUT,
    TOK_LOGGED_IN, /* sessions of this process hold the login */
    TOK_LOGIN_LOST /* users are still counted, but the token is not logged in */
} tok_login_state;

/* What the token offers of a mechanism that this code uses (session/mech.c). */
typedef struct tok_mech_info {
    bool listed;
    CK_ULONG min, max; /* key sizes, in the unit of the mechanism: bits or bytes */
} tok_mech_info;
enum { TOK_MECH_COUNT = 12 };

enum { TOK_KEY_BUCKETS = 4096 };

typedef struct tok_session tok_session;

struct tok_token {
    tok_context *ctx;
    tok_token *next; /* of the context */
    _Atomic unsigned refs;
    const core_token_config *config;
    tok_token_info info;
    _Atomic uint64_t module_generation; /* grows when sessions and handles become invalid */
    _Atomic uint64_t login_generation;  /* grows with each C_Login: handles of private objects
                                         * become invalid */
    _Atomic CK_SLOT_ID slot;
    char *slot_uri;       /* the URI that found the token, if it has slot attributes; else NULL */
    _Atomic bool present; /* the token was in its slot at the last recovery */
    bool probing; /* guarded by the gate's lock, as `health`: a thread is probing the token */
    tok_health health;
    struct tok_group *group; /* set in the object of a group, else NULL */

    core_mutex lock; /* guards the members up to `indexed_at_us` */
    core_cond freed;
    core_cond proven; /* a key's handle was verified again (recheck.c) */
    tok_session *idle CORE_GUARDED;
    unsigned open CORE_GUARDED, limit CORE_GUARDED;
    /* Pause between attempts to open more sessions after the token refused one; 0: it did not. */
    unsigned grow_ms CORE_GUARDED;
    uint64_t grow_at_us CORE_GUARDED; /* time of the next attempt */
    unsigned users CORE_GUARDED;
    /* Changes with the login lock held, or with the gate closed. */
    tok_login_state login CORE_GUARDED;
    /* Holds the login; 0: none. Opened with the login lock held. */
    _Atomic CK_SESSION_HANDLE login_session;
    CK_SESSION_HANDLE *stale CORE_GUARDED; /* sessions to close later (session/stale.c) */
    size_t stale_count CORE_GUARDED;
    /* Keys that are session objects, each in a separate session. */
    tok_key *session_keys CORE_GUARDED;
    tok_key *keys[TOK_KEY_BUCKETS] CORE_GUARDED;
    uint8_t (*known)[TOK_THUMB_LEN] CORE_GUARDED; /* sorted (session/known.c) */
    size_t known_count CORE_GUARDED, known_room CORE_GUARDED;
    /* Sorted (id_index.c); valid while ids_generation is tok_token_handle_generation. */
    struct tok_id *ids CORE_GUARDED;
    size_t id_count CORE_GUARDED;
    uint64_t ids_generation CORE_GUARDED;
    /* When all keys were last read; 0: not in this generation. */
    uint64_t indexed_at_us CORE_GUARDED;

    _Atomic unsigned mech_known;     /* bit i: mech[i] is a definite answer of the token */
    _Atomic uint64_t mech_ask_at_us; /* time of the next query of the other mechanisms */
    tok_mech_info mech[TOK_MECH_COUNT];
    tok_timed_lock login_lock; /* guards pin */
    struct tok_pin_state *pin; /* in locked memory, see login_private.h */
    tok_timed_lock key_lock;   /* held to create keys and build the index; guards `passed` */
    tok_passed passed;         /* skipped by the last search for `passed_thumb` */
    uint8_t passed_thumb[TOK_THUMB_LEN];
    _Atomic uint64_t recoveries, logins, searches;
    _Atomic uint64_t public_at_login; /* `logins` + 1 when a session proved not logged in; 0:
                                       * never */
};

/* Fails with the status of `rv` and a text that names the token, the function and the code. The
 * text of a data error has no detail, so that it is no padding oracle. */
core_status tok_rv_fail(core_err *err, const tok_token *token, const char *function, CK_RV rv,
                        tok_call kind);
/* Finds the token's slot by its CK_TOKEN_INFO and stores it in the token. Inside the gate or with
 * it closed. ST_TOKEN_NOT_FOUND, ST_TOKEN_AMBIGUOUS. */
CORE_MUST_USE core_status tok_slot_resolve(tok_token *token, core_err *err);
/* Finds the token's slot, first in the slot that is stored, without storing the result. */
CORE_MUST_USE core_status tok_slot_probe(tok_token *token, CK_SLOT_ID *slot, core_err *err);
/* True if the information is of this token. */
bool tok_info_is(tok_token *token, const tok_token_info *info);
/* True if the slot holds this token. Calls the module. */
bool tok_slot_holds(tok_token *token, CK_SLOT_ID slot);
/* C_GetTokenInfo with retries: SoftHSM returns CKR_GENERAL_ERROR while another process writes to
 * the token, for example to set a PIN. */
CK_RV tok_token_info_get(tok_context *ctx, CK_SLOT_ID slot, CK_TOKEN_INFO *out);
/* The information of the token in a slot. `flags`: CK_TOKEN_INFO.flags; may be NULL. */
CORE_MUST_USE core_status tok_slot_info(tok_context *ctx, CK_SLOT_ID slot, tok_token_info *out,
                                        CK_FLAGS *flags);
/* The generation of object handles. It grows when handles of private objects become invalid. */
uint64_t tok_token_handle_generation(const tok_token *token);
/* Initializes the locks, also in the child of a fork. */
void tok_token_locks(tok_token *token);
/* The number of users that are logged in. */
unsigned tok_login_users(tok_token *token);
/* Records that the token lost the login. With the gate closed or the login lock held. */
void tok_login_lost(tok_token *token);
/* Records that the token is logged in. */
void tok_login_found(tok_token *token);

void tok_login_set(tok_token *token, tok_login_state login);
/* The slots with a token. The caller frees *out with core_free. Inside the gate or with it closed.
 */
core_status tok_slot_list(tok_context *ctx, CK_SLOT_ID **out, CK_ULONG *count, core_err *err);
/* All initialized tokens that are present. The caller frees *out with core_free. Inside the gate or
 * with it closed. *silent: the status of a token whose C_GetTokenInfo failed; may be NULL. */
core_status tok_slot_list_tokens(tok_context *ctx, tok_token_info **out, size_t *count,
                                 core_status *silent, core_err *err);
/* True if label, serial, manufacturer and model are the same. */
bool tok_info_same(const tok_token_info *a, const tok_token_info *b);
/* tok_token_stats_get of one token; *out is zero before. */
void tok_single_stats(tok_token *token, tok_token_stats *out);

#endif
