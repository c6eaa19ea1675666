/* SPDX-License-Identifier: Apache-2.0
 *
 * Accessors of a token's login state and user count. Both are guarded by the token's lock, which
 * these functions take. The state changes only under the login lock or with the gate closed.
 */
#include "pkcs11/slot/slot_private.h"

void tok_login_set(tok_token *token, tok_login_state login)
{
    core_mutex_lock(&token->lock);
    token->login = login;
    core_mutex_unlock(&token->lock);
}

void tok_login_found(tok_token *token)
{
    tok_login_set(token, TOK_LOGGED_IN);
}

void tok_login_lost(tok_token *token)
{
    core_mutex_lock(&token->lock);
    if (token->login == TOK_LOGGED_IN)
        token->login = TOK_LOGIN_LOST;
    core_mutex_unlock(&token->lock);
}

unsigned tok_login_users(tok_token *token)
{
    core_mutex_lock(&token->lock);
    unsigned users = token->users;
    core_mutex_unlock(&token->lock);
    return users;
}
