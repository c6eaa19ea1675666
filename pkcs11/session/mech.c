/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache of the mechanisms that a token offers, of those that this code uses. C_GetMechanismInfo is
 * called until the token gives a definite answer; the answer is cached for the life of the context.
 * Without a definite answer, C_GetMechanismList decides for now, and the operation itself shows
 * whether the mechanism works. A token may offer a mechanism that fails; pkcs11/probe.h tests that.
 */
#include "pkcs11/session/key_private.h"

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

/* True if the device is not available: the query itself failed. */
static bool is_unavailable(CK_RV rv)
{
    static const CK_RV codes[] = {CKR_DEVICE_ERROR,      CKR_DEVICE_REMOVED,
                                  CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
                                  CKR_SLOT_ID_INVALID,   CKR_CRYPTOKI_NOT_INITIALIZED};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (rv == codes[i])
            return true;
    return false;
}

/* True if C_GetMechanismList names the mechanism, or the token gives no usable list. */
static bool may_offer(tok_session *session, CK_MECHANISM_TYPE type)
{
    enum { TYPES_MAX = 4096 };
    const CK_SLOT_ID slot = atomic_load(&session->token->slot);
    CK_ULONG count = 0;
    bool has = false;

    if (session->f->C_GetMechanismList(slot, NULL, &count) != CKR_OK || count > TYPES_MAX)
        return true;
    CK_ULONG capacity = count;
    CK_MECHANISM_TYPE *types = core_calloc(capacity + 1, sizeof *types);
    if (types == NULL || session->f->C_GetMechanismList(slot, types, &count) != CKR_OK ||
        count > capacity)
        has = true;
    for (CK_ULONG i = 0; !has && i < count; i++)
        has = types[i] == type;
    core_free(types);
    return has;
}

/* Queries one mechanism. *answered: the answer is definite and may be cached. Do not cache a result
 * when the query itself failed. Fails only if the device is not available. */
static core_status query(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *row,
                         bool *answered, core_err *err)
{
    CK_MECHANISM_INFO info = {0};
    const CK_RV rv =
        session->f->C_GetMechanismInfo(atomic_load(&session->token->slot), type, &info);

    *row = (tok_mech_info){0};
    *answered = rv == CKR_OK || rv == CKR_MECHANISM_INVALID;
    if (is_unavailable(rv))
        return tok_rv_fail(err, session->token, "C_GetMechanismInfo", rv, TOK_CALL_OTHER);
    if (rv == CKR_OK)
        *row = (tok_mech_info){true, info.ulMinKeySize, info.ulMaxKeySize};
    else if (!*answered)
        row->listed = may_offer(session, type);
    return ST_OK;
}

/* Queries all mechanisms without a cached answer. Several threads may do so at the same time; a row
 * is not written again once it is in mech_known. */
static core_status query_unknown(tok_session *session, core_err *err)
{
    enum { PAUSE_US = 1000000 };
    tok_token *token = session->token;
    core_status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < TOK_MECH_COUNT; i++) {
        tok_mech_info row;
        bool answered = false;
        if ((atomic_load(&token->mech_known) & (1u << i)) != 0)
            continue;
        st = query(session, used[i].type, &row, &answered, err);
        core_mutex_lock(&token->lock);
        if (st == ST_OK && (atomic_load(&token->mech_known) & (1u << i)) == 0) {
            token->mech[i] = row;
            if (answered)
                atomic_fetch_or(&token->mech_known, 1u << i);
        }
        core_mutex_unlock(&token->lock);
    }
    /* Do not query a token that gives no definite answer at each operation. */
    if (st == ST_OK)
        atomic_store(&token->mech_ask_at_us, core_now_us() + PAUSE_US);
    return st;
}

core_status tok_mech(tok_session *session, CK_MECHANISM_TYPE type, tok_mech_info *out,
                     core_err *err)
{
    tok_check_inside();
    tok_token *token = session->token;
    core_status st = ST_OK;
    size_t i = 0;

    *out = (tok_mech_info){0};
    while (i < TOK_MECH_COUNT && used[i].type != type)
        i++;
    if (i == TOK_MECH_COUNT)
        return ST_OK;
    /* Double-checked: a row in mech_known (atomic) does not change and is read without the lock. */
    if ((atomic_load(&token->mech_known) & (1u << i)) != 0) {
        *out = token->mech[i];
        return ST_OK;
    }
    if (core_now_us() >= atomic_load(&token->mech_ask_at_us))
        st = query_unknown(session, err);
    core_mutex_lock(&token->lock);
    if (st == ST_OK)
        *out = token->mech[i];
    core_mutex_unlock(&token->lock);
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
    /* Some tokens report 0 for both sizes, which means no information. */
    if (info.max != 0 && (size < info.min || size > info.max)) {
        return core_fail(err, ST_MECHANISM, "token \"%s\" offers %s from %lu to %lu, not %lu",
                         session->token->info.label, name, (unsigned long)info.min,
                         (unsigned long)info.max, (unsigned long)size);
    }
    return ST_OK;
}
