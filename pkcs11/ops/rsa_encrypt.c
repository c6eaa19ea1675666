/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypts RSA by the token, with a public key object created from proven numbers (PKCS #11 v3.1,
 * 5.8 and 6.1.8), or in software if the policy says so.
 */
#include "pkcs11/ops/ops_private.h"

static core_status encrypt_op(tok_session *session, void *arg, core_err *err)
{
    tok_rsa_job *job = arg;
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(tok_padding_row(job->padding), &params);
    CK_OBJECT_HANDLE object = 0;
    /* Some tokens do not set the length, so pass the exact length of the result. */
    CK_ULONG length = (CK_ULONG)job->key->info.modulus_len;

    job->how.served = session->token;
    job->unproven = !tok_rsa_is_ready(session, job->key, job->padding);
    if (job->unproven)
        return ST_OK;
    core_status st = tok_public_object(session, job->key, &object, err);
    if (st != ST_OK)
        return tok_key_invalidate_if_lost(job->key, st);
    CK_RV rv = session->f->C_EncryptInit(session->handle, &mechanism, object);
    if (job->key->token->config->rsa_raw && tok_is_oaep(job->padding) &&
        tok_rv_refuses_mechanism(rv)) {
        job->software = true;
        return ST_OK;
    }
    if (rv != CKR_OK)
        return tok_key_invalidate_if_lost(job->key,
                                          tok_rsa_init_failed(job, "C_EncryptInit", rv, err));
    rv = session->f->C_Encrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                               (CK_ULONG)job->in_len, job->out, &length);
    if (rv != CKR_OK) {
        return tok_key_invalidate_if_lost(job->key,
                                          tok_rv_input_fail(err, session, "C_Encrypt", rv));
    }
    if (length != job->key->info.modulus_len) {
        return core_fail(err, ST_DEVICE, "token \"%s\": C_Encrypt gave %lu bytes for key \"%s\"",
                         session->token->info.label, (unsigned long)length, job->key->info.name);
    }
    *job->out_len = length;
    return ST_OK;
}

core_status tok_rsa_encrypt(tok_key *key, core_padding padding, const uint8_t *in, size_t in_len,
                            uint8_t *out, size_t *out_len, core_err *err)
{
    tok_rsa_job job = {
        .key = key, .padding = padding, .in = in, .in_len = in_len, .out = out, .out_len = out_len};
    const tok_key_info *info = &key->info;
    core_status st = ST_OK;

    if (!info->rsa || in_len + tok_padding_row(padding)->overhead > info->modulus_len) {
        return core_fail(err, ST_DATA_LENGTH, "key \"%s\" cannot encrypt %zu bytes", info->name,
                         in_len);
    }
    if (*out_len < info->modulus_len) {
        *out_len = info->modulus_len;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", info->modulus_len);
    }
    job.unproven = true;
    for (unsigned i = 0; job.unproven && i < TOK_PROOF_TRIES; i++) {
        st = tok_rsa_ready(key, padding, err);
        if (st != ST_OK)
            return st;
        job.software =
            key->token->config->public_ops == CORE_WHERE_SOFTWARE || tok_oaep_raw(key, padding);
        if (job.software)
            break;
        st = tok_execute_twice(key->token, encrypt_op, &job, err);
        if (st != ST_OK)
            return st;
    }
    if (job.software)
        return tok_rsa_encrypt_software(key, padding, in, in_len, out, out_len, err);
    return job.unproven ? tok_rsa_unproven(key, err) : ST_OK;
}
