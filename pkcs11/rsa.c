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

bool tok_is_oaep(core_padding padding)
{
    return paddings[padding].mechanism == CKM_RSA_PKCS_OAEP;
}

typedef struct rsa_job {
    tok_key *key;
    core_padding padding;
    tok_way way;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len;   /* room, then written or needed */
    tok_token *served; /* the token that did it, or tried */
    bool software;     /* the token does not encrypt for the key: we have to */
} rsa_job;

/* Whether a refusal is the token's of the mechanism as such, not of this key. */
static bool refuses_mechanism(CK_RV rv)
{
    return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
           rv == CKR_ARGUMENTS_BAD;
}

core_status tok_decrypt_failed(core_err *err)
{
    return core_fail(err, ST_DECRYPT_FAILED, "%s; %s", core_status_text(ST_DECRYPT_FAILED),
                     core_status_next(ST_DECRYPT_FAILED));
}

static core_status init_failed(const rsa_job *job, const char *function, CK_RV rv, core_err *err)
{
    return tok_is_oaep(job->padding) && refuses_mechanism(rv)
               ? tok_oaep_refuse(job->key, job->padding, function, rv, err)
               : tok_rv_fail(err, job->served, function, rv, TOK_CALL_OTHER);
}

static core_status strange_length(const tok_session *session, CK_ULONG length, core_err *err)
{
    return core_fail(err, ST_DEVICE, "token \"%s\": C_Decrypt gave %lu bytes",
                     session->token->info.label, (unsigned long)length);
}

static core_status give_out(const rsa_job *job, const uint8_t *plain, size_t length, core_err *err)
{
    core_status st = ST_OK;
    if (length > *job->out_len)
        st = core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", length);
    else if (length > 0)
        memcpy(job->out, plain, length);
    *job->out_len = length;
    return st;
}

/* The block in the session's scratch, and what is in it behind it. */
static core_status open_block(tok_session *session, const rsa_job *job, CK_ULONG length,
                              core_err *err)
{
    const size_t size = job->key->info.modulus_len;
    uint8_t *plain = session->scratch.data + size;
    size_t plain_len = session->scratch.capacity - size;

    if (length > size)
        return strange_length(session, length, err);
    core_status st = core_oaep_open(paddings[job->padding].hash, session->scratch.data, size,
                                    length, plain, &plain_len);
    return st == ST_OK ? give_out(job, plain, plain_len, err) : tok_decrypt_failed(err);
}

/* Into the session's scratch, which is wiped. */
static core_status decrypt_finish(tok_session *session, const rsa_job *job, bool raw, core_err *err)
{
    core_secret *scratch = &session->scratch;
    /* No more room than the block takes: some tokens leave the length as they find it. */
    CK_ULONG length = (CK_ULONG)(raw ? job->key->info.modulus_len : scratch->capacity);
    core_status st;

    CK_RV rv = session->f->C_Decrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                                     (CK_ULONG)job->in_len, scratch->data, &length);
    /* A raw block has room for sure: nobody is to bring more. */
    if (rv != CKR_OK)
        st = tok_rv_fail(err, session->token, "C_Decrypt", rv,
                         raw && rv == CKR_BUFFER_TOO_SMALL ? TOK_CALL_OTHER : TOK_CALL_DATA);
    else if (raw)
        st = open_block(session, job, length, err);
    else if (length > scratch->capacity)
        st = strange_length(session, length, err);
    else
        st = give_out(job, scratch->data, length, err);
    core_wipe(scratch->data, scratch->capacity);
    return st;
}

static CK_RV decrypt_init(tok_session *session, const rsa_job *job, bool raw,
                          CK_OBJECT_HANDLE object)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = {CKM_RSA_X_509, NULL, 0};

    if (!raw)
        mechanism = tok_padding_mechanism(&paddings[job->padding], &params);
    return session->f->C_DecryptInit(session->handle, &mechanism, object);
}

static core_status decrypt_op(tok_session *session, void *arg, core_err *err)
{
    rsa_job *job = arg;
    tok_key *key = job->key;
    bool raw = job->way == TOK_WAY_RAW ||
               (job->way == TOK_WAY_BEST && tok_oaep_raw(key, session->token, job->padding));
    CK_OBJECT_HANDLE object = 0;

    job->served = session->token;
    core_status st = tok_key_handle(session, key, &object, err);
    if (st != ST_OK)
        return tok_key_outcome(key, st);
    CK_RV rv = decrypt_init(session, job, raw, object);
    if (!raw && tok_is_oaep(job->padding) && refuses_mechanism(rv)) {
        tok_learned(key->token, session->token, job->padding, TOK_UNABLE);
        raw = job->way == TOK_WAY_BEST && tok_oaep_raw(key, session->token, job->padding);
        if (raw)
            rv = decrypt_init(session, job, raw, object);
    }
    if (rv != CKR_OK)
        return tok_key_outcome(key, init_failed(job, "C_DecryptInit", rv, err));
    if (key->always_authenticate) {
        st = tok_login_operation(session, err);
        if (st != ST_OK)
            return st;
    }
    st = decrypt_finish(session, job, raw, err);
    session->dirty = job->padding == CORE_PAD_PKCS1;
    return tok_key_outcome(key, st);
}

static core_status encrypt_op(tok_session *session, void *arg, core_err *err)
{
    rsa_job *job = arg;
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(&paddings[job->padding], &params);
    CK_OBJECT_HANDLE object = 0;
    /* No more room than the result takes: some tokens leave the length as they find it. */
    CK_ULONG length = (CK_ULONG)job->key->info.modulus_len;

    job->served = session->token;
    core_status st = tok_key_public_handle(session, job->key, &object, err);
    job->software = st == ST_OK && object == 0;
    if (st != ST_OK || job->software)
        return tok_key_outcome(job->key, st);
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    if (job->key->token->config->rsa_raw && tok_is_oaep(job->padding) && refuses_mechanism(rv)) {
        job->software = true;
        return ST_OK;
    }
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

core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding, const uint8_t *in,
                                     size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    const tok_padding *row = &paddings[padding];
    EVP_PKEY *public = tok_key_software(key);

    if (public == NULL) {
        return core_fail(err, ST_NO_MEMORY, "key \"%s\": OpenSSL does not take its public part",
                         key->info.name);
    }
    core_status st = core_rsa_encrypt(public, row->openssl, row->hash, in, in_len, out, out_len);
    return st == ST_OK ? st : core_fail(err, st, "key \"%s\": encryption failed", key->info.name);
}

core_status tok_rsa_encrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    rsa_job job = {
        .key = key, .padding = padding, .in = in, .in_len = in_len, .out = out, .out_len = out_len};
    const tok_key_info *info = &key->info;
    core_status st = ST_OK;

    if (!info->rsa || in_len + paddings[padding].overhead > info->modulus_len) {
        return core_fail(err, ST_DATA_LENGTH, "key \"%s\" cannot encrypt %zu bytes", info->name,
                         in_len);
    }
    if (*out_len < info->modulus_len) {
        *out_len = info->modulus_len;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", info->modulus_len);
    }
    job.software = key->token->config->public_ops == CORE_WHERE_SOFTWARE ||
                   tok_oaep_raw(key, key->token, padding);
    if (!job.software)
        st = tok_run(key->token, encrypt_op, &job, err);
    if (st != ST_OK || !job.software)
        return st;
    /* What the token has not been asked for it may not be able to decrypt either. */
    st = tok_oaep_check(key, padding, err);
    return st == ST_OK ? tok_rsa_encrypt_software(key, padding, in, in_len, out, out_len, err) : st;
}

core_status tok_rsa_decrypt_way(tok_key *key, core_padding padding, tok_way way, int place,
                                const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len,
                                tok_token **served, core_err *err)
{
    rsa_job job = {.key = key,
                   .padding = padding,
                   .way = way,
                   .in = in,
                   .in_len = in_len,
                   .out = out,
                   .out_len = out_len};

    core_status st = place == TOK_ANY
                         ? tok_run(key->token, decrypt_op, &job, err)
                         : tok_group_run_at(key->token, (unsigned)place, decrypt_op, &job, err);
    if (st != ST_OK && st != ST_BUFFER_TOO_SMALL)
        *out_len = 0;
    *served = job.served;
    return st;
}

core_status tok_rsa_decrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    const size_t room = *out_len;
    tok_token *served = NULL;

    *out_len = 0;
    if (!key->info.rsa || in_len != key->info.modulus_len)
        return tok_decrypt_failed(err);
    *out_len = room;
    core_status st = tok_rsa_decrypt_way(key, padding, TOK_WAY_BEST, TOK_ANY, in, in_len, out,
                                         out_len, &served, err);
    /* Bad data, or a token that takes the mechanism but does something else? */
    if (st != ST_DECRYPT_FAILED || !tok_oaep_doubt(key, served, padding))
        return st;
    st = tok_oaep_learn(key, padding, err);
    if (st != ST_OK)
        return st;
    if (!tok_oaep_raw(key, served, padding))
        return tok_decrypt_failed(err);
    *out_len = room;
    return tok_rsa_decrypt_way(key, padding, TOK_WAY_BEST, TOK_ANY, in, in_len, out, out_len,
                               &served, err);
}
