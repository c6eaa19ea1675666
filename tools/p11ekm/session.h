/* SPDX-License-Identifier: Apache-2.0
 *
 * The token of a verb, the login to it, its keys, and the audit records of changes to them.
 */
#ifndef TOOLS_P11EKM_SESSION_H
#define TOOLS_P11EKM_SESSION_H

#include "pkcs11/key.h"
#include "pkcs11/key_list.h"
#include "pkcs11/token.h"
#include "tools/p11ekm/cli.h"

/* session.c: a context, one of its tokens, and the login to it. Initialize it with zeros, and
 * close it in every case. */
typedef struct cli_session {
    tok_context *context;
    tok_token *token;
    bool logged_in;
    const char *identity; /* the name that selected the token; owned by the call or the context */
} cli_session;

CORE_MUST_USE core_status cli_session_find(cli_call *call, cli_session *session, core_err *err);
CORE_MUST_USE core_status cli_session_login(cli_call *call, cli_session *session, core_err *err);
void cli_session_close(cli_session *session);
/* The identity of --token, or the configuration's only token. */
CORE_MUST_USE core_status cli_identity(const cli_call *call, const core_config *config,
                                       const char **identity, core_err *err);
/* Writes the audit record of the intent to change a key. ST_AUDIT: do not call the token. `key`
 * is NULL if the key is to be created. */
CORE_MUST_USE core_status cli_audit_begin(const cli_session *session, const char *operation,
                                          const char *name, const tok_key *key, core_err *err);
/* Writes the audit record of a change to a key that cli_audit_begin began. Returns `result`, or
 * the failure of the audit if the change succeeded and its record could not be written. */
core_status cli_audit_key(const cli_session *session, const char *operation, const char *name,
                          const tok_key *key, core_status result, uint64_t started, core_err *err);

/* keys.c: all keys sorted by name, and the ignored ones; and the key with a given name or
 * thumbprint, including retired keys. */
typedef struct cli_keys {
    tok_key **keys;
    size_t count;
    tok_ignored_key *ignored;
    size_t ignored_count;
} cli_keys;

CORE_MUST_USE core_status cli_keys_list(cli_session *session, cli_keys *keys, core_err *err);
void cli_keys_free(cli_keys *keys);
typedef enum cli_which { CLI_ANY_KEY, CLI_LIVE_KEY, CLI_RETIRED_KEY } cli_which;
/* Finds a key, which belongs to *keys, and identifies it if possible. ST_NOT_FOUND;
 * ST_KEY_AMBIGUOUS, with the thumbprints in the text. */
CORE_MUST_USE core_status cli_keys_find(const cli_keys *keys, const char *name_or_thumb,
                                        cli_which which, tok_key **out, core_err *err);
/* The name that a retired key had before; the name of a key in use. */
const char *cli_key_plain_name(const tok_key_info *info);
/* A name as one line of printable text, with any bytes of the token in it. */
typedef struct cli_shown {
    char text[TOK_LABEL_MAX + 1];
} cli_shown;
cli_shown cli_show(const char *name);
const char *cli_key_algorithm(const tok_key_info *info, char *buffer, size_t size);

#endif
