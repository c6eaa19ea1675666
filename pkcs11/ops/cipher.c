/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypts and decrypts with RSA and symmetric keys. AES and 3DES use CBC with PKCS #7 padding, by
 * the token (CKM_AES_CBC_PAD, CKM_DES3_CBC_PAD), or in software if the token cannot pad. The token
 * writes the result directly into the caller's buffer if it is certain to fit, else into the locked
 * scratch memory of the session.
 */
#include <string.h>
#include "pkcs11/base/pad_private.h"
#include "pkcs11/ops/ops_private.h"

typedef struct cbc_job {
    tok_key *key;
    const uint8_t *iv;
    size_t iv_len;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t room;
    size_t length;     /* of the result */
    bool unpad;        /* remove the padding in software */
    tok_token *failed; /* the token that failed with a code that need not be the data's fault */
} cbc_job;

/* Selects the mechanism. *pads: the token pads or removes the padding. */
static core_status select_mechanism(tok_session *session, const cbc_job *job, CK_MECHANISM *out,
                                    bool *pads, core_err *err)
{
    const bool aes = job->key->info.algorithm != CORE_ALG_3DES;
    const CK_MECHANISM_TYPE padded_type = aes ? CKM_AES_CBC_PAD : CKM_DES3_CBC_PAD;
    const CK_MECHANISM_TYPE raw_type = aes ? CKM_AES_CBC : CKM_DES3_CBC;
    tok_mech_info padded, raw = {0};

    core_status st = tok_mech(session, padded_type, &padded, err);
    const bool in_software =
        job->unpad || !padded.listed || (tok_facts(session, job->key) & TOK_FACT_CBC_BARE) != 0;
    if (st == ST_OK && in_software)
        st = tok_mech(session, raw_type, &raw, err);
    /* If the token lists neither mechanism, it refuses the padded one itself. */
    *pads = !in_software || !raw.listed;
    *out = (CK_MECHANISM){*pads ? padded_type : raw_type, (void *)(uintptr_t)job->iv,
                          (CK_ULONG)job->iv_len};
    return st;
}

/* Makes the scratch memory of the session at least `size` bytes long. */
static core_status reserve_scratch(tok_session *session, size_t size, core_err *err)
{
    core_status st = ST_OK;
    if (session->scratch.capacity < size) {
        core_secret_close(&session->scratch);
        st = core_secret_open(&session->scratch, size);
    }
    return st == ST_OK ? st : core_fail(err, st, "out of memory for %zu bytes", size);
}

static core_status encrypt_op(tok_session *session, void *arg, core_err *err)
{
    cbc_job *job = arg;
    bool pads;
    CK_MECHANISM mechanism;
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG length = (CK_ULONG)job->room;
    const uint8_t *in = job->in;
    size_t in_len = job->in_len;

    core_status st = select_mechanism(session, job, &mechanism, &pads, err);
    if (st == ST_OK)
        st = tok_key_handle(session, job->key, &object, err);
    if (st == ST_OK && !pads) {
        st = reserve_scratch(session, in_len + tok_block_size(job->key), err);
        if (st == ST_OK) {
            memcpy(session->scratch.data, in, in_len);
            in = session->scratch.data;
            in_len = tok_pkcs7_pad(session->scratch.data, in_len, tok_block_size(job->key));
        }
    }
    if (st != ST_OK)
        return tok_key_invalidate_if_lost(job->key, st);
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    const bool begun = rv == CKR_OK;
    if (begun) {
        rv = session->f->C_Encrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)in, (CK_ULONG)in_len,
                                   job->out, &length);
    }
    if (!pads)
        core_wipe(session->scratch.data, in_len);
    if (rv != CKR_OK)
        st = begun ? tok_rv_input_fail(err, session, "C_Encrypt", rv)
                   : tok_rv_fail(err, session->token, "C_EncryptInit", rv, TOK_CALL_OTHER);
    else if (length != tok_encrypt_size(job->key, job->in_len)) /* it could not be decrypted */
        st = core_fail(err, ST_DEVICE, "token \"%s\": C_Encrypt gave %lu bytes",
                       session->token->info.label, (unsigned long)length);
    job->length = length;
    return tok_key_invalidate_if_lost(job->key, st);
}

/* Removes the padding if the token did not, and copies the plaintext to the caller's buffer.
 * *length: of the token's output, then of the plaintext. */
static core_status copy_plaintext(const cbc_job *job, bool pads, const uint8_t *out, size_t *length,
                                  core_err *err)
{
    if (!pads) {
        *length = tok_pkcs7_unpad(out, *length, tok_block_size(job->key));
        if (*length == SIZE_MAX) {
            return tok_decrypt_failed(err);
        }
    }
    if (*length > job->room)
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", *length);
    if (out != job->out)
        memcpy(job->out, out, *length);
    return ST_OK;
}

static core_status decrypt_op(tok_session *session, void *arg, core_err *err)
{
    cbc_job *job = arg;
    bool pads;
    CK_MECHANISM mechanism;
    CK_OBJECT_HANDLE object = 0;
    const bool is_direct = job->room >= job->in_len;

    core_status st = select_mechanism(session, job, &mechanism, &pads, err);
    if (st == ST_OK)
        st = tok_key_handle(session, job->key, &object, err);
    if (st == ST_OK && !is_direct)
        st = reserve_scratch(session, job->in_len, err);
    if (st != ST_OK)
        return tok_key_invalidate_if_lost(job->key, st);
    uint8_t *out = is_direct ? job->out : session->scratch.data;
    size_t room = is_direct ? job->room : session->scratch.capacity;
    CK_ULONG length = (CK_ULONG)room;
    CK_RV rv = session->f->C_DecryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_DecryptInit", rv, TOK_CALL_OTHER);
        return tok_key_invalidate_if_lost(job->key, st);
    }
    rv = session->f->C_Decrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, out, &length);
    if (rv != CKR_OK) {
        st = tok_rv_data_fail(err, session, "C_Decrypt", rv);
        if (pads && (rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED))
            job->failed = session->token;
    } else if (length > room) {
        st = core_fail(err, ST_DEVICE, "token \"%s\": C_Decrypt gave %lu bytes",
                       session->token->info.label, (unsigned long)length);
    } else {
        job->length = length;
        st = copy_plaintext(job, pads, out, &job->length, err);
        if (job->failed == session->token && (st == ST_OK || st == ST_BUFFER_TOO_SMALL))
            tok_facts_add(job->key, session->member_index, session->handle_generation,
                          TOK_FACT_CBC_BARE);
    }
    if (st != ST_OK || !is_direct)
        core_wipe(out, room);
    return tok_key_invalidate_if_lost(job->key, st);
}

static core_status check_iv(const tok_key *key, size_t iv_len, core_err *err)
{
    size_t wanted = key->info.rsa ? 0 : tok_block_size(key);
    if (iv_len != wanted) {
        return core_fail(err, ST_INVALID_ARGUMENT, "key \"%s\" takes an IV of %zu bytes, not %zu",
                         key->info.name, wanted, iv_len);
    }
    return ST_OK;
}

core_status tok_encrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    cbc_job job = {key, iv, iv_len, in, in_len, out, *out_len, 0, false, NULL};
    size_t needed = tok_encrypt_size(key, in_len);

    core_status st = check_iv(key, iv_len, err);
    if (st == ST_OK)
        st = tok_key_check_usage(key, TOK_CAN_ENCRYPT, err);
    if (st != ST_OK)
        return st;
    if (key->info.rsa)
        return tok_rsa_encrypt_policy(key, in, in_len, out, out_len, err);
    if (*out_len < needed) {
        *out_len = needed;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", needed);
    }
    st = tok_execute_twice(key->token, encrypt_op, &job, err);
    *out_len = st == ST_OK ? job.length : 0;
    return st;
}

/* Decrypts once more and removes the padding in software. tpm2-pkcs11 1.9 fails to remove the
 * padding of more than two blocks, with a code that other tokens return for bad data. If the data
 * turns out to be good, the token is at fault, and decrypt_op has noted that for the key
 * (TOK_FACT_CBC_BARE). */
static core_status decrypt_unpadding(cbc_job *job, core_err *err)
{
    core_err second = {.status = ST_OK};

    job->unpad = true;
    core_status st = tok_execute(job->key->token, decrypt_op, job, &second);
    if (st == ST_OK || st == ST_BUFFER_TOO_SMALL) {
        core_log(CORE_LOG_INFO, "token \"%s\" fails to take off its CBC padding: done here",
                 job->failed->info.label);
    }
    if (st != ST_DECRYPT_FAILED && err != NULL)
        *err = second;
    return st;
}

core_status tok_decrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    cbc_job job = {key, iv, iv_len, in, in_len, out, *out_len, 0, false, NULL};

    core_status st = check_iv(key, iv_len, err);
    if (st == ST_OK)
        st = tok_key_check_usage(key, TOK_CAN_DECRYPT, err);
    if (st != ST_OK)
        return st;
    if (key->info.rsa)
        return tok_rsa_decrypt_any(key, in, in_len, out, out_len, err);
    if (in_len == 0 || in_len % tok_block_size(key) != 0) {
        return tok_decrypt_failed(err);
    }
    st = tok_execute(key->token, decrypt_op, &job, err);
    if (tok_decrypt_needs_retry(st)) {
        job.failed = NULL;
        st = tok_execute(key->token, decrypt_op, &job, err);
    }
    if (st == ST_DECRYPT_FAILED && job.failed != NULL)
        st = decrypt_unpadding(&job, err);
    *out_len = st == ST_OK || st == ST_BUFFER_TOO_SMALL ? job.length : 0;
    return st;
}
