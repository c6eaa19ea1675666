/* SPDX-License-Identifier: Apache-2.0
 *
 * The back door: one PKCS#11 module, its tokens, and the login to them. A context owns everything a
 * front needs: OpenSSL, the configuration, log and audit, and the module. Contexts of the same
 * configuration file share one object, so that the EKM door and the Always Encrypted door of one
 * process share logins, sessions and keys.
 *
 * All functions may be called from any thread. No object here is tied to a thread. After a fork the
 * child notices at its first call and starts with sessions of its own; keys and tokens it holds
 * stay usable.
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

/* Opens (or shares) the context of a configuration file, NULL for the default one. Loads and
 * initialises the module. A module that loads but does not initialise (its service is down) is no
 * error: it is tried again when a token is asked for. Fails as core_config_load and core_log_open
 * do, and with ST_MODULE_LOAD, ST_UNSAFE_FILE. Each success needs one tok_context_close. */
CORE_MUST_USE core_status tok_context_open(const char *config_path, tok_context **out,
                                           core_err *err);

/* The last close closes all sessions, wipes PINs, and finalises the module if we initialised it.
 * Tokens and keys must have been released. The library itself stays mapped (unloading vendors'
 * modules crashes). */
void tok_context_close(tok_context *ctx);
const core_config *tok_context_config(const tok_context *ctx);
/* Whether calls into the module are made one at a time; whether it is known to need that. */
bool tok_context_serialized(const tok_context *ctx);
bool tok_context_needs_serial(const tok_context *ctx);

/* What a token says of itself, blanks trimmed. */
typedef struct tok_token_info {
    char label[33];
    char manufacturer[33];
    char model[17];
    char serial[17];
    char alias[65]; /* of the configuration, "" where none names it */
    uint64_t slot;
    unsigned cryptoki_major, cryptoki_minor; /* of the module */
    char library[33];
    unsigned library_major, library_minor;
    unsigned min_pin, max_pin;
    uint64_t max_sessions, max_rw_sessions; /* 0: no limit */
    bool login_required;
    bool initialised, pin_set, pin_low, pin_last_try, pin_locked, pin_to_change, protected_path;
} tok_token_info;

/* All tokens present. *out: an array of *count, released with core_free. Needs no login. */
CORE_MUST_USE core_status tok_token_list(tok_context *ctx, tok_token_info **out, size_t *count,
                                         core_err *err);

/* A group of tokens (`members` of the configuration) is a token to all that follows, its alias its
 * label: what is done with it is done by one of its members. Of a token that is no group there are
 * none. */
typedef struct tok_member_info {
    const char *alias; /* of the configuration; owned by it */
    bool serves;       /* found, answering and logged in */
    bool refused;      /* it did not take the PIN */
} tok_member_info;
/* Fills at most CORE_GROUP_MOST members, in the order of preference, and returns how many. */
size_t tok_token_members(const tok_token *token, tok_member_info out[CORE_GROUP_MOST]);

/* The one token an identity names: an alias of the configuration, a PKCS#11 URI, or a label.
 * Exactly one must match: else ST_TOKEN_NOT_FOUND or ST_TOKEN_AMBIGUOUS with the candidates named.
 * A token has one object however it is named; its policy is that of the alias whose section names
 * it, else the defaults. Release with tok_token_release. */
CORE_MUST_USE core_status tok_token_find(tok_context *ctx, const char *identity, tok_token **out,
                                         core_err *err);
void tok_token_release(tok_token *token);
tok_token *tok_token_ref(tok_token *token);

const core_token_config *tok_token_config(const tok_token *token);
/* As when it was found. Owned by the token. */
const tok_token_info *tok_token_info_of(const tok_token *token);
tok_context *tok_token_context(const tok_token *token);

/* Logs one user of the token in, verifying the PIN each time: by the token when it is not logged
 * in, else against a keyed hash of the PIN that logged in; one that differs may be the token's new
 * one, about which it is asked while all others wait (pin_change). `pin` NULL: the PIN of
 * pin_file, or where there is none: typed at a token with a keypad of its own, none for a token
 * that needs no login. An empty PIN is ST_PIN_SOURCE. The PIN is copied as the configuration allows
 * (relogin), the caller wipes its own. ST_AUTH_FAILED: wrong (a wrong PIN is remembered and not
 * sent to the token twice); ST_PIN_RATIONED, ST_PIN_LAST_TRY, ST_PIN_LOCKED, ST_PIN_EXPIRED: not
 * even tried; ST_PIN_SOURCE: none to be had. Each success needs one tok_token_logout; the last one
 * ends all sessions and wipes what was kept. */
CORE_MUST_USE core_status tok_token_login(tok_token *token, const char *pin, size_t pin_len,
                                          core_err *err);
void tok_token_logout(tok_token *token);
/* The next login may be the last try that the token has left for its PIN: with a wrong one it locks
 * itself. For an administrator who is sure of the PIN; the login sets the count back. */
void tok_token_allow_last_try(tok_token *token);
/* Cuts what a file or a descriptor held down to the PIN: the first line, without a byte-order mark
 * and the line's end. ST_PIN_SOURCE, naming `source`, where that is empty or no UTF-8 text. */
CORE_MUST_USE core_status tok_pin_cut(core_secret *text, const char *source, core_err *err);

/* How the token has fared since the context was opened, for doctor, tests and benchmarks. */
typedef struct tok_token_stats {
    uint64_t module_generation; /* grows with each re-initialisation */
    uint64_t sessions;          /* open now */
    uint64_t recoveries;        /* times it came back */
    uint64_t logins;            /* C_Login calls made */
    uint64_t searches;          /* searches made on the token */
} tok_token_stats;
void tok_token_stats_get(tok_token *token, tok_token_stats *out);

#endif
