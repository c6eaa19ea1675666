/* SPDX-License-Identifier: Apache-2.0
 *
 * Decides whether raw RSA replaces a refused padding, and makes the error text of a refusal.
 */
#include <stdio.h>
#include "pkcs11/ops/ops_private.h"

bool tok_goes_raw(const tok_key *key, core_padding padding, unsigned facts)
{
    return key->token->config->rsa_raw && tok_is_oaep(padding) &&
           key->info.modulus_len <= TOK_BLOCK_MOST && (facts & (TOK_FACT_REFUSED << padding)) != 0;
}

unsigned tok_facts_of_all(const tok_key *key)
{
    tok_token *token = key->token;
    unsigned facts = 0;

    if (token->group == NULL)
        return tok_facts_at(key, token, 0);
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const tok_token *member = tok_group_member(token, i);
        if (member != NULL)
            facts |= tok_facts_at(key, member, i);
    }
    return facts;
}

bool tok_oaep_raw(const tok_key *key, core_padding padding)
{
    return tok_goes_raw(key, padding, tok_facts_of_all(key));
}

core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err)
{
    char code[80] = "";

    if (function != NULL) {
        (void)snprintf(code, sizeof code, " (%s: %s 0x%lx)", function, tok_rv_name(rv),
                       (unsigned long)rv);
    }
    return core_fail(
        err, ST_MECHANISM, "key \"%s\" on token \"%s\" takes no %s (CKM_RSA_PKCS_OAEP)%s%s; %s",
        key->info.name, key->token->info.label, core_padding_name(padding),
        key->token->config->rsa_raw ? ", nor raw RSA (CKM_RSA_X_509) for it" : "", code,
        key->token->config->rsa_raw
            ? core_status_next(ST_MECHANISM)
            : "rsa_raw = yes allows it over raw RSA, see p11ekm.conf(5) on what that means");
}
