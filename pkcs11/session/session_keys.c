/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that live in a session of their own (session objects). The list of a token keeps them until
 * their session ends.
 */
#include "pkcs11/session/key_private.h"

void tok_volatile_add(tok_key *key, CK_SESSION_HANDLE session)
{
    tok_token *token = key->token;

    core_mutex_lock(&token->lock);
    key->own_session = session;
    key->own_epoch = atomic_load(&token->epoch);
    key->next = token->passing;
    token->passing = key;
    core_mutex_unlock(&token->lock);
}

/* Takes one (NULL: any) out of the list, for its session to be closed; false: there is none. */
static bool volatile_take(tok_token *token, const tok_key *key, CK_SESSION_HANDLE *session)
{
    *session = 0;
    core_mutex_lock(&token->lock);
    tok_key **at = &token->passing;
    while (*at != NULL && key != NULL && *at != key)
        at = &(*at)->next;
    tok_key *found = *at;
    if (found != NULL) {
        *at = found->next;
        found->next = NULL;
        /* Sessions of another epoch are gone, and their numbers may be others' by now. */
        *session = found->own_epoch == atomic_load(&token->epoch) ? found->own_session : 0;
        found->own_session = 0;
    }
    core_mutex_unlock(&token->lock);
    return found != NULL;
}

bool tok_volatile_any(tok_token *token)
{
    core_mutex_lock(&token->lock);
    const tok_key *key = token->passing;
    while (key != NULL && key->own_epoch != atomic_load(&token->epoch))
        key = key->next;
    core_mutex_unlock(&token->lock);
    return key != NULL;
}

void tok_volatile_end(tok_token *token)
{
    CK_SESSION_HANDLE session;

    while (volatile_take(token, NULL, &session))
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

/* A key whose token does not tell CKA_TOKEN may be released inside the gate; it has no session, and
 * the gate is not entered twice. */
void tok_volatile_destroy(tok_key *key)
{
    tok_token *token = key->token;
    CK_SESSION_HANDLE session;
    tok_stay stay;

    if (!has_session(key))
        return;
    bool entered = tok_enter(token->ctx, &stay, NULL) == ST_OK;

    /* Its object lives and dies with the session. */
    if (volatile_take(token, key, &session) && session != 0 && entered)
        (void)token->ctx->library.f->C_CloseSession(session);
    if (entered)
        tok_leave(token->ctx, &stay, token->info.label);
}
