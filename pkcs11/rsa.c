/* SPDX-License-Identifier: Apache-2.0
 *
 * RSA encryption and decryption. The paddings are one table; what a policy allows is tried in its
 * order.
 *
 * A failed decryption has one answer whatever the reason, and no trace in log or text. PKCS#1 v1.5
 * is off unless the policy names it; then success and failure leave the session in the same state
 * (closed), so that nothing of ours tells them apart but the answer itself, which the caller has to
 * get.
 */
#include <string.h>
#include <openssl/rsa.h>
#include "pkcs11/rsa_private.h"

#define OAEP(hash, mgf)                        \
    {                                          \
        hash, mgf, CKZ_DATA_SPECIFIED, NULL, 0 \
    }

static const tok_padding paddings[CORE_PAD_COUNT] = {
    [CORE_PAD_OAEP_SHA256] = {CKM_RSA_PKCS_OAEP, OAEP(CKM_SHA256, CKG_MGF1_SHA256), 66,
                              RSA_PKCS1_OAEP_PADDING, "SHA256"},
    [CORE_PAD_OAEP_SHA1] = {CKM_RSA_PKCS_OAEP, OAEP(CKM_SHA_1, CKG_MGF1_SHA1), 42,
                            RSA_PKCS1_OAEP_PADDING, "SHA1"},
    [CORE_PAD_PKCS1] = {CKM_RSA_PKCS, OAEP(0, 0), 11, RSA_PKCS1_PADDING, NULL},
};

const tok_padding *tok_padding_row(core_padding padding)
{
    return &paddings[padding];
}

CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params)
{
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    *params = row->oaep;
    if (row->mechanism == CKM_RSA_PKCS_OAEP) {
        mechanism.pParameter = params;
        mechanism.ulParameterLen = sizeof *params;
    }
    return mechanism;
}

typedef struct rsa_job {
    tok_key *key;
    core_padding padding;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len; /* room, then written or needed */
    bool no_public;  /* the token has no public object for the key */
} rsa_job;

/* Whether a refusal is the token's of the mechanism as such, not of this key. */
static bool refuses_mechanism(CK_RV rv)
{
    return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
           rv == CKR_ARGUMENTS_BAD;
}

static core_status init_failed(const rsa_job *job, const char *function, CK_RV rv, core_err *err)
{
    tok_token *token = job->key->token;
    if (job->padding == CORE_PAD_OAEP_SHA256 && refuses_mechanism(rv))
        atomic_store(&token->learned_oaep256, TOK_UNABLE);
    return tok_rv_fail(err, token, function, rv, TOK_CALL_OTHER);
}

static core_status give_out(tok_session *session, const rsa_job *job, CK_ULONG length,
                            core_err *err)
{
    core_status st = ST_OK;
    if (length > session->scratch.capacity) {
        st = core_fail(err, ST_DEVICE, "token \"%s\": C_Decrypt gave %lu bytes",
                       session->token->info.label, (unsigned long)length);
    } else if (length > *job->out_len) {
        st = core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %lu bytes", (unsigned long)length);
    } else if (length > 0) {
        memcpy(job->out, session->scratch.data, length);
    }
    *job->out_len = length;
    return st;
}

static core_status decrypt_op(tok_session *session, void *arg, core_err *err)
{
    const rsa_job *job = arg;
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(&paddings[job->padding], &params);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG length = (CK_ULONG)session->scratch.capacity;

    core_status st = tok_key_handle(session, job->key, &object, err);
    if (st != ST_OK)
        return tok_key_outcome(job->key, st);
    CK_RV rv = session->f->C_DecryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK)
        return tok_key_outcome(job->key, init_failed(job, "C_DecryptInit", rv, err));
    if (job->key->always_authenticate) {
        st = tok_login_operation(session, err);
        if (st != ST_OK)
            return st;
    }
    rv = session->f->C_Decrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, session->scratch.data, &length);
    st = rv == CKR_OK ? give_out(session, job, length, err)
                      : tok_rv_fail(err, session->token, "C_Decrypt", rv, TOK_CALL_DATA);
    core_wipe(session->scratch.data, session->scratch.capacity);
    session->dirty = job->padding == CORE_PAD_PKCS1;
    return tok_key_outcome(job->key, st);
}

static core_status encrypt_op(tok_session *session, void *arg, core_err *err)
{
    rsa_job *job = arg;
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(&paddings[job->padding], &params);
    CK_OBJECT_HANDLE object = 0;
    /* No more room than the result takes: some tokens leave the length as they find it. */
    CK_ULONG length = (CK_ULONG)job->key->info.modulus_len;

    core_status st = tok_key_public_handle(session, job->key, &object, err);
    job->no_public = st == ST_OK && object == 0;
    if (st != ST_OK || job->no_public)
        return tok_key_outcome(job->key, st);
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    if (rv != CKR_OK)
        return tok_key_outcome(job->key, init_failed(job, "C_EncryptInit", rv, err));
    rv = session->f->C_Encrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, job->out, &length);
    if (rv != CKR_OK) {
        return tok_key_outcome(job->key,
                               tok_rv_fail(err, session->token, "C_Encrypt", rv, TOK_CALL_OTHER));
    }
    if (length != job->key->info.modulus_len) {
        return core_fail(err, ST_DEVICE, "token \"%s\": C_Encrypt gave %lu bytes for key \"%s\"",
                         session->token->info.label, (unsigned long)length, job->key->info.name);
    }
    *job->out_len = length;
    return ST_OK;
}

static core_status encrypt_software(const rsa_job *job, core_err *err)
{
    const tok_padding *row = &paddings[job->padding];
    EVP_PKEY *public = tok_key_software(job->key);

    if (public == NULL) {
        return core_fail(err, ST_NO_MEMORY, "key \"%s\": OpenSSL does not take its public part",
                         job->key->info.name);
    }
    core_status st = core_rsa_encrypt(public, row->openssl, row->hash, job->in, job->in_len,
                                      job->out, job->out_len);
    return st == ST_OK ? st
                       : core_fail(err, st, "key \"%s\": encryption failed", job->key->info.name);
}

core_status tok_rsa_encrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    rsa_job job = {key, padding, in, in_len, out, out_len, false};
    const tok_key_info *info = &key->info;

    if (!info->rsa || in_len + paddings[padding].overhead > info->modulus_len) {
        return core_fail(err, ST_DATA_LENGTH, "key \"%s\" cannot encrypt %zu bytes", info->name,
                         in_len);
    }
    if (*out_len < info->modulus_len) {
        *out_len = info->modulus_len;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", info->modulus_len);
    }
    if (key->token->config->public_ops == CORE_WHERE_SOFTWARE)
        return encrypt_software(&job, err);
    core_status st = tok_run(key->token, encrypt_op, &job, err);
    return st == ST_OK && job.no_public ? encrypt_software(&job, err) : st;
}

core_status tok_rsa_decrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    rsa_job job = {key, padding, in, in_len, out, out_len, false};

    if (!key->info.rsa || in_len != key->info.modulus_len) {
        *out_len = 0;
        return core_fail(err, ST_DECRYPT_FAILED, "%s; %s", core_status_text(ST_DECRYPT_FAILED),
                         core_status_next(ST_DECRYPT_FAILED));
    }
    core_status st = tok_run(key->token, decrypt_op, &job, err);
    if (st != ST_OK && st != ST_BUFFER_TOO_SMALL)
        *out_len = 0;
    return st;
}

core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                size_t *out_len, core_err *err)
{
    core_status st = ST_MECHANISM;
    size_t room = *out_len;

    for (core_padding p = 0; p < CORE_PAD_COUNT; p++) {
        if ((key->token->config->rsa_unwrap & (1u << p)) == 0 ||
            (p == CORE_PAD_OAEP_SHA256 && atomic_load(&key->token->learned_oaep256) == TOK_UNABLE))
            continue;
        *out_len = room;
        core_status now = tok_rsa_decrypt(key, p, in, in_len, out, out_len, err);
        /* A padding that the token does not know says nothing of the data. */
        if (now != ST_MECHANISM)
            st = now;
        if (now != ST_MECHANISM && now != ST_DECRYPT_FAILED)
            break;
    }
    return st;
}

core_padding tok_wrap_padding(const tok_token *token)
{
    core_padding wanted = token->config->rsa_padding;
    bool sha1 = (token->config->rsa_unwrap & (1u << CORE_PAD_OAEP_SHA1)) != 0;
    return wanted == CORE_PAD_OAEP_SHA256 && sha1 &&
                   atomic_load(&token->learned_oaep256) == TOK_UNABLE
               ? CORE_PAD_OAEP_SHA1
               : wanted;
}

/* Before the first wrap with OAEP SHA-256: what the token cannot unwrap must not be wrapped so, and
 * what tokens say they can is not always true. Once for each token and process. */
static core_status learn_oaep256(tok_key *key, core_err *err)
{
    enum { PROBE = 32 };
    uint8_t plain[PROBE];
    uint8_t back[PROBE];
    uint8_t cipher[1024];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;
    rsa_job job = {key, CORE_PAD_OAEP_SHA256, plain, sizeof plain, cipher, &cipher_len, false};

    core_status st = core_random(plain, sizeof plain);
    if (st == ST_OK)
        st = encrypt_software(&job, err);
    if (st == ST_OK)
        st = tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA256, cipher, cipher_len, back, &back_len, err);
    if (st == ST_OK && back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0) {
        atomic_store(&key->token->learned_oaep256, TOK_ABLE);
    } else if (st == ST_OK || st == ST_MECHANISM || st == ST_DECRYPT_FAILED ||
               st == ST_BUFFER_TOO_SMALL) {
        atomic_store(&key->token->learned_oaep256, TOK_UNABLE);
        core_log(CORE_LOG_INFO, "token \"%s\" has no OAEP with SHA-256%s", key->token->info.label,
                 tok_wrap_padding(key->token) == CORE_PAD_OAEP_SHA1
                     ? "; keys are wrapped with OAEP SHA-1"
                     : "");
        st = ST_OK;
    }
    return st;
}

core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len, uint8_t *out,
                                   size_t *out_len, core_err *err)
{
    core_status st = ST_OK;
    if (key->token->config->rsa_padding == CORE_PAD_OAEP_SHA256 &&
        atomic_load(&key->token->learned_oaep256) == TOK_UNKNOWN)
        st = learn_oaep256(key, err);
    return st == ST_OK
               ? tok_rsa_encrypt(key, tok_wrap_padding(key->token), in, in_len, out, out_len, err)
               : st;
}
