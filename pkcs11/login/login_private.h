/* SPDX-License-Identifier: Apache-2.0
 *
 * Login layer: the record of PINs, and the login of this process to a token. Only tok_pin_try calls
 * C_Login: it checks the PIN flags of the token first and counts the PIN try afterwards. The
 * functions are called with the login lock of the token held, unless their comment says otherwise.
 */
#ifndef PKCS11_LOGIN_LOGIN_PRIVATE_H
#define PKCS11_LOGIN_LOGIN_PRIVATE_H

#include "pkcs11/session/key_private.h"

/* Creates the object of a token or group, without any cached data; NULL: no memory. No lock is
 * needed, also to free it. */
tok_token *tok_token_make(tok_context *ctx, const core_token_config *config);
void tok_token_free(tok_token *token);
/* Restores a lost login with the cached PIN. Acquires the login lock. Inside the gate or with it
 * closed. ST_LOGIN_LOST: no PIN is cached. */
CORE_MUST_USE core_status tok_login_again(tok_token *token, core_err *err);
/* Completes a deferred logout: if the user count is zero, closes sessions and wipes the cached PIN.
 * Call it outside the gate and without the login lock, after a recovery or login that may have
 * blocked a concurrent logout. */
void tok_login_tidy(tok_token *token);
/* C_Login with CKU_CONTEXT_SPECIFIC and the cached PIN, for one operation of a key with
 * CKA_ALWAYS_AUTHENTICATE. Acquires the login lock. Inside the gate. */
CORE_MUST_USE core_status tok_login_operation(tok_session *session, core_err *err);

enum { TOK_REJECTED_PINS_MAX = 64, TOK_HASH = 32 };

/* The record of PINs, as keyed hashes only. The struct is in locked memory that core dumps leave
 * out: with the salt, a PIN of six digits can be found from its hash in less than a second. */
typedef struct tok_pin_state {
    uint8_t salt[TOK_HASH];
    bool known;    /* `verifier` is the hash of the PIN of the current or lost login */
    bool verified; /* the token has accepted that PIN, and no wrong PIN was sent since */
    uint8_t verifier[TOK_HASH];
    bool typed;      /* that PIN was typed at the token, so we do not know it */
    bool has_former; /* `former` is the hash of the superseded PIN */
    uint8_t former[TOK_HASH];
    core_secret cached_pin; /* the sealed PIN, to log in again after a loss; empty: none */
    uint8_t rejected[TOK_REJECTED_PINS_MAX][TOK_HASH]; /* the last rejected PINs, a ring */
    unsigned rejected_count;                           /* PINs rejected since one was accepted */
    unsigned tries;     /* PINs of users that failed since a user logged in */
    unsigned streak;    /* C_Login calls that failed since one succeeded: an estimate of the token's
                         * own count */
    bool cached_failed; /* one of the calls in `streak` sent the cached PIN */
    unsigned busy;      /* C_Login calls repeated for a busy token; not in `streak` (pin_try.c) */
    bool reports_low;   /* the token has set CKF_USER_PIN_COUNT_LOW before */
    bool last_allowed;  /* an administrator allows the next C_Login to be the token's last try */
    uint64_t next_try_us; /* end of the pause after the last failure */
    core_secret memory;   /* the memory of this struct */
} tok_pin_state;

/* Makes the state of a token or group, with a random salt. ST_NO_MEMORY. */
CORE_MUST_USE core_status tok_pin_open(tok_token *token);
void tok_pin_close(tok_token *token);
/* The salted hash of a PIN of `length` bytes. No lock is needed. */
CORE_MUST_USE core_status tok_pin_hash(const tok_pin_state *pin, const char *text, size_t length,
                                       uint8_t out[TOK_HASH]);
/* ST_OK if the record allows to send a user's PIN. ST_AUTH_FAILED: the PIN was rejected or
 * superseded before; ST_PIN_RATIONED: the pause after failures has not elapsed, the text has the
 * seconds left. */
CORE_MUST_USE core_status tok_pin_allowed(tok_token *token, const uint8_t hash[TOK_HASH],
                                          core_err *err);
/* ST_AUTH_FAILED if the token has rejected this PIN before. */
CORE_MUST_USE core_status tok_pin_not_refused(const tok_token *token, const uint8_t hash[TOK_HASH],
                                              core_err *err);
/* ST_OK if the cached PIN may be sent. Failures of other PINs do not count, because the cached one
 * was right and its success resets the token's count. Once it has failed itself: ST_PIN_RATIONED
 * after pin_tries failures in a row. */
CORE_MUST_USE core_status tok_pin_cached_allowed(const tok_token *token, core_err *err);
/* Records a PIN that the token rejected; or a failure that it may have counted as a wrong PIN. */
void tok_pin_record_rejected(tok_token *token, const uint8_t hash[TOK_HASH]);
void tok_pin_record_doubtful(tok_token *token);
/* Records the PIN of a successful login (NULL: typed at the token): PINs of later users are
 * compared with its hash. With relogin = yes the PIN is cached, sealed. */
void tok_pin_record_accepted(tok_token *token, const uint8_t hash[TOK_HASH], const char *text,
                             size_t length);
/* Records that the PIN of the current login is not the token's any more, and wipes the cached PIN.
 */
void tok_pin_record_superseded(tok_token *token);
/* Wipes the PIN of the login. Rejected PINs and the pause stay. */
void tok_pin_forget(tok_token *token);

/* --- pin_try.c: C_Login. --- */
typedef struct tok_pin_offer {
    CK_SESSION_HANDLE session;
    CK_USER_TYPE user;   /* CKU_USER or CKU_CONTEXT_SPECIFIC */
    const char *pin;     /* NULL: typed at the token's keypad */
    size_t length;       /* bytes */
    const uint8_t *hash; /* of the PIN */
    bool cached;         /* the PIN of the current login, which the token has accepted before */
    CK_RV rv;            /* out: result of C_Login */
    bool doubtful;       /* out: the token may have counted a wrong PIN */
    bool again;          /* out: doubtful, but one more try is allowed */
} tok_pin_offer;

/* Reads the token's PIN flags. ST_PIN_LOCKED, ST_PIN_LAST_TRY, ST_PIN_EXPIRED: the flags forbid a
 * try. ST_TOKEN_NOT_FOUND: another token is in the slot. */
CORE_MUST_USE core_status tok_pin_flags(tok_token *token, tok_token_info *now, core_err *err);
/* Reads the token's PIN flags, calls C_Login unless they forbid it, and records the result. Repeats
 * C_Login, with pauses, while the token is busy. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_pin_try(tok_token *token, tok_pin_offer *offer, core_err *err);
/* Acquires the login lock of a token or group, which guards its login and `pin`. Waits up to
 * tok_login_wait_ms: ST_POOL_TIMEOUT. */
CORE_MUST_USE core_status tok_login_lock_acquire(tok_token *token, core_err *err);
/* tok_login_again with the login lock held. */
CORE_MUST_USE core_status tok_login_again_locked(tok_token *token, core_err *err)
    CORE_REQUIRES(token->login_lock);

/* Why C_Login is called. It decides what CKR_USER_ALREADY_LOGGED_IN means. */
typedef enum tok_login_kind {
    TOK_LOGIN_FIRST,  /* first user: another component of the process is logged in */
    TOK_LOGIN_AGAIN,  /* after a loss: we are still logged in */
    TOK_LOGIN_CHANGED /* after our C_Logout: another component has logged in since */
} tok_login_kind;

/* Logs in with the login session, which is opened if there is none, and sets the login state.
 * Sets offer->session and offer->user. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_login_ask(tok_token *token, tok_pin_offer *offer, tok_login_kind kind,
                                        core_err *err);
/* Opens the login session unless it is open. Inside the gate or with it closed. */
CORE_MUST_USE core_status tok_login_session_open(tok_token *token, core_err *err);
void tok_login_session_close(tok_token *token);
/* tok_pin_allowed, and ST_AUTH_FAILED if the token does not accept PINs of `length` bytes. */
CORE_MUST_USE core_status tok_login_allowed(tok_token *token, size_t length,
                                            const uint8_t hash[TOK_HASH], core_err *err);

/* The position of the PIN in the bytes of a file. */
typedef struct tok_pin_text {
    size_t from, length;
    const char *fault; /* why the file has no PIN; NULL: it has one */
} tok_pin_text;
tok_pin_text tok_pin_find(const uint8_t *bytes, size_t length);

/* Reads the PIN from the token's pin_file. ST_PIN_SOURCE: no file is set, or it has no valid PIN.
 * The caller closes *out. No lock is needed. */
CORE_MUST_USE core_status tok_pin_from_file(const tok_token *token, core_secret *out,
                                            core_err *err);
/* How long to wait for another login, in milliseconds: session_wait_ms, or a default if that is 0,
 * because 0 means not to wait for a session and must not make logins fail. */
unsigned tok_login_wait_ms(const tok_token *token);
/* True if the token has no user login: CKF_LOGIN_REQUIRED is not set, and C_Login returned `rv`
 * that confirms it. */
bool tok_login_has_no_user(const tok_token *token, CK_RV rv);
/* If the user count is zero, closes all sessions and wipes the cached PIN and the key cache. Inside
 * the gate. Does not call C_Logout, which would log out other components of this process; the token
 * logs out when the last session of the process is closed. */
void tok_login_end_if_unused(tok_token *token);

#endif
