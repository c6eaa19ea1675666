/* SPDX-License-Identifier: Apache-2.0
 *
 * Computes thumbprints, version 1. SQL Server stores a key's thumbprint permanently, so it is
 * computed from the key alone, and a copy of the key in another token has the same one.
 * pkcs11/key.h has the rule. It never changes; a different rule would be an additional version.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

core_status tok_thumb_rsa(tok_key_info *info)
{
    uint8_t *der = NULL;
    size_t der_len = 0;
    uint8_t digest[32];

    core_status st = core_rsa_spki(info->modulus, info->modulus_len, info->exponent,
                                   info->exponent_len, &der, &der_len);
    if (st == ST_OK)
        st = core_sha256(der, der_len, NULL, 0, NULL, 0, digest);
    if (st == ST_OK)
        memcpy(info->thumb, digest, TOK_THUMB_LEN);
    core_free(der);
    return st;
}

core_status tok_thumb_symmetric(tok_session *session, CK_OBJECT_HANDLE object, CK_KEY_TYPE type,
                                uint8_t thumb[TOK_THUMB_LEN], core_err *err)
{
    static const char block[] = "p11ekm-sym-th-v1"; /* 16 bytes: one AES block, two of 3DES */
    enum { BLOCK = sizeof block - 1 };
    uint8_t in[BLOCK];
    uint8_t iv[BLOCK] = {0};
    uint8_t out[2 * BLOCK];
    uint8_t digest[32];
    CK_ULONG out_len = sizeof out;
    CK_MECHANISM mechanism = {type == CKK_AES ? CKM_AES_CBC : CKM_DES3_CBC, iv,
                              type == CKK_AES ? 16 : 8};

    memcpy(in, block, BLOCK);
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_EncryptInit", rv, TOK_CALL_OTHER);
    rv = session->f->C_Encrypt(session->handle, in, BLOCK, out, &out_len);
    if (rv == CKR_BUFFER_TOO_SMALL) { /* the operation is still active: end it */
        CK_ULONG rest = sizeof out;
        (void)session->f->C_EncryptFinal(session->handle, out, &rest);
    }
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_Encrypt", rv, TOK_CALL_OTHER);
    if (out_len < BLOCK) {
        return core_fail(err, ST_DEVICE, "token \"%s\": C_Encrypt gave %lu bytes",
                         session->token->info.label, (unsigned long)out_len);
    }
    core_status st = core_sha256(block, BLOCK, out, BLOCK, NULL, 0, digest);
    if (st == ST_OK)
        memcpy(thumb, digest, TOK_THUMB_LEN);
    return st;
}
