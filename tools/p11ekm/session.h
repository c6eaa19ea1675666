/* SPDX-License-Identifier: Apache-2.0
 *
 * The token that a verb works with, the login to it, its keys, and the audit of what is done to
 * them.
 */
#ifndef TOOLS_P11EKM_SESSION_H
#define TOOLS_P11EKM_SESSION_H

#include "pkcs11/key.h"
#include "pkcs11/key_list.h"
#include "pkcs11/token.h"
#include "tools/p11ekm/cli.h"

/* session.c: a context, one of its tokens, and the login to it. Zero it first; close it always. */
typedef struct cli_session {
    tok_context *context;
    tok_token *token;
    bool logged_in;
    const char *identity; /* what named the token; owned by the call or the context */
} cli_session;

CORE_MUST_USE core_status cli_session_find(cli_call *call, cli_session *session, core_err *err);
CORE_MUST_USE core_status cli_session_login(cli_call *call, cli_session *session, core_err *err);
void cli_session_close(cli_session *session);
/* The identity that --token gives, or the configuration's only token. */
CORE_MUST_USE core_status cli_identity(const cli_call *call, const core_config *config,
                                       const char **identity, core_err *err);
/* Writes the intent of a change to a key; ST_AUDIT: the token must not be touched. `key`: NULL for
 * one that is to be made. */
CORE_MUST_USE core_status cli_audit_begin(const cli_session *session, const char *operation,
                                          const char *name, const tok_key *key, core_err *err);
/* The audit record of a change to a key, begun by cli_audit_begin. Returns `result`, or the
 * audit's own failure where the change worked and its record could not be written. */
core_status cli_audit_key(const cli_session *session, const char *operation, const char *name,
                          const tok_key *key, core_status result, uint64_t started, core_err *err);

/* keys.c: all keys sorted by name, and those that are ignored; the key that a name or thumbprint
 * means, retired ones, too. */
typedef struct cli_keys {
    tok_key **keys;
    size_t count;
    tok_ignored_key *ignored;
    size_t ignored_count;
} cli_keys;

CORE_MUST_USE core_status cli_keys_list(cli_session *session, cli_keys *keys, core_err *err);
void cli_keys_free(cli_keys *keys);
typedef enum cli_which { CLI_ANY_KEY, CLI_LIVE_KEY, CLI_RETIRED_KEY } cli_which;
/* The key belongs to *keys, and is identified if it can be. ST_NOT_FOUND, ST_KEY_AMBIGUOUS with the
 * thumbprints. */
CORE_MUST_USE core_status cli_keys_find(const cli_keys *keys, const char *name_or_thumb,
                                        cli_which which, tok_key **out, core_err *err);
/* The name a retired key had; the name itself of one in use. */
const char *cli_key_plain_name(const tok_key_info *info);
/* A name in one line of text, whatever the token put into it. */
typedef struct cli_shown {
    char text[TOK_LABEL_MAX + 1];
} cli_shown;
cli_shown cli_show(const char *name);
const char *cli_key_algorithm(const tok_key_info *info, char *buffer, size_t size);

#endif
