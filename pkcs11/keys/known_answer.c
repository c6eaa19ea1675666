/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes known-answer tests: software encrypts a random value with the public numbers of a key, and
 * the private key must decrypt it.
 */
#include "pkcs11/keys/keys_private.h"

enum { ANSWER_LEN = 32 };

size_t tok_answer_length(const tok_key *key, core_padding padding)
{
    const size_t overhead = tok_padding_row(padding)->overhead;
    const size_t room = key->info.modulus_len > overhead ? key->info.modulus_len - overhead : 0;
    return room < ANSWER_LEN ? room : ANSWER_LEN;
}

static core_status decrypt_answer(tok_session *session, CK_OBJECT_HANDLE object, const tok_key *key,
                                  core_padding padding, uint8_t *cipher, size_t cipher_len,
                                  const uint8_t *plain, size_t length, bool *right, core_err *err)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(tok_padding_row(padding), &params);
    core_secret *scratch = &session->scratch;
    CK_ULONG back = (CK_ULONG)scratch->capacity;
    bool certain = false;

    CK_RV rv = session->f->C_DecryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK && tok_init_refuses(rv, &certain))
        return core_fail(err, ST_MECHANISM, "key refuses %s", core_padding_name(padding));
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_DecryptInit", rv, TOK_CALL_OTHER);
    core_status st = key->always_authenticate ? tok_login_operation(session, err) : ST_OK;
    if (st != ST_OK)
        return st;
    rv = session->f->C_Decrypt(session->handle, cipher, (CK_ULONG)cipher_len, scratch->data, &back);
    *right = rv == CKR_OK && back == length && core_equal_ct(scratch->data, plain, length);
    core_wipe(scratch->data, scratch->capacity);
    session->dirty |= padding == CORE_PAD_PKCS1 || rv != CKR_OK;
    st = rv == CKR_OK ? ST_OK : tok_rv_data_fail(err, session, "C_Decrypt", rv);
    /* A lost device, session or login proves nothing about the key. */
    return tok_status_is_access_lost(st) ? st : ST_OK;
}

core_status tok_answer_comes_back(tok_session *session, CK_OBJECT_HANDLE object, const tok_key *key,
                                  EVP_PKEY *public, core_padding padding, bool *right,
                                  core_err *err)
{
    const tok_padding *row = tok_padding_row(padding);
    const size_t length = tok_answer_length(key, padding);
    uint8_t plain[ANSWER_LEN];
    uint8_t cipher[TOK_BLOCK_MOST * 2];
    size_t cipher_len = sizeof cipher;

    *right = false;
    if (length == 0)
        return core_fail(err, ST_MECHANISM, "key is too short for %s", core_padding_name(padding));
    core_status st = core_random(plain, length);
    if (st == ST_OK)
        st = core_rsa_encrypt(public, row->openssl, row->hash, plain, length, cipher, &cipher_len);
    if (st != ST_OK)
        return core_fail(err, st, "a known answer cannot be encrypted");
    st = decrypt_answer(session, object, key, padding, cipher, cipher_len, plain, length, right,
                        err);
    core_wipe(plain, sizeof plain);
    return st;
}
