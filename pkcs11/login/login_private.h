/* SPDX-License-Identifier: Apache-2.0
 *
 * Login layer: what is remembered of PINs, and how a PIN comes to the token. One function,
 * tok_pin_try, calls C_Login, so that each call is preceded by a look at the PIN flags of the token
 * and followed by the accounting of PIN tries. The functions are called with the login lock of the
 * token held, unless they say otherwise.
 */
#ifndef PKCS11_LOGIN_LOGIN_PRIVATE_H
#define PKCS11_LOGIN_LOGIN_PRIVATE_H

#include "pkcs11/session/key_private.h"

/* A token or group of which nothing is known yet; NULL: no memory. And its locks, made (anew, after
 * a fork). */
tok_token *tok_token_make(tok_context *ctx, const core_token_config *config);
void tok_token_free(tok_token *token);
/* Logs in again with the sealed PIN. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_login_again(tok_token *token, core_err *err);
/* When no user is left: ends what a logout could not, because a recovery or another login was under
 * way. Called outside the gate by whoever was in that way, once he is through. */
void tok_login_tidy(tok_token *token);
/* C_Login as user for one operation of a key with CKA_ALWAYS_AUTHENTICATE. */
CORE_MUST_USE core_status tok_login_operation(tok_session *session, core_err *err);

enum { TOK_REJECTED_PINS_MAX = 64, TOK_HASH = 32 };

/* What is known of PINs, as keyed hashes only. The struct lies in locked memory that is left out of
 * core dumps: with the salt a PIN of six digits is found from its hash in less than a second. */
typedef struct tok_pin_state {
    uint8_t salt[TOK_HASH];
    bool known;    /* `verifier` is of the PIN that is logged in, or was when the login was lost */
    bool verified; /* the token has accepted that PIN, and no wrong one was sent after it */
    uint8_t verifier[TOK_HASH];
    bool typed;       /* that PIN was typed at the token, and is not known here */
    bool was_another; /* `former` is of the PIN that it was logged in with before */
    uint8_t former[TOK_HASH];
    core_secret cached_pin; /* the PIN for another login after a lost token; empty: none */
    uint8_t wrong[TOK_REJECTED_PINS_MAX][TOK_HASH]; /* the last refused PINs */
    unsigned wrong_count;                           /* PINs refused since one was accepted */
    unsigned tries;    /* PINs of users that failed since one of them logged in */
    unsigned streak;   /* C_Login calls that failed since one succeeded: the token's own count, as
                        * far as this process knows it */
    bool kept_failed;  /* the PIN that was accepted last is among these */
    unsigned busy;     /* of these, not counted: see pin_try.c */
    bool tells;        /* the token has been seen to set CKF_USER_PIN_COUNT_LOW */
    bool last_allowed; /* the next C_Login may be the token's last try */
    uint64_t next_try_us;
    core_secret home; /* the memory of this struct */
} tok_pin_state;

/* Makes the state of a token or group, with a random salt. ST_NO_MEMORY. */
CORE_MUST_USE core_status tok_pin_open(tok_token *token);
void tok_pin_close(tok_token *token);
CORE_MUST_USE core_status tok_pin_hash(const tok_pin_state *pin, const char *text, size_t length,
                                       uint8_t out[TOK_HASH]);
/* Whether a user's PIN may be sent to the token, by what is remembered. ST_AUTH_FAILED: it is known
 * to be wrong; ST_PIN_RATIONED, with the seconds to wait in the text. */
CORE_MUST_USE core_status tok_pin_allowed(tok_token *token, const uint8_t hash[TOK_HASH],
                                          core_err *err);
/* The first part of that: ST_AUTH_FAILED where the token refused this very PIN. */
CORE_MUST_USE core_status tok_pin_not_refused(const tok_token *token, const uint8_t hash[TOK_HASH],
                                              core_err *err);
/* Whether the kept PIN may be sent: once whatever was sent before it, for it was right and sets the
 * token's count back; then ST_PIN_RATIONED after pin_tries failures in a row. */
CORE_MUST_USE core_status tok_pin_kept_allowed(const tok_token *token, core_err *err);
/* The token refused the PIN; or it failed in a way that may have counted as a wrong PIN. */
void tok_pin_record_rejected(tok_token *token, const uint8_t hash[TOK_HASH]);
void tok_pin_record_doubtful(tok_token *token);
/* A user logged in with it: it is the one that later users are compared with, and it is kept,
 * sealed, where the configuration allows that. */
void tok_pin_record_accepted(tok_token *token, const uint8_t hash[TOK_HASH], const char *text,
                             size_t length);
/* The PIN that is logged in is not the token's any more. */
void tok_pin_record_superseded(tok_token *token);
void tok_pin_forget(tok_token *token);

/* --- pin_try.c: C_Login. --- */
typedef struct tok_pin_offer {
    CK_SESSION_HANDLE session;
    CK_USER_TYPE user; /* CKU_USER or CKU_CONTEXT_SPECIFIC */
    const char *pin;   /* NULL: typed at the token's own keypad */
    size_t length;
    const uint8_t *hash; /* of the PIN */
    bool kept;           /* the token has accepted this PIN before */
    CK_RV rv;            /* out: what C_Login answered */
    bool doubtful;       /* out: it may have been counted as a wrong PIN */
    bool again;          /* out: doubtful, but one more try is allowed */
} tok_pin_offer;

/* Reads the token's PIN flags. ST_PIN_LOCKED, ST_PIN_LAST_TRY, ST_PIN_EXPIRED: they forbid a try.
 */
CORE_MUST_USE core_status tok_pin_flags(tok_token *token, tok_token_info *now, core_err *err);
/* Reads the token's PIN flags, calls C_Login unless they forbid it, and counts the answer. Repeats
 * it, with pauses, for a token that is known to be busy. */
CORE_MUST_USE core_status tok_pin_try(tok_token *token, tok_pin_offer *offer, core_err *err);
/* The turn in which the login and `pin` are changed, of a token or group. ST_POOL_TIMEOUT. */
CORE_MUST_USE core_status tok_login_lock_acquire(tok_token *token, core_err *err);
/* tok_login_again in the login turn. */
CORE_MUST_USE core_status tok_login_again_locked(tok_token *token, core_err *err)
    CORE_REQUIRES(token->login_lock);

/* What it means when the token is logged in already: that another component of the process is, that
 * we still are, or that another component was faster. */
typedef enum tok_login_kind { TOK_LOGIN_FIRST, TOK_LOGIN_AGAIN, TOK_LOGIN_CHANGED } tok_login_kind;

/* Logs in the login session, which it opens where there is none. offer->session and ->user are set
 * here. */
CORE_MUST_USE core_status tok_login_ask(tok_token *token, tok_pin_offer *offer, tok_login_kind kind,
                                        core_err *err);
/* Makes sure that there is a session to hold the login. */
CORE_MUST_USE core_status tok_login_session_open(tok_token *token, core_err *err);
void tok_login_session_close(tok_token *token);
/* Whether the PIN may be sent to the token, by what is remembered of it and by its length. */
CORE_MUST_USE core_status tok_login_allowed(tok_token *token, size_t length,
                                            const uint8_t hash[TOK_HASH], core_err *err);

/* Where in a file's bytes the PIN is, or why there is none. */
typedef struct tok_pin_text {
    size_t from, length;
    const char *fault; /* NULL: there is one */
} tok_pin_text;
tok_pin_text tok_pin_find(const uint8_t *bytes, size_t length);

/* The PIN of the token's pin_file. ST_PIN_SOURCE where there is none. Close *out. */
CORE_MUST_USE core_status tok_pin_from_file(const tok_token *token, core_secret *out,
                                            core_err *err);
/* The wait for another login: it does not wait for a session, so session_wait_ms = 0 is no limit to
 * it. */
unsigned tok_login_wait_ms(const tok_token *token);
/* Whether the token has no user to log in: CKF_LOGIN_REQUIRED is not set, and C_Login says so. */
bool tok_login_has_no_user(const tok_token *token, CK_RV rv);
/* Ends what there is for users when there are none; inside the gate, in the login turn. No
 * C_Logout: it would log out whoever else in this process uses the token. The token does that
 * itself when the last session of the process is closed. */
void tok_login_end_if_unused(tok_token *token);

#endif
