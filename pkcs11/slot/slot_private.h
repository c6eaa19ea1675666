/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot layer: the struct of a token, what a slot says of it, its health, and its login state.
 */
#ifndef PKCS11_SLOT_SLOT_PRIVATE_H
#define PKCS11_SLOT_SLOT_PRIVATE_H

#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "pkcs11/module/module_private.h"

/* All tokens of all contexts: the one after `token`, NULL: the first. With the lock, or while the
 * gate is closed. */
tok_token *tok_gate_next(const tok_gate *gate, const tok_token *token);
/* Calls `visit` for each token of each context, without the lock, while none of them can go away.
 */
void tok_gate_visit(tok_gate *gate, void (*visit)(tok_token *token)) CORE_EXCLUDES(gate->lock);
/* The pause after one of so many milliseconds; 0: the first. */
unsigned tok_backoff_next(unsigned pause_ms);
bool tok_health_resting(tok_context *ctx, tok_token *token);
void tok_health_lost(tok_context *ctx, tok_token *token, core_status st, const core_err *err);
void tok_health_back(tok_context *ctx, tok_token *token);
/* Whether the module may be initialised anew for one token while others are at work; and the note
 * that it was, which took so long. */
bool tok_reset_due(tok_context *ctx, const tok_health *health);
void tok_reset_done(tok_context *ctx, tok_health *health, uint64_t took_us);

/* The first key that a search found and passed over (passed.c). */
typedef struct tok_passed {
    bool any, retired; /* not retired: unprotected */
    char label[TOK_LABEL_MAX + 1];
} tok_passed;

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

typedef struct tok_session tok_session;

struct tok_token {
    tok_context *ctx;
    tok_token *next; /* of the context */
    _Atomic unsigned refs;
    const core_token_config *config;
    tok_token_info info;
    _Atomic uint64_t module_generation; /* changes only while nobody is inside */
    _Atomic uint64_t
        login_generation; /* logins: what was known of private objects before is void */
    _Atomic CK_SLOT_ID slot;
    char *slot_uri;       /* the URI that found it, if that names its slot; else NULL */
    _Atomic bool present; /* set while nobody is inside */
    bool probing; /* guarded by the gate, as the next: somebody is finding out where it is */
    tok_health health;
    struct tok_group *group; /* of a group, which is no token itself; NULL */

    core_mutex lock; /* guards all up to `indexed_at_us` */
    core_cond freed;
    core_cond proven; /* a key's handle was looked at again (recheck.c) */
    tok_session *idle CORE_GUARDED;
    unsigned open CORE_GUARDED, limit CORE_GUARDED;
    /* since the token was full, the time between two attempts to open more; 0: it is not */
    unsigned grow_ms CORE_GUARDED;
    uint64_t grow_at_us CORE_GUARDED; /* the next one */
    unsigned users CORE_GUARDED;
    tok_login_state login CORE_GUARDED; /* changes in the login turn, or with the gate closed */
    _Atomic CK_SESSION_HANDLE
        login_session; /* never used for work: holds the login; set in its turn */
    CK_SESSION_HANDLE *stale CORE_GUARDED; /* see stale.c */
    size_t stale_count CORE_GUARDED;
    tok_key *session_keys CORE_GUARDED; /* volatile keys, each in a session of its own */
    tok_key *keys[TOK_KEY_BUCKETS] CORE_GUARDED;
    uint8_t (*known)[TOK_THUMB_LEN] CORE_GUARDED; /* known.c */
    size_t known_count CORE_GUARDED, known_room CORE_GUARDED;
    /* see id_index.c; good while ids_generation is tok_token_handle_generation */
    struct tok_id *ids CORE_GUARDED;
    size_t id_count CORE_GUARDED;
    uint64_t ids_generation CORE_GUARDED;
    uint64_t indexed_at_us CORE_GUARDED; /* when all keys were last read; 0: not in this epoch */

    _Atomic unsigned mech_known;     /* set of rows of `mech` that the token has answered */
    _Atomic uint64_t mech_ask_at_us; /* the others are not asked again before then */
    tok_mech_info mech[TOK_MECH_COUNT];
    tok_timed_lock login_lock; /* guards pin */
    struct tok_pin_state *pin; /* in locked memory, see login_private.h */
    tok_timed_lock key_lock;   /* creations, and the index; guards `passed` */
    tok_passed passed;         /* by the last search for `passed_thumb` */
    uint8_t passed_thumb[TOK_THUMB_LEN];
    _Atomic uint64_t recoveries, logins, searches;
    _Atomic uint64_t public_at_login; /* `logins` + 1 when a session was not logged in; 0: never */
};

/* Fails with the status of `rv` and a text that names the token, the function and the code; for
 * data errors a text without any detail. */
core_status tok_rv_fail(core_err *err, const tok_token *token, const char *function, CK_RV rv,
                        tok_call kind);
/* Notes that the token answers: a user has logged in to it, or it was found again. */
void tok_mark_available(tok_token *token);
/* Finds the token's slot again by what it says of itself. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_slot_resolve(tok_token *token, core_err *err);
/* Where the token is now, without noting it. */
CORE_MUST_USE core_status tok_slot_probe(tok_token *token, CK_SLOT_ID *slot, core_err *err);
/* Whether what a slot says is said by this very token; whether that slot holds it. */
bool tok_info_is(tok_token *token, const tok_token_info *info);
/* Whether that slot holds this very token. */
bool tok_slot_holds(tok_token *token, CK_SLOT_ID slot);
/* C_GetTokenInfo, patiently: SoftHSM answers CKR_GENERAL_ERROR while another process writes to the
 * token, as for a new PIN. */
CK_RV tok_token_info_get(tok_context *ctx, CK_SLOT_ID slot, CK_TOKEN_INFO *out);
CORE_MUST_USE core_status tok_slot_info(tok_context *ctx, CK_SLOT_ID slot, tok_token_info *out,
                                        CK_FLAGS *flags);
/* Another number, and a greater one, when handles of private objects are no good any more. */
uint64_t tok_token_handle_generation(const tok_token *token);
void tok_token_locks(tok_token *token);
unsigned tok_login_users(tok_token *token);
/* The sessions that held the login are gone. With the gate closed, or in the login turn. */
void tok_login_lost(tok_token *token);
/* Notes that a session of ours holds the login. */
void tok_login_found(tok_token *token);

/* Whether a status says that the device is away, so that another member may serve. */
static inline bool tok_status_is_unavailable(core_status st)
{
    return core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
}

void tok_login_set(tok_token *token, tok_login_state login);
/* The slots with a token. Asked with NULL first: that is what makes modules look again. */
core_status tok_slot_list(tok_context *ctx, CK_SLOT_ID **out, CK_ULONG *count, core_err *err);
/* All initialised tokens present; inside the gate or with it closed. *silent: why one of them did
 * not say what it is; may be NULL. */
core_status tok_slot_list_tokens(tok_context *ctx, tok_token_info **out, size_t *count,
                                 core_status *silent, core_err *err);
bool tok_info_same(const tok_token_info *a, const tok_token_info *b);
/* tok_token_stats_get of one token; *out is zero before. */
void tok_single_stats(tok_token *token, tok_token_stats *out);

#endif
