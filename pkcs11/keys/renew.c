/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the state of a key again before a use, if it is older than key_recheck_seconds.
 */
#include "pkcs11/keys/keys_private.h"

static core_status renew_op(tok_session *session, void *arg, core_err *err)
{
    CK_OBJECT_HANDLE object = 0;
    return tok_key_invalidate_if_lost(arg, tok_key_handle(session, arg, &object, err));
}

/* Renews the state on each member that is available. One success is enough. */
static core_status renew_on_members(tok_key *key, core_err *err)
{
    core_status st = ST_OK;
    bool any = false;

    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        if (tok_group_member(key->token, i) == NULL)
            continue;
        st = tok_group_execute_at(key->token, i, renew_op, key, err);
        any |= st == ST_OK;
    }
    return any ? ST_OK : tok_execute(key->token, renew_op, key, err);
}

core_status tok_key_renew(tok_key *key, core_err *err)
{
    if (!tok_key_state_due(key))
        return ST_OK;
    core_status st = key->token->group != NULL ? renew_on_members(key, err)
                                               : tok_execute(key->token, renew_op, key, err);
    if (st == ST_HANDLE_LOST)
        tok_keys_remove(key); /* else every later search would find it in the cache */
    return st;
}
