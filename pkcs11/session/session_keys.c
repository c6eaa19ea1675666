/* SPDX-License-Identifier: Apache-2.0
 *
 * Session keys: keys that are session objects, each in a separate session. The token lists them
 * until their session is closed, which destroys the object.
 */
#include "pkcs11/session/key_private.h"

void tok_session_key_add(tok_key *key, CK_SESSION_HANDLE session)
{
    tok_token *token = key->token;

    core_mutex_lock(&token->lock);
    key->own_session = session;
    key->own_generation = atomic_load(&token->module_generation);
    key->next = token->session_keys;
    token->session_keys = key;
    core_mutex_unlock(&token->lock);
}

/* Removes `key` (NULL: the first) from the list. Returns false if it is not listed. *session is the
 * session for the caller to close, or 0 if it is gone already. */
static bool session_key_take(tok_token *token, const tok_key *key, CK_SESSION_HANDLE *session)
{
    *session = 0;
    core_mutex_lock(&token->lock);
    tok_key **at = &token->session_keys;
    while (*at != NULL && key != NULL && *at != key)
        at = &(*at)->next;
    tok_key *found = *at;
    if (found != NULL) {
        *at = found->next;
        found->next = NULL;
        /* Sessions of an earlier module generation are gone, and the module may have reassigned
         * their handles. */
        *session = found->own_generation == atomic_load(&token->module_generation)
                       ? found->own_session
                       : 0;
        found->own_session = 0;
    }
    core_mutex_unlock(&token->lock);
    return found != NULL;
}

bool tok_session_keys_any(tok_token *token)
{
    core_mutex_lock(&token->lock);
    const tok_key *key = token->session_keys;
    while (key != NULL && key->own_generation != atomic_load(&token->module_generation))
        key = key->next;
    core_mutex_unlock(&token->lock);
    return key != NULL;
}

void tok_session_keys_end(tok_token *token)
{
    tok_check_inside();
    CK_SESSION_HANDLE session;

    while (session_key_take(token, NULL, &session))
        if (session != 0)
            (void)token->ctx->library.f->C_CloseSession(session);
}

static bool has_session(tok_key *key)
{
    core_mutex_lock(&key->token->lock);
    const bool has = key->own_session != 0;
    core_mutex_unlock(&key->token->lock);
    return has;
}

/* A key whose token does not report CKA_TOKEN may be released inside the gate. It has no session,
 * so return before entering the gate a second time. */
void tok_session_key_destroy(tok_key *key)
{
    tok_token *token = key->token;
    CK_SESSION_HANDLE session;
    tok_call_scope scope;

    if (!has_session(key))
        return;
    bool entered = tok_module_enter(token->ctx, &scope, NULL) == ST_OK;

    /* Closing the session destroys the object. */
    if (session_key_take(token, key, &session) && session != 0 && entered)
        (void)token->ctx->library.f->C_CloseSession(session);
    if (entered)
        tok_module_exit(token->ctx, &scope, token->info.label);
}
