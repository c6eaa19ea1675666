/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypting and decrypting with a key of either kind; AES and 3DES as CBC with PKCS#7, padded by
 * the token. The result goes straight into the caller's memory where it surely fits, else through
 * the session's locked one.
 */
#include <string.h>
#include "pkcs11/rsa_private.h"

typedef struct cbc_job {
    tok_key *key;
    const uint8_t *iv;
    size_t iv_len;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t room;
    size_t length; /* of the result */
} cbc_job;

static CK_MECHANISM cbc_mechanism(const cbc_job *job)
{
    bool aes = job->key->info.algorithm != CORE_ALG_3DES;
    CK_MECHANISM mechanism = {aes ? CKM_AES_CBC_PAD : CKM_DES3_CBC_PAD, (void *)(uintptr_t)job->iv,
                              (CK_ULONG)job->iv_len};
    return mechanism;
}

static core_status cbc_encrypt_op(tok_session *session, void *arg, core_err *err)
{
    cbc_job *job = arg;
    CK_MECHANISM mechanism = cbc_mechanism(job);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG length = (CK_ULONG)job->room;

    core_status st = tok_key_handle(session, job->key, &object, err);
    if (st != ST_OK) {
        return tok_key_outcome(job->key, st);
    }
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_EncryptInit", rv, TOK_CALL_OTHER);
        return tok_key_outcome(job->key, st);
    }
    rv = session->f->C_Encrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, job->out, &length);
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_Encrypt", rv, TOK_CALL_OTHER);
        return tok_key_outcome(job->key, st);
    }
    job->length = length;
    return ST_OK;
}

/* The memory that the token decrypts into: the caller's if all of it would fit, else the session's.
 */
static core_status decrypt_memory(tok_session *session, const cbc_job *job, uint8_t **out,
                                  size_t *room, core_err *err)
{
    *out = job->out;
    *room = job->room;
    if (job->room >= job->in_len) {
        return ST_OK;
    }
    if (session->scratch.capacity < job->in_len) {
        core_secret_close(&session->scratch);
        core_status st = core_secret_open(&session->scratch, job->in_len);
        if (st != ST_OK) {
            return core_fail(err, st, "out of memory for a result of %zu bytes", job->in_len);
        }
    }
    *out = session->scratch.data;
    *room = session->scratch.capacity;
    return ST_OK;
}

static core_status cbc_decrypt_op(tok_session *session, void *arg, core_err *err)
{
    cbc_job *job = arg;
    CK_MECHANISM mechanism = cbc_mechanism(job);
    CK_OBJECT_HANDLE object = 0;
    uint8_t *out = NULL;
    size_t room = 0;

    core_status st = tok_key_handle(session, job->key, &object, err);
    if (st == ST_OK) {
        st = decrypt_memory(session, job, &out, &room, err);
    }
    if (st != ST_OK) {
        return tok_key_outcome(job->key, st);
    }
    CK_ULONG length = (CK_ULONG)room;
    CK_RV rv = session->f->C_DecryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_DecryptInit", rv, TOK_CALL_OTHER);
        return tok_key_outcome(job->key, st);
    }
    rv = session->f->C_Decrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, out, &length);
    job->length = length;
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_Decrypt", rv, TOK_CALL_DATA);
        core_wipe(out, room);
    } else if (length > room) {
        st = core_fail(err, ST_DEVICE, "token \"%s\": C_Decrypt gave %lu bytes",
                       session->token->info.label, (unsigned long)length);
    } else if (out != job->out) {
        if (length > job->room) {
            st = core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %lu bytes",
                           (unsigned long)length);
        } else {
            memcpy(job->out, out, length);
        }
        core_wipe(out, room);
    }
    return tok_key_outcome(job->key, st);
}

static core_status check_iv(const tok_key *key, size_t iv_len, core_err *err)
{
    size_t wanted = key->info.rsa ? 0 : key->info.algorithm == CORE_ALG_3DES ? 8 : 16;
    if (iv_len != wanted) {
        return core_fail(err, ST_INVALID_ARGUMENT, "key \"%s\" takes an IV of %zu bytes, not %zu",
                         key->info.name, wanted, iv_len);
    }
    return ST_OK;
}

core_status tok_encrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    cbc_job job = {key, iv, iv_len, in, in_len, out, *out_len, 0};
    size_t needed = tok_encrypt_size(key, in_len);

    core_status st = check_iv(key, iv_len, err);
    if (st == ST_OK) {
        st = tok_key_may(key, TOK_CAN_ENCRYPT, err);
    }
    if (st != ST_OK) {
        return st;
    }
    if (key->info.rsa) {
        return tok_rsa_encrypt_policy(key, in, in_len, out, out_len, err);
    }
    if (*out_len < needed) {
        *out_len = needed;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", needed);
    }
    st = tok_run(key->token, cbc_encrypt_op, &job, err);
    *out_len = st == ST_OK ? job.length : 0;
    return st;
}

core_status tok_decrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    cbc_job job = {key, iv, iv_len, in, in_len, out, *out_len, 0};
    size_t block = key->info.algorithm == CORE_ALG_3DES ? 8 : 16;

    core_status st = check_iv(key, iv_len, err);
    if (st == ST_OK) {
        st = tok_key_may(key, TOK_CAN_DECRYPT, err);
    }
    if (st != ST_OK) {
        return st;
    }
    if (key->info.rsa) {
        return tok_rsa_decrypt_any(key, in, in_len, out, out_len, err);
    }
    if (in_len == 0 || in_len % block != 0) {
        return core_fail(err, ST_DECRYPT_FAILED, "%s; %s", core_status_text(ST_DECRYPT_FAILED),
                         core_status_next(ST_DECRYPT_FAILED));
    }
    st = tok_run(key->token, cbc_decrypt_op, &job, err);
    *out_len = st == ST_OK || st == ST_BUFFER_TOO_SMALL ? job.length : 0;
    return st;
}
