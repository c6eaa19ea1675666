/* SPDX-License-Identifier: Apache-2.0
 *
 * The public interface of the token layer: one PKCS #11 module, its tokens, and the login to them.
 * A context owns all that a front end needs: OpenSSL, the configuration, log and audit, and the
 * module. Contexts of the same configuration file are one shared object, so that the EKM provider
 * and the Always Encrypted key store of one process share logins, sessions and keys.
 *
 * Any thread may call any function; no object belongs to a thread. After fork() the child detects
 * the fork at its first call, initializes the module again and opens sessions of its own; its
 * contexts, tokens and keys stay valid.
 */
#ifndef PKCS11_TOKEN_H
#define PKCS11_TOKEN_H

#include <stdbool.h>
#include <stdint.h>
#include "core/config.h"
#include "core/memory.h"
#include "core/status.h"

typedef struct tok_context tok_context;
typedef struct tok_token tok_token;

/* Opens the context of a configuration file (NULL: the default file), or returns the context that
 * is open for it. Loads and initializes the module. A module that loads but does not initialize,
 * for example because its service is down, is not an error: the next search for a token tries
 * again. Fails as core_config_load and core_log_open do, and with ST_MODULE_LOAD and
 * ST_UNSAFE_FILE. Each success needs one tok_context_close. */
CORE_MUST_USE core_status tok_context_open(const char *config_path, tok_context **out,
                                           core_err *err);

/* The last close closes all sessions, wipes the cached PINs, and calls C_Finalize if this library
 * called C_Initialize. The caller must have released all tokens and keys. The module stays mapped,
 * because some vendors' modules crash when they are unloaded. */
void tok_context_close(tok_context *ctx);
/* The context owns it. */
const core_config *tok_context_config(const tok_context *ctx);
/* True if calls into the module are made one at a time. */
bool tok_context_serialized(const tok_context *ctx);
/* True if the module is known to need that. */
bool tok_context_needs_serial(const tok_context *ctx);

/* What a token tells of itself (CK_TOKEN_INFO, CK_INFO), without trailing blanks. */
typedef struct tok_token_info {
    char label[33];
    char manufacturer[33];
    char model[17];
    char serial[17];
    char alias[65]; /* in the configuration; "": none */
    uint64_t slot;
    unsigned cryptoki_major, cryptoki_minor; /* of the module */
    char library[33];
    unsigned library_major, library_minor;
    unsigned min_pin, max_pin;              /* bytes */
    uint64_t max_sessions, max_rw_sessions; /* 0: no limit */
    bool login_required;
    bool initialised, pin_set, pin_low, pin_last_try, pin_locked, pin_to_change, protected_path;
} tok_token_info;

/* Lists all tokens that are present. *out: an array of *count; release it with core_free. Needs no
 * login. */
CORE_MUST_USE core_status tok_token_list(tok_context *ctx, tok_token_info **out, size_t *count,
                                         core_err *err);

/* A group of tokens (`members` in the configuration) is a tok_token whose label is its alias. One
 * of its members executes each operation. */
typedef struct tok_member_info {
    const char *alias; /* the configuration owns it */
    bool serves;       /* found, available and logged in */
    bool refused;      /* it rejected the PIN */
} tok_member_info;
/* Fills out[] in the order of preference and returns the number of members; 0: not a group. */
size_t tok_token_members(const tok_token *token, tok_member_info out[CORE_GROUP_MOST]);

/* Finds the one token that `identity` names: an alias of the configuration, a PKCS #11 URI, or a
 * label. ST_TOKEN_NOT_FOUND; ST_TOKEN_AMBIGUOUS, with the candidates named: several match;
 * ST_FORMAT: the URI. A token has one object, however it is named. Its policy is that of the alias
 * whose section names it, or the defaults. *out is a new reference. */
CORE_MUST_USE core_status tok_token_find(tok_context *ctx, const char *identity, tok_token **out,
                                         core_err *err);
/* Drops a reference; NULL is allowed. The context keeps the token's object until it closes. */
void tok_token_release(tok_token *token);
/* Adds a reference and returns `token`. */
tok_token *tok_token_ref(tok_token *token);

/* The configuration, the description as of when the token was found, and the context of a token.
 * The token owns them. No token call. */
const core_token_config *tok_token_config(const tok_token *token);
const tok_token_info *tok_token_info_of(const tok_token *token);
tok_context *tok_token_context(const tok_token *token);

/* Logs in one user of the token; on a group, to every member that is available. Each login verifies
 * the PIN: with C_Login (PKCS #11 v3.1, 5.6.8) if the token is not logged in, else against a keyed
 * hash of the PIN that logged in. A PIN that differs may be the token's new PIN; the token is asked
 * while all other operations wait (pin_change). `pin` has pin_len bytes and needs no terminator.
 * NULL: the PIN of pin_file; without pin_file, the PIN typed at the token's own keypad, or none for
 * a token that needs no login. The PIN is kept, encrypted, only as `relogin` allows. The caller
 * wipes its copy. ST_AUTH_FAILED: the PIN is wrong; a wrong PIN is remembered and not sent to the
 * token again. ST_PIN_RATIONED, ST_PIN_LAST_TRY, ST_PIN_LOCKED, ST_PIN_EXPIRED: the PIN was not
 * tried. ST_PIN_SOURCE: there is no PIN, or it is empty. Each success needs one tok_token_logout.
 */
CORE_MUST_USE core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len,
                                          core_err *err);
/* The last logout closes all sessions, which logs the token out, and wipes the cached PIN. */
void tok_token_logout(tok_token *token);
/* Permits the next login to use the last PIN try that the token has left; a wrong PIN then locks
 * the token. For an administrator who is certain of the PIN. A login resets the token's count. */
void tok_token_allow_last_try(tok_token *token);
/* Cuts the content of a file or descriptor down to the PIN: the first line, without a byte-order
 * mark and the end of the line. ST_PIN_SOURCE, with `source` in the text: it is empty or not UTF-8
 * text. The bytes that are cut off are wiped. */
CORE_MUST_USE core_status tok_pin_cut(core_secret *text, const char *source, core_err *err);

/* Counters since the context was opened, for doctor, tests and benchmarks. */
typedef struct tok_token_stats {
    uint64_t module_generation; /* grows with each re-initialization */
    uint64_t sessions;          /* open now */
    uint64_t recoveries;        /* how often the token came back */
    uint64_t logins;            /* C_Login calls */
    uint64_t searches;          /* C_FindObjectsInit calls */
} tok_token_stats;
/* Fills *out; for a group with the sums over its members. */
void tok_token_stats_get(tok_token *token, tok_token_stats *out);

#endif
