/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds, creates and drops keys for SQL Server. A session sees its session keys, and those keys of
 * its token that are not retired and whose algorithm both the provider and the policy of the token
 * allow.
 */
#include <string.h>
#include "core/text.h"
#include "ekm/key_private.h"

/* Takes over the reference to `key`. */
static core_status take_offered(ekm_call *call, tok_key *key)
{
    call->key = key;
    if (ekm_key_withheld(call, key))
        return ekm_key_refuse(call, tok_key_info_of(key)->name);
    if (ekm_key_offered(call, key))
        return ST_OK;
    return core_fail(&call->err, ST_NOT_FOUND, "key \"%s\" is of an algorithm that is not offered",
                     tok_key_info_of(key)->name);
}

static core_status find_thumb(ekm_call *call, const uint8_t thumb[TOK_THUMB_LEN])
{
    call->thumb = thumb;
    tok_key *key = ekm_session_key_by_thumb(call->session, thumb);
    if (!key) {
        core_status st = tok_key_by_thumb(call->session->token, thumb, &key, &call->err);
        if (st != ST_OK)
            return st;
    }
    return take_offered(call, key);
}

core_status ekm_key_by_thumb(ekm_call *call, const SqlCpKeyThumbprint *thumb)
{
    core_status st = ekm_check_thumb(thumb, &call->err);
    return st == ST_OK ? find_thumb(call, thumb->pb) : st;
}

/* Copies the key name to call->name as UTF-8. */
static core_status take_name(ekm_call *call, const SqlCpStr *name)
{
    core_status st = ekm_check_text(name, scp_MaxKeyName, "the key name", &call->err);
    if (st != ST_OK)
        return st;
    if (name->cb == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "the key name is empty");
    st = core_utf16_to_utf8(name->ws, name->cb, call->name, sizeof call->name);
    if (st != ST_OK)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "the key name is not valid UTF-16");
    return ST_OK;
}

core_status ekm_key_by_name(ekm_call *call, const SqlCpStr *name)
{
    core_status st = take_name(call, name);
    if (st != ST_OK)
        return st;
    tok_key *key = ekm_session_key_by_name(call->session, call->name);
    if (!key) {
        st = tok_key_by_name(call->session->token, call->name, &key, &call->err);
        if (st != ST_OK)
            return st;
    }
    return take_offered(call, key);
}

static core_status check_flags(ekm_call *call, SqlCpKeyFlags flags)
{
    if (flags & ~(SqlCpKeyFlags)scp_kf_All)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "key flags 0x%x: unknown bits",
                         (unsigned)flags);
    if (flags & scp_kf_Importable)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "keys cannot be imported");
    return ST_OK;
}

/* A new name must be unused among the keys that the session sees. The token layer checks the names
 * of keys on the token under its own lock, so that no other session can create one at the same
 * time. This function checks the cases that the token layer does not know. */
static core_status check_name_free(ekm_call *call, bool persistent)
{
    tok_key *other = ekm_session_key_by_name(call->session, call->name);
    core_status st = other ? ST_OK : ST_NOT_FOUND;
    if (!other && !persistent)
        st = tok_key_by_name(call->session->token, call->name, &other, &call->err);
    if (other)
        tok_key_release(other);
    call->err.text[0] = '\0';
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK || st == ST_KEY_AMBIGUOUS)
        return core_fail(&call->err, ST_KEY_EXISTS, "a key \"%s\" exists; choose another name",
                         call->name);
    return st;
}

/* Checks everything that needs no key generation. */
static core_status check_create(ekm_call *call, const SqlCpStr *name, SqlCpAlgId algId,
                                SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb,
                                core_algorithm *algorithm)
{
    if (!thumb)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "thumbprint is NULL");
    core_status st = take_name(call, name);
    if (st == ST_OK && core_ascii_prefix_nocase(call->name, EKM_RETIRE_PREFIX))
        st = core_fail(&call->err, ST_INVALID_ARGUMENT,
                       "key name \"%s\": names beginning with %s are those of retired keys",
                       call->name, EKM_RETIRE_PREFIX);
    if (st == ST_OK)
        st = ekm_algorithm_from_id(call, algId, algorithm);
    if (st == ST_OK)
        st = check_flags(call, flags);
    if (st == ST_OK && !ekm_fits(thumb->pb, thumb->cb, TOK_THUMB_LEN)) {
        thumb->cb = TOK_THUMB_LEN;
        st = ST_BUFFER_TOO_SMALL;
    }
    return st;
}

core_status ekm_key_create(ekm_call *call, const SqlCpStr *name, SqlCpAlgId algId,
                           SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb)
{
    core_algorithm algorithm;
    core_status st = check_create(call, name, algId, flags, thumb, &algorithm);
    bool persistent = (flags & scp_kf_Volatile) == 0;
    if (st == ST_OK)
        st = check_name_free(call, persistent);
    if (st == ST_OK)
        st = ekm_audit_begin(call);
    if (st != ST_OK)
        return st;
    tok_key_spec spec = {.name = call->name,
                         .algorithm = algorithm,
                         .persistent = persistent,
                         .extractable = (flags & scp_kf_Exportable) != 0};
    st = tok_key_create(call->session->token, &spec, &call->key, &call->err);
    if (st != ST_OK) {
        call->key = NULL;
        return st;
    }
    /* Some tokens set all uses on every RSA key. ekm_key_check would refuse such a key at each use.
     */
    if (ekm_key_withheld(call, call->key))
        st = ekm_key_refuse(call, call->name);
    if (st == ST_OK && !persistent)
        st = ekm_session_key_add(call->session, call->key);
    if (st == ST_OK)
        st = ekm_audit(call, ST_OK);
    if (st == ST_OK)
        return ekm_write_output(thumb, tok_key_info_of(call->key)->thumb, TOK_THUMB_LEN);
    /* Remove a key that cannot be kept, recorded or used. */
    core_err undo;
    core_status undone = ST_OK;
    if (persistent)
        undone = tok_key_destroy(call->key, &undo);
    else
        ekm_session_key_remove(call->session, call->key);
    if (undone != ST_OK)
        core_log_status(CORE_LOG_ERROR, "CreateKey: the new key remains on the token", undone,
                        &undo);
    return st;
}

/* Drops the key as the policy says. A session key is only removed from its session. */
static core_status drop(ekm_call *call, core_drop policy)
{
    if (!tok_key_info_of(call->key)->persistent) {
        ekm_session_key_remove(call->session, call->key);
        return ST_OK;
    }
    if (policy == CORE_DROP_DESTROY)
        return tok_key_destroy(call->key, &call->err);
    core_status st = tok_key_retire(call->key, &call->err);
    if (st != ST_OK)
        return st;
    st = ekm_audit(call, ST_OK);
    core_err undo;
    core_status undone = st == ST_OK ? ST_OK : tok_key_restore(call->key, &undo);
    if (undone != ST_OK)
        core_log_status(CORE_LOG_ERROR, "DropKey: the key remains retired", undone, &undo);
    return st;
}

core_status ekm_key_drop(ekm_call *call, const SqlCpKeyThumbprint *thumb)
{
    core_status st = ekm_key_by_thumb(call, thumb);
    if (st != ST_OK)
        return st;
    core_drop policy = tok_token_config(call->session->token)->drop;
    if (tok_key_info_of(call->key)->persistent && policy == CORE_DROP_DENY)
        return core_fail(&call->err, ST_POLICY,
                         "key \"%s\" is not dropped: drop = deny; retire it with p11ekm key",
                         tok_key_info_of(call->key)->name);
    st = ekm_audit_begin(call);
    return st == ST_OK ? drop(call, policy) : st;
}
