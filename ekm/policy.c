/* SPDX-License-Identifier: Apache-2.0
 *
 * Decides which keys of a token SQL Server may use. Column master keys of Always Encrypted are
 * withheld: a database administrator can call DecryptByAsymKey and could decrypt column encryption
 * keys.
 */
#include "core/text.h"
#include "ekm/key_private.h"
#include "pkcs11/key_state.h"

/* True for an RSA key that may sign and unwrap, as p11ekm cmk create makes them. The uses are the
 * attributes of the private key object. A use that the token does not report counts as allowed
 * (pkcs11/), so such a key is withheld. */
bool ekm_key_withheld(const ekm_call *call, const tok_key *key)
{
    const tok_key_info *info = tok_key_info_of(key);
    const unsigned uses = TOK_CAN_SIGN | TOK_CAN_UNWRAP;

    if (!info->rsa || ((info->can | tok_key_now(key).ever) & uses) != uses)
        return false;
    const char *patterns = tok_token_config(call->session->token)->ekm_keys;
    return patterns == NULL || !core_patterns_fit(patterns, info->name);
}

core_status ekm_key_check(ekm_call *call)
{
    core_status st = tok_key_renew(call->key, &call->err);

    if (st == ST_OK && ekm_key_withheld(call, call->key))
        st = ekm_key_refuse(call, tok_key_info_of(call->key)->name);
    return st;
}

core_status ekm_key_refuse(ekm_call *call, const char *name)
{
    return core_fail(&call->err, ST_POLICY,
                     "key \"%s\" on token \"%s\" may sign and unwrap: it is a column master key, "
                     "with which a database administrator could read column encryption keys; if it "
                     "is not, put ekm_keys = %s in the token's section",
                     name, tok_token_info_of(call->session->token)->label, name);
}

bool ekm_key_offered(const ekm_call *call, const tok_key *key)
{
    const core_algorithm algorithm = tok_key_info_of(key)->algorithm;
    unsigned allowed = tok_token_config(call->session->token)->algorithms;
    return ekm_algorithm_offered(call->config, algorithm) && (allowed & (1U << algorithm)) != 0;
}

bool ekm_key_visible(const ekm_call *call, const tok_key *key)
{
    return !tok_key_now(key).retired && ekm_key_offered(call, key) && !ekm_key_withheld(call, key);
}
