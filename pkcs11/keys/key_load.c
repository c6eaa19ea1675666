/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a tok_key from an object on the token: reads its attributes, completes the public numbers
 * of an RSA key, computes the thumbprint, and notes the object handle.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* Finds the modulus that the private object does not tell. ST_KEY_USAGE: there is none. */
static core_status find_modulus(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_raw_key *raw, core_err *err)
{
    bool found = false;
    core_status st = tok_modulus_find(session, object, key, &found, err);

    if (st != ST_OK || found)
        return st;
    return tok_attribute_missing("CKA_MODULUS", raw->modulus_rv, err);
}

static core_status complete_rsa(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_raw_key *raw, core_err *err)
{
    tok_key_info *info = &key->info;
    core_status st = ST_OK;

    info->rsa = true;
    info->can = (raw->decrypt ? TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT : 0u) |
                (raw->unwrap ? TOK_CAN_UNWRAP | TOK_CAN_WRAP : 0u) |
                (raw->sign ? TOK_CAN_SIGN : 0u);
    key->always_authenticate = raw->always_authenticate == CK_TRUE;
    key->exponent_told = info->modulus_len > 0 && info->exponent_len > 0;
    if (info->modulus_len == 0)
        st = find_modulus(session, object, key, raw, err);
    if (st != ST_OK)
        return st;
    tok_strip_zeros(info->modulus, &info->modulus_len);
    tok_strip_zeros(info->exponent, &info->exponent_len);
    if (info->modulus_len < 64)
        return ST_NOT_SUPPORTED;
    info->bits = (unsigned)info->modulus_len * 8;
    for (unsigned bit = 0x80; bit != 0 && (info->modulus[0] & bit) == 0; bit >>= 1)
        info->bits--;
    if (info->exponent_len == 0)
        st = tok_exponent_find(session, object, key, err);
    if (st == ST_OK)
        st = tok_exponent_is_possible(info->exponent, info->exponent_len) ? tok_thumb_rsa(info)
                                                                          : ST_NOT_SUPPORTED;
    info->has_thumb = info->identified = st == ST_OK;
    return st;
}

static core_algorithm algorithm_of(const tok_key_info *info, CK_KEY_TYPE type)
{
    for (core_algorithm a = 0; a < CORE_ALG_COUNT; a++)
        if (core_algorithm_is_rsa(a) == info->rsa && core_algorithm_bits(a) == info->bits &&
            (info->rsa || (a == CORE_ALG_3DES) == (type == CKK_DES3)))
            return a;
    return CORE_ALG_COUNT;
}

core_status tok_key_measure(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                            core_err *err)
{
    tok_key_info *info = &key->info;
    const bool des3 = info->algorithm == CORE_ALG_3DES;
    CK_ULONG length = 0;

    /* SoftHSM leaves CKA_VALUE_LEN at 0 for keys created by C_UnwrapKey. */
    if (info->bits_unknown && info->extractable &&
        tok_secret_length(session, object, &length, NULL) == ST_OK &&
        (length == 16 || length == 24 || length == 32)) {
        info->bits = (unsigned)length * 8;
        info->bits_unknown = false;
        info->algorithm = algorithm_of(info, CKK_AES);
    }
    core_status st =
        tok_thumb_symmetric(session, object, des3 ? CKK_DES3 : CKK_AES, info->thumb, err);
    info->has_thumb = info->identified = st == ST_OK;
    return st;
}

/* A key of unknown length counts as the shortest AES key, so that it does not satisfy a policy that
 * requires a longer one. */
static core_status complete_symmetric(tok_key *key, const tok_raw_key *raw)
{
    tok_key_info *info = &key->info;

    if (raw->type != CKK_AES && raw->type != CKK_DES3)
        return ST_NOT_SUPPORTED;
    info->bits_unknown = raw->type == CKK_AES && raw->value_len == 0;
    info->bits = raw->type == CKK_DES3 ? 192
                 : info->bits_unknown  ? 128
                                       : (unsigned)raw->value_len * 8;
    info->can = (raw->encrypt ? TOK_CAN_ENCRYPT : 0u) | (raw->decrypt ? TOK_CAN_DECRYPT : 0u) |
                (raw->wrap ? TOK_CAN_WRAP : 0u) | (raw->unwrap ? TOK_CAN_UNWRAP : 0u);
    /* Without CKA_ENCRYPT the thumbprint cannot be computed. */
    if ((info->can & TOK_CAN_ENCRYPT) == 0)
        return ST_NOT_SUPPORTED;
    info->has_thumb = info->id_len == TOK_THUMB_LEN;
    if (info->has_thumb)
        memcpy(info->thumb, info->id, TOK_THUMB_LEN);
    return ST_OK;
}

void tok_key_note_handle(const tok_session *session, tok_key *key, CK_OBJECT_HANDLE object)
{
    tok_key_handles *handles = &key->handles[session->member_index];

    core_mutex_lock(&session->token->lock);
    if (atomic_load(&handles->handle_generation) <= session->handle_generation) {
        atomic_store(&handles->handle_generation, 0);
        atomic_store(&handles->handle, object);
        atomic_store(&handles->proven_us, core_now_us());
        handles->proving = false;
        atomic_store(&handles->handle_generation, session->handle_generation);
    }
    core_mutex_unlock(&session->token->lock);
}

/* Completes the description of an object whose attributes were read. */
static core_status complete_key(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_raw_key *raw, bool thumbs, core_err *err)
{
    const bool rsa = key->object_class == CKO_PRIVATE_KEY;
    core_status st;

    if (rsa && raw->type != CKK_RSA)
        return ST_NOT_SUPPORTED;
    if (key->info.unprotected && tok_unprotected_refused(session)) {
        return core_fail(err, ST_POLICY,
                         "CKA_PRIVATE is not TRUE: anyone can create such a key on the token "
                         "without the PIN; see unprotected_keys");
    }
    st = rsa ? complete_rsa(session, object, key, raw, err) : complete_symmetric(key, raw);
    if (st != ST_OK)
        return st;
    key->info.algorithm = algorithm_of(&key->info, raw->type);
    return rsa || !thumbs ? ST_OK : tok_key_measure(session, object, key, err);
}

core_status tok_key_describe(tok_session *session, CK_OBJECT_HANDLE object,
                             CK_OBJECT_CLASS object_class, bool thumbs,
                             char name[TOK_LABEL_MAX + 1], tok_key **out, core_err *err)
{
    tok_raw_key raw;
    tok_key *key = core_calloc(1, sizeof *key);

    *out = NULL;
    name[0] = '\0';
    memset(&raw, 0, sizeof raw);
    if (key == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for a key");
    key->token = session->owner;
    atomic_store(&key->refs, 1);
    key->object_class = object_class;
    core_status st =
        tok_key_read(session, object, object_class == CKO_PRIVATE_KEY, &key->info, &raw, err);
    memcpy(name, key->info.name, TOK_LABEL_MAX + 1);
    if (st == ST_OK)
        st = complete_key(session, object, key, &raw, thumbs, err);
    if (st != ST_OK) {
        core_free(key);
        return st;
    }
    key->info.retired = tok_label_is_retired(key->info.name);
    tok_key_state_begin(key);
    tok_key_note_handle(session, key, object);
    *out = key;
    return ST_OK;
}

core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                         CK_OBJECT_CLASS object_class, tok_key **out, core_err *err)
{
    char name[TOK_LABEL_MAX + 1];
    return tok_key_describe(session, object, object_class, true, name, out, err);
}
