/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: contexts, tokens and sessions from the inside.
 *
 * How a token call is made: tok_run() enters the gate of the library, takes a session from the
 * token's pool, runs one tok_op with it, gives it back and leaves; what fails in a way that can
 * heal is healed once and run again. Recovery closes the gate and waits until nobody is inside, so
 * an operation never sees the module vanish under it, and an epoch never changes during an
 * operation.
 *
 * Locks, in the order in which they may be taken: gate, then a token's lock. Both guard memory
 * only: no call into the module is made with either held. Turns (login, create, index) are what
 * serialises work that does call the module; they are waited for with a limit.
 */
#ifndef PKCS11_TOK_PRIVATE_H
#define PKCS11_TOK_PRIVATE_H

#include <stdatomic.h>
#include "core/crypto.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "pkcs11/loader.h"
#include "pkcs11/module_private.h"
#include "pkcs11/token.h"

enum { TOK_BLOCK_MOST = 1024 }; /* the longest RSA block, 8192 bits */

/* A public key object that one session may encrypt and wrap with (public_key.c). */
typedef struct tok_public {
    uint8_t thumb[TOK_THUMB_LEN]; /* of the key */
    CK_OBJECT_HANDLE object;      /* 0: free */
    uint64_t age;                 /* tok_token_age when it was made or found */
    bool ours;                    /* a session object made here; else the token's own */
} tok_public;
enum { TOK_SESSION_PUBLICS = 4 };

typedef struct tok_session {
    CK_SESSION_HANDLE handle;
    tok_token *token;
    tok_token *asker; /* whose operation it is: the token, or a group that it is a member of */
    unsigned place;   /* of the token in that group */
    uint64_t age;     /* of the token when the operation began */
    const CK_FUNCTION_LIST *f;
    bool dirty;    /* an operation may still be active: close it, do not give it back */
    bool borrowed; /* it is the session that holds the login */
    bool gone;     /* the token does not know it any more: its handle may be another's by now */
    core_secret scratch; /* for what the token decrypts, wiped after each use: a block and what is
                          * in it */
    tok_public publics[TOK_SESSION_PUBLICS];
    unsigned public_next; /* the entry that is replaced next */
    struct tok_session *next;
} tok_session;

/* The first key that a search found and passed over (passed.c). */
typedef struct tok_passed {
    bool any, retired; /* not retired: unprotected */
    char label[TOK_LABEL_MAX + 1];
} tok_passed;

struct tok_context {
    tok_context *next; /* of the process, see context.c */
    unsigned refs;
    char *path; /* of the configuration */
    core_config *config;
    tok_library library;
    bool mask_sigpipe;
    tok_gate *gate;                   /* of the library, shared */
    _Atomic(tok_context *) gate_next; /* of the contexts that share it */
    unsigned visits;                  /* by tok_gate_visit; guarded by the gate's lock, as below */
    tok_token *tokens;
    tok_token *groups;
};

/* The login of this process to a token. */
typedef enum tok_login_state {
    TOK_LOGGED_OUT,
    TOK_LOGGED_IN, /* sessions of ours hold it */
    TOK_LOGIN_LOST /* it ended without us; users are still counted */
} tok_login_state;

/* The mechanisms this code uses; what the token lists of them is read once. */
typedef struct tok_mech_info {
    bool listed;
    CK_ULONG min, max; /* in the unit of the mechanism */
} tok_mech_info;
enum { TOK_MECH_COUNT = 12 };

enum { TOK_KEY_BUCKETS = 4096 };

struct tok_token {
    tok_context *ctx;
    tok_token *next; /* of the context */
    _Atomic unsigned refs;
    const core_token_config *config;
    tok_token_info info;
    _Atomic uint64_t epoch;   /* changes only while nobody is inside */
    _Atomic uint64_t granted; /* logins: what was known of private objects before is void */
    _Atomic CK_SLOT_ID slot;
    char *slot_uri;       /* the URI that found it, if that names its slot; else NULL */
    _Atomic bool present; /* set while nobody is inside */
    bool looking; /* guarded by the gate, as the next: somebody is finding out where it is */
    tok_health health;
    struct tok_group *group; /* of a group, which is no token itself; NULL */

    core_mutex lock; /* guards all up to `indexed_at_us` */
    core_cond freed;
    core_cond proven; /* a key's handle was looked at again (recheck.c) */
    tok_session *idle;
    unsigned open, limit;
    unsigned grow_ms;    /* since the token was full, the time between two attempts to open more; 0:
                          * it is not */
    uint64_t grow_at_us; /* the next one */
    unsigned users;
    tok_login_state login;            /* changes in the login turn, or with the gate closed */
    _Atomic CK_SESSION_HANDLE keeper; /* never used for work: holds the login; set in its turn */
    CK_SESSION_HANDLE *stale;         /* see stale.c */
    size_t stale_count;
    tok_key *passing; /* volatile keys, each in a session of its own */
    tok_key *keys[TOK_KEY_BUCKETS];
    uint8_t (*known)[TOK_THUMB_LEN]; /* known.c */
    size_t known_count, known_room;
    struct tok_id *ids; /* see id_index.c; good while ids_age is tok_token_age */
    size_t id_count;
    uint64_t ids_age;
    uint64_t indexed_at_us; /* when all keys were last read; 0: not in this epoch */

    _Atomic unsigned mech_known;     /* set of rows of `mech` that the token has answered */
    _Atomic uint64_t mech_ask_at_us; /* the others are not asked again before then */
    tok_mech_info mech[TOK_MECH_COUNT];
    tok_turn login_turn;       /* guards pin */
    struct tok_pin_state *pin; /* in locked memory, see login_private.h */
    tok_turn key_turn;         /* creations, and the index; guards `passed` */
    tok_passed passed;         /* by the last search for `passed_thumb` */
    uint8_t passed_thumb[TOK_THUMB_LEN];
    _Atomic uint64_t recoveries, logins, searches;
    _Atomic uint64_t public_at_login; /* `logins` + 1 when a session was not logged in; 0: never */
};

/* --- rv.c: what a CK_RV means. --- */
typedef enum tok_call { TOK_CALL_OTHER, TOK_CALL_DATA } tok_call;
core_status tok_rv_status(CK_RV rv, tok_call kind);
const char *tok_rv_name(CK_RV rv);
/* Whether a token refuses the template of a call, not what the call is about. */
bool tok_rv_refuses_template(CK_RV rv);
/* Fails with the status of `rv` and a text that names the token, the function and the code; for
 * data errors a text without any detail. */
core_status tok_rv_fail(core_err *err, const tok_token *token, const char *function, CK_RV rv,
                        tok_call kind);
/* The same for C_Decrypt and C_UnwrapKey. A code that is either the data's or the device's fault is
 * the data's as long as the device answers C_GetSessionInfo and C_GetTokenInfo, which are called.
 */
core_status tok_rv_data_fail(core_err *err, const tok_session *session, const char *function,
                             CK_RV rv);
/* The same for C_Encrypt, C_Sign and C_WrapKey, of codes that the standard does not have:
 * ST_FAILURE, for tok_run_twice. */
core_status tok_rv_input_fail(core_err *err, const tok_session *session, const char *function,
                              CK_RV rv);

/* --- gate.c: operations. --- */
typedef core_status (*tok_op)(tok_session *session, void *arg, core_err *err);
/* Runs `op` in a logged-in session; heals and runs it once more where its failure allows. */
CORE_MUST_USE core_status tok_run(tok_token *token, tok_op op, void *arg, core_err *err);
/* The same, once more in another session where it ended with ST_FAILURE: a device that fails once
 * may have given a code of its vendor for it. */
CORE_MUST_USE core_status tok_run_twice(tok_token *token, tok_op op, void *arg, core_err *err);
/* tok_run for what must not be done twice (it makes something): only what failed before `op` ran
 * is tried again. */
CORE_MUST_USE core_status tok_run_once(tok_token *token, tok_op op, void *arg, core_err *err);
/* How an operation is run on one token. */
typedef struct tok_run_how {
    tok_token *asker; /* the token, or its group */
    unsigned place;   /* of the token in the group */
    bool once;        /* as tok_run_once */
    bool spare;       /* others can do it: a device that fails is not healed now */
    bool reached;     /* out: `op` was called */
} tok_run_how;
CORE_MUST_USE core_status tok_run_on(tok_token *token, tok_run_how *run, tok_op op, void *arg,
                                     core_err *err);
/* Enters and leaves the gate without a session, for slot and login work. Between the two, calls
 * into the module are allowed. ST_DEVICE while it is not initialised. */
typedef struct tok_stay {
    core_sigpipe sigpipe;
    uint64_t since_us;
    bool serial; /* this operation keeps all others out */
} tok_stay;
CORE_MUST_USE core_status tok_enter(tok_context *ctx, tok_stay *stay, core_err *err);
void tok_leave(tok_context *ctx, tok_stay *stay, const char *what);

/* --- reset.c. With the gate closed; `asker` is the token whose failure is being healed, NULL when
 * it is the module that matters. --- */
CORE_MUST_USE core_status tok_reset(tok_context *ctx, tok_token *asker, core_err *err);
CORE_MUST_USE core_status tok_reset_patiently(tok_context *ctx, tok_token *asker, bool known,
                                              core_err *err);
CORE_MUST_USE core_status tok_reset_beside(tok_context *ctx, tok_token *asker, core_err *err);
CORE_MUST_USE core_status tok_move(tok_token *token, CK_SLOT_ID slot, core_err *err);
/* The module finalised and initialised, of a module that is ours: `token` is found again and not
 * logged in, the others are. */
CORE_MUST_USE core_status tok_reset_for_login(tok_token *token, core_err *err);
/* Whether a session can be opened there. */
bool tok_slot_answers(tok_context *ctx, CK_SLOT_ID slot);

/* --- recover.c --- */
/* Puts right what made `st` (device, login), unless somebody has since `epoch`. */
CORE_MUST_USE core_status tok_heal(tok_token *token, core_status st, uint64_t epoch, core_err *err);
/* Logs in again, no more. */
CORE_MUST_USE core_status tok_heal_login(tok_token *token, core_err *err);
/* Whether the module is initialised, and not about to be anew. Where it is not, no token of it can
 * stand in for another. */
bool tok_module_there(tok_context *ctx);
/* Notes that the token answers: a user has logged in to it, or it was found again. */
void tok_mark_back(tok_token *token);
/* Notes that the token is gone, so that the others of its group serve; not where it is the module
 * that is: the pause before its next try would grow with each call. */
void tok_mark_lost(tok_token *token, core_status st, const core_err *err);
/* Runs `op` in the module with the gate closed and nobody else inside. ST_POOL_TIMEOUT, without a
 * text, when that could not be had within `wait_ms`; others are hardly held up meanwhile. */
typedef core_status (*tok_lone_op)(void *arg, core_err *err);
CORE_MUST_USE core_status tok_alone(tok_context *ctx, unsigned wait_ms, tok_lone_op op, void *arg,
                                    core_err *err);
/* Initialises the module if it is not; the same single flight and back-off as recovery. */
CORE_MUST_USE core_status tok_context_ready(tok_context *ctx, core_err *err);
/* Initialises the module anew for the sake of a token that it does not know: many look for tokens
 * then only. After a pause that doubles to 10 s; while a token is in use by any context only
 * `beside`, when that is due. A module that another component finalised is initialised at once.
 * Says whether it was done. */
CORE_MUST_USE bool tok_context_look_again(tok_context *ctx, bool beside);
/* A look has shown the token: the pause before the next one begins anew. */
void tok_context_found(tok_context *ctx);
/* Called first by every public function: after a fork the child gets fresh locks and no sessions.
 */
void tok_fork_check(tok_context *ctx);
void tok_gate_fork_check(tok_gate *gate);

/* --- stale.c: sessions of ours that may still be open although they are of no use. --- */
/* Closes a session, or keeps its handle to close it later where the device does not answer now. */
void tok_session_end(tok_token *token, CK_SESSION_HANDLE handle);
/* Keeps a handle; drops all that are kept (the module or the process is another one). */
void tok_stale_add(tok_token *token, CK_SESSION_HANDLE handle);
void tok_stale_add_locked(tok_token *token, CK_SESSION_HANDLE handle);
void tok_stale_forget(tok_token *token);
/* Closes what is kept, if the token says that all of it is still ours. Inside the gate or with it
 * closed. */
void tok_stale_close(tok_token *token);

/* --- slots.c --- */
/* Finds the token's slot again by what it says of itself. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_slot_resolve(tok_token *token, core_err *err);
/* Where the token is now, without noting it. */
CORE_MUST_USE core_status tok_slot_look(tok_token *token, CK_SLOT_ID *slot, core_err *err);
/* Whether what a slot says is said by this very token; whether that slot holds it. */
bool tok_info_is(tok_token *token, const tok_token_info *info);
/* Whether that slot holds this very token. */
bool tok_slot_holds(tok_token *token, CK_SLOT_ID slot);
/* C_GetTokenInfo, patiently: SoftHSM answers CKR_GENERAL_ERROR while another process writes to the
 * token, as for a new PIN. */
CK_RV tok_token_info_get(tok_context *ctx, CK_SLOT_ID slot, CK_TOKEN_INFO *out);
CORE_MUST_USE core_status tok_slot_info(tok_context *ctx, CK_SLOT_ID slot, tok_token_info *out,
                                        CK_FLAGS *flags);

/* --- token.c --- */
/* A token or group of which nothing is known yet; NULL: no memory. And its locks, made (anew, after
 * a fork). */
tok_token *tok_token_make(tok_context *ctx, const core_token_config *config);
/* Another number, and a greater one, when handles of private objects are no good any more. */
uint64_t tok_token_age(const tok_token *token);
void tok_token_locks(tok_token *token);
void tok_token_free(tok_token *token);

/* --- pool.c: sessions. Inside the gate. --- */
CORE_MUST_USE core_status tok_pool_take(tok_token *token, tok_session **out, core_err *err);
void tok_pool_give(tok_token *token, tok_session *session);
/* Closes what is idle; with `forget` drops it without a call (the module or the process is
 * another). */
void tok_pool_drain(tok_token *token, bool forget);
/* C_OpenSession for writing, for some modules know no other; for reading where the token is. */
CK_RV tok_slot_open(tok_context *ctx, CK_SLOT_ID slot, CK_SESSION_HANDLE *out);
CORE_MUST_USE core_status tok_session_open(tok_token *token, CK_SESSION_HANDLE *out, core_err *err);
/* The same for the session that holds the login: for reading where sessions for writing are few. */
CORE_MUST_USE core_status tok_session_open_keeper(tok_token *token, CK_SESSION_HANDLE *out,
                                                  core_err *err);

/* --- group.c, group_run.c, group_login.c --- */
/* tok_run and tok_run_once of a group. */
CORE_MUST_USE core_status tok_group_run(tok_token *group, tok_op op, void *arg, bool once,
                                        core_err *err);
/* The member's token where it can be asked now, else NULL; and an operation on it, whatever the
 * order of the group. */
tok_token *tok_group_member(tok_token *group, unsigned place);
/* The member's token, whether it can be asked or not; NULL: never seen. */
tok_token *tok_group_token(tok_token *group, unsigned place);
CORE_MUST_USE core_status tok_group_run_at(tok_token *group, unsigned place, tok_op op, void *arg,
                                           core_err *err);
/* On every member, which must all be there; what fails on one is undone by `undo` on those before
 * it. NULL: it cannot be undone, but done again; then members that do not have the key any more
 * count as done, unless none has it. Of a token that is no group: tok_run. */
CORE_MUST_USE core_status tok_run_all(tok_token *token, tok_op op, tok_op undo, void *arg,
                                      core_err *err);
/* On the first member only, once: what makes something. Of a token that is no group: tok_run_once.
 */
CORE_MUST_USE core_status tok_run_first(tok_token *token, tok_op op, void *arg, core_err *err);
CORE_MUST_USE core_status tok_group_find(tok_context *ctx, const core_token_config *config,
                                         tok_token **out, core_err *err);
CORE_MUST_USE core_status tok_group_login(tok_token *group, const char *pin, size_t pin_len,
                                          core_err *err);
void tok_group_logout(tok_token *group);
void tok_group_free(tok_token *group);
void tok_group_stats(tok_token *group, tok_token_stats *out);
/* After a fork. */
void tok_group_forget_process(tok_token *group);

/* --- login.c, relogin.c; the rest in login_private.h --- */
/* Logs in again with the sealed PIN. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_login_again(tok_token *token, core_err *err);
unsigned tok_login_users(tok_token *token);
/* The sessions that held the login are gone. With the gate closed, or in the login turn. */
void tok_login_lost(tok_token *token);
/* When no user is left: ends what a logout could not, because a recovery or another login was under
 * way. Called outside the gate by whoever was in that way, once he is through. */
void tok_login_tidy(tok_token *token);
/* C_Login as user for one operation of a key with CKA_ALWAYS_AUTHENTICATE. */
CORE_MUST_USE core_status tok_login_operation(tok_session *session, core_err *err);

/* --- keys.c --- */
/* Whether a volatile key is alive. */
bool tok_volatile_any(tok_token *token);
/* Ends the sessions of all volatile keys; inside the gate. */
void tok_volatile_end(tok_token *token);
/* Drops the cache; keys still held by callers find their handles again. */
void tok_keys_forget(tok_token *token);

/* --- mech.c --- */
/* Fails with the device, never for a mechanism that is not there. */
CORE_MUST_USE core_status tok_mech(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *out,
                                   core_err *err);
/* Of those this code uses; "?" for others. */
const char *tok_mech_name(CK_MECHANISM_TYPE type);
CORE_MUST_USE core_status tok_mech_need(tok_session *session, CK_MECHANISM_TYPE type, CK_ULONG size,
                                        core_err *err);

#endif
