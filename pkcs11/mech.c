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

/* No answer is one that the device or its client fails to give. */
static core_status read_one(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *row,
                            core_err *err)
{
    CK_MECHANISM_INFO info;
    const CK_RV rv = session->f->C_GetMechanismInfo(session->token->slot, type, &info);
    const core_class class = core_status_class(tok_rv_status(rv, TOK_CALL_DATA));

    *row = (tok_mech_info){0};
    if (class == CORE_CLASS_DEVICE || class == CORE_CLASS_CAPACITY)
        return tok_rv_fail(err, session->token, "C_GetMechanismInfo", rv, TOK_CALL_OTHER);
    if (rv == CKR_OK)
        *row = (tok_mech_info){true, info.ulMinKeySize, info.ulMaxKeySize};
    return ST_OK;
}

/* Of threads that ask at the same time the first writes; who knows that it is known does not lock.
 */
static core_status read_all(tok_session *session, core_err *err)
{
    tok_token *token = session->token;
    tok_mech_info rows[TOK_MECH_COUNT];
    core_status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < TOK_MECH_COUNT; i++)
        st = read_one(session, used[i].type, &rows[i], err);
    if (st != ST_OK)
        return st;
    core_mutex_lock(&token->lock);
    if (!atomic_load(&token->mech_known))
        memcpy(token->mech, rows, sizeof rows);
    atomic_store(&token->mech_known, true);
    core_mutex_unlock(&token->lock);
    return ST_OK;
}

core_status tok_mech(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *out,
                     core_err *err)
{
    core_status st = ST_OK;

    *out = (tok_mech_info){0};
    if (!atomic_load(&session->token->mech_known))
        st = read_all(session, err);
    for (size_t i = 0; st == ST_OK && i < TOK_MECH_COUNT; i++)
        if (used[i].type == type)
            *out = session->token->mech[i];
    return st;
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
    const char *name = tok_mech_name(type);
    tok_mech_info info;

    core_status st = tok_mech(session, type, &info, err);
    if (st != ST_OK)
        return st;
    if (!info.listed) {
        return core_fail(err, ST_MECHANISM,
                         "token \"%s\" does not offer %s; p11ekm probe shows what it can",
                         session->token->info.label, name);
    }
    /* Some tokens say 0 for both: no answer. */
    if (info.max != 0 && (size < info.min || size > info.max)) {
        return core_fail(err, ST_MECHANISM, "token \"%s\" offers %s from %lu to %lu, not %lu",
                         session->token->info.label, name, (unsigned long)info.min,
                         (unsigned long)info.max, (unsigned long)size);
    }
    return ST_OK;
}
