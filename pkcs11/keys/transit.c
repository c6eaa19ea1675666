/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates transit keys: session keys that exist only for the duration of a wrap or rewrap. Also
 * measures the length of a secret key that the token does not tell, by wrapping it.
 */
#include "pkcs11/keys/keys_private.h"

static CK_OBJECT_CLASS class_secret = CKO_SECRET_KEY;
static CK_KEY_TYPE type_aes = CKK_AES;
static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

static const CK_ATTRIBUTE transit[TOK_TRANSIT_ALL] = {
    {CKA_CLASS, &class_secret, sizeof class_secret},
    {CKA_KEY_TYPE, &type_aes, sizeof type_aes},
    {CKA_TOKEN, &no, sizeof no},
    {CKA_SENSITIVE, &yes, sizeof yes},
    {CKA_EXTRACTABLE, &yes, sizeof yes}, /* a key that is not extractable cannot be wrapped */
};

void tok_transit_template(CK_ATTRIBUTE out[TOK_TRANSIT_ALL])
{
    memcpy(out, transit, sizeof transit);
}

core_status tok_transit_new(tok_session *session, size_t key_len, CK_OBJECT_HANDLE *out,
                            core_err *err)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = (CK_ULONG)key_len;
    CK_ATTRIBUTE template[] = {
        transit[2],
        transit[3],
        transit[4],
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_WRAP, &yes, sizeof yes}, /* tok_secret_length wraps with it */
    };
    tok_mech_info info;
    core_status st = tok_mech(session, CKM_AES_KEY_GEN, &info, err);
    if (st != ST_OK)
        return st;
    /* Some tokens give the limits of key sizes in bytes, some in bits: the call itself decides. */
    if (!info.listed)
        return tok_mech_need(session, CKM_AES_KEY_GEN, length, err);
    CK_RV rv = session->f->C_GenerateKey(session->handle, &mechanism, template,
                                         sizeof template / sizeof template[0], out);
    return rv == CKR_OK ? ST_OK
                        : tok_rv_fail(err, session->token, "C_GenerateKey", rv, TOK_CALL_OTHER);
}

void tok_transit_end(tok_session *session, CK_OBJECT_HANDLE key, core_status st)
{
    CK_RV rv = CKR_OK;

    if (key != 0 && st != ST_SESSION_LOST && !session->gone)
        rv = session->f->C_DestroyObject(session->handle, key);
    if (rv != CKR_OK) {
        session->dirty = true;
        session->gone = tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST;
    }
}

/* A key wrapped with AES key wrap is 8 bytes longer than the key (RFC 3394, 2.2.1). The wrapped
 * bytes are not used. */
core_status tok_secret_length(tok_session *session, CK_OBJECT_HANDLE key, CK_ULONG *length,
                              core_err *err)
{
    enum { WRAPPING_KEY_LEN = 32 };
    CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_OBJECT_HANDLE wrapping_key = 0;
    uint8_t wrapped[512];
    CK_ULONG wrapped_len = sizeof wrapped;

    core_status st = tok_transit_new(session, WRAPPING_KEY_LEN, &wrapping_key, err);
    if (st != ST_OK)
        return st;
    CK_RV rv = session->f->C_WrapKey(session->handle, &mechanism, wrapping_key, key, wrapped,
                                     &wrapped_len);
    if (rv != CKR_OK)
        st = tok_rv_fail(err, session->token, "C_WrapKey(CKM_AES_KEY_WRAP)", rv, TOK_CALL_OTHER);
    else
        *length = wrapped_len >= 8 && wrapped_len <= sizeof wrapped ? wrapped_len - 8 : 0;
    tok_transit_end(session, wrapping_key, st);
    return session->gone ? ST_SESSION_LOST : st;
}
