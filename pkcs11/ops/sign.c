/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes RSA signatures with SHA-256 (PKCS #11 v3.1, 5.13). The token uses CKM_SHA256_RSA_PKCS. If
 * it does not list that, software hashes the data and the token signs the DigestInfo with
 * CKM_RSA_PKCS, which gives the same signature (RFC 8017, 9.2).
 */
#include <string.h>
#include "pkcs11/ops/ops_private.h"

typedef struct sign_job {
    tok_key *key;
    const uint8_t *data;
    size_t length;
    uint8_t *sig;
    size_t sig_len;
} sign_job;

/* DER of a DigestInfo for SHA-256, up to the digest. */
static const uint8_t digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static core_status sign_op(tok_session *session, void *arg, core_err *err)
{
    sign_job *job = arg;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
    tok_mech_info hashing;
    uint8_t info[sizeof digest_info + 32];
    CK_ULONG length = (CK_ULONG)job->key->info.modulus_len; /* the exact length of the signature */
    CK_OBJECT_HANDLE object = 0;

    memcpy(info, digest_info, sizeof digest_info);
    core_status st =
        core_sha256(job->data, job->length, NULL, 0, NULL, 0, info + sizeof digest_info);
    if (st == ST_OK)
        st = tok_mech(session, CKM_SHA256_RSA_PKCS, &hashing, err);
    if (st == ST_OK)
        st = tok_key_find(session, job->key, &object, err);
    if (st == ST_OK)
        st = tok_key_allows(job->key, TOK_CAN_SIGN, err);
    if (st != ST_OK)
        return tok_key_invalidate_if_lost(job->key, st);
    if (hashing.listed)
        mechanism.mechanism = CKM_SHA256_RSA_PKCS;
    CK_RV rv = session->f->C_SignInit(session->handle, &mechanism, object);
    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_SignInit", rv, TOK_CALL_OTHER);
        return tok_key_invalidate_if_lost(job->key, st);
    }
    if (job->key->always_authenticate) {
        st = tok_login_operation(session, err);
        if (st != ST_OK)
            return st;
    }
    rv = session->f->C_Sign(
        session->handle, hashing.listed ? (CK_BYTE_PTR)(uintptr_t)job->data : info,
        hashing.listed ? (CK_ULONG)job->length : (CK_ULONG)sizeof info, job->sig, &length);
    if (rv != CKR_OK) {
        st = tok_rv_input_fail(err, session, "C_Sign", rv);
        return tok_key_invalidate_if_lost(job->key, st);
    }
    job->sig_len = length;
    return ST_OK;
}

core_status tok_rsa_sign(tok_key *key, const uint8_t *data, size_t length, uint8_t *sig,
                         size_t *sig_len, core_err *err)
{
    sign_job job = {key, data, length, sig, *sig_len};

    core_status st = tok_key_check_usage(key, TOK_CAN_SIGN, err);
    if (st != ST_OK)
        return st;
    if (*sig_len < key->info.modulus_len) {
        *sig_len = key->info.modulus_len;
        return core_fail(err, ST_BUFFER_TOO_SMALL, "a signature has %zu bytes",
                         key->info.modulus_len);
    }
    st = tok_execute_twice(key->token, sign_op, &job, err);
    if (st == ST_OK && job.sig_len != key->info.modulus_len) {
        st = core_fail(err, ST_SIGN_FAILED, "token \"%s\": C_Sign gave %zu bytes for key \"%s\"",
                       key->token->info.label, job.sig_len, key->info.name);
    }
    *sig_len = st == ST_OK ? job.sig_len : 0;
    return st;
}

core_status tok_rsa_verify(tok_key *key, const uint8_t digest[32], const uint8_t *sig,
                           size_t sig_len)
{
    EVP_PKEY *public = tok_key_software(key);

    if (!key->info.rsa || sig_len != key->info.modulus_len)
        return ST_SIGNATURE_INVALID;
    return public != NULL ? core_rsa_verify(public, digest, sig, sig_len) : ST_NO_MEMORY;
}
