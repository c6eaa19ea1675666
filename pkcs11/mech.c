/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the mechanisms this code uses the token lists: asked once for each token. A list is a
 * promise only; pkcs11/probe.h tests it.
 */
#include <string.h>
#include "pkcs11/tok_private.h"

static const struct {
    CK_MECHANISM_TYPE type;
    const char *name;
} used[TOK_MECH_COUNT] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN"},
    {CKM_RSA_PKCS_OAEP, "CKM_RSA_PKCS_OAEP"},
    {CKM_RSA_PKCS, "CKM_RSA_PKCS"},
    {CKM_SHA256_RSA_PKCS, "CKM_SHA256_RSA_PKCS"},
    {CKM_RSA_X_509, "CKM_RSA_X_509"},
    {CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN"},
    {CKM_AES_CBC_PAD, "CKM_AES_CBC_PAD"},
    {CKM_AES_CBC, "CKM_AES_CBC"},
    {CKM_DES3_KEY_GEN, "CKM_DES3_KEY_GEN"},
    {CKM_DES3_CBC_PAD, "CKM_DES3_CBC_PAD"},
    {CKM_DES3_CBC, "CKM_DES3_CBC"},
    {CKM_GENERIC_SECRET_KEY_GEN, "CKM_GENERIC_SECRET_KEY_GEN"},
};

const tok_mech_info *tok_mech(tok_session *session, CK_MECHANISM_TYPE type)
{
    tok_token *token = session->token;

    if (!atomic_load(&token->mech_known)) {
        for (size_t i = 0; i < TOK_MECH_COUNT; i++) {
            CK_MECHANISM_INFO info;
            tok_mech_info row = {.type = used[i].type};
            if (session->f->C_GetMechanismInfo(token->slot, row.type, &info) == CKR_OK) {
                row.listed = true;
                row.min = info.ulMinKeySize;
                row.max = info.ulMaxKeySize;
                row.flags = info.flags;
            }
            pthread_mutex_lock(&token->lock);
            token->mech[i] = row;
            pthread_mutex_unlock(&token->lock);
        }
        atomic_store(&token->mech_known, true);
    }
    for (size_t i = 0; i < TOK_MECH_COUNT; i++)
        if (used[i].type == type)
            return &token->mech[i];
    return NULL;
}

const char *tok_mech_name(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < TOK_MECH_COUNT; i++)
        if (used[i].type == type)
            return used[i].name;
    return "?";
}

core_status tok_mech_need(tok_session *session, CK_MECHANISM_TYPE type, CK_ULONG size,
                          core_err *err)
{
    const tok_mech_info *info = tok_mech(session, type);
    const char *name = tok_mech_name(type);

    if (info == NULL || !info->listed) {
        return core_fail(err, ST_MECHANISM,
                         "token \"%s\" does not offer %s; p11ekm probe shows what it can",
                         session->token->info.label, name);
    }
    /* Some tokens say 0 for both: no answer. */
    if (info->max != 0 && (size < info->min || size > info->max)) {
        return core_fail(err, ST_MECHANISM, "token \"%s\" offers %s from %lu to %lu, not %lu",
                         session->token->info.label, name, (unsigned long)info->min,
                         (unsigned long)info->max, (unsigned long)size);
    }
    return ST_OK;
}
