/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates, wraps and rewraps keys that are never in our memory (PKCS #11 v3.1, 5.18.3 and 5.18.4).
 * They are session objects, destroyed before the session goes back to the pool.
 */
#include <string.h>
#include "pkcs11/ops/ops_private.h"

typedef struct wrap_job {
    tok_key *from; /* NULL: a new key */
    tok_key *to;
    const uint8_t *in;
    size_t in_len;
    size_t key_len;
    uint8_t *out;
    size_t out_len;
    bool unproven; /* out: the numbers of `to` were proven in another generation of the token */
} wrap_job;

/* Only OAEP by the token itself: raw RSA would move the key out of the token. */
static const char wrap_call[] = "C_WrapKey(CKM_RSA_PKCS_OAEP)";
static const char unwrap_call[] = "C_UnwrapKey(CKM_RSA_PKCS_OAEP)";

/* Calls C_UnwrapKey with the first template that the token accepts: Luna requires CKA_VALUE_LEN,
 * openCryptoki 3.8 accepts only the least template. A token that is given the length may truncate a
 * longer key; the caller has verified the signature of the wrapped key. */
static CK_RV call_unwrap(tok_session *session, const wrap_job *job, CK_OBJECT_HANDLE from,
                         CK_OBJECT_HANDLE *out)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(tok_padding_row(CORE_PAD_OAEP_SHA1), &params);
    CK_ULONG length = (CK_ULONG)job->key_len;
    CK_ATTRIBUTE template[TOK_TRANSIT_ALL + 1];
    static const CK_ULONG counts[] = {TOK_TRANSIT_ALL, TOK_TRANSIT_ALL + 1, TOK_TRANSIT_LEAST};
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;

    tok_transit_template(template);
    template[TOK_TRANSIT_ALL] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &length, sizeof length};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && tok_rv_refuses_template(rv); i++)
        rv = session->f->C_UnwrapKey(session->handle, &mechanism, from,
                                     (CK_BYTE_PTR)(uintptr_t)job->in, (CK_ULONG)job->in_len,
                                     template, counts[i], out);
    return rv;
}

/* Unwraps the key into a session object and checks its length. */
static core_status unwrap_transit(tok_session *session, const wrap_job *job, CK_OBJECT_HANDLE *out,
                                  core_err *err)
{
    CK_ULONG length = 0;
    CK_ATTRIBUTE value_len = {CKA_VALUE_LEN, &length, sizeof length};
    CK_OBJECT_HANDLE from = 0;
    CK_RV rv;

    core_status st = tok_key_find(session, job->from, &from, err);
    if (st == ST_OK)
        st = tok_key_allows(job->from, TOK_CAN_UNWRAP, err);
    if (st != ST_OK)
        return st;
    rv = call_unwrap(session, job, from, out);
    if (rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_ARGUMENTS_BAD)
        return tok_rv_fail(err, session->token, unwrap_call, rv, TOK_CALL_OTHER);
    if (rv != CKR_OK)
        return tok_rv_data_fail(err, session, unwrap_call, rv);
    st = tok_attributes(session, *out, &value_len, 1, err);
    /* Some tokens omit the length, or leave it at 0. */
    if (st == ST_OK && (!tok_attribute_has(&value_len) || length == 0))
        st = tok_secret_length(session, *out, &length, err);
    if (st == ST_OK && length != job->key_len) {
        st = tok_decrypt_failed(err);
    }
    return st;
}

static core_status wrap_transit(tok_session *session, wrap_job *job, CK_OBJECT_HANDLE key,
                                core_err *err)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = tok_padding_mechanism(tok_padding_row(CORE_PAD_OAEP_SHA1), &params);
    CK_ULONG length = (CK_ULONG)job->out_len;
    CK_OBJECT_HANDLE to = 0;

    job->unproven = !tok_rsa_is_ready_to_wrap(session, job->to);
    if (job->unproven)
        return ST_OK;
    core_status st = tok_public_object(session, job->to, &to, err);
    if (st != ST_OK)
        return st;
    CK_RV rv = session->f->C_WrapKey(session->handle, &mechanism, to, key, job->out, &length);
    if (rv != CKR_OK)
        return tok_rv_input_fail(err, session, wrap_call, rv);
    if (length != job->to->info.modulus_len) {
        return core_fail(err, ST_DEVICE, "token \"%s\": %s gave %lu bytes for key \"%s\"",
                         session->token->info.label, wrap_call, (unsigned long)length,
                         job->to->info.name);
    }
    job->out_len = length;
    return ST_OK;
}

static core_status wrap_op(tok_session *session, void *arg, core_err *err)
{
    wrap_job *job = arg;
    CK_OBJECT_HANDLE key = 0;
    CK_OBJECT_HANDLE private = 0;

    /* The private object tells whether the key still exists and is still enabled. */
    core_status st = tok_key_find(session, job->to, &private, err);
    if (st == ST_OK)
        st = tok_key_allows(job->to, TOK_CAN_WRAP, err);
    if (st == ST_OK)
        st = job->from == NULL ? tok_transit_new(session, job->key_len, &key, err)
                               : unwrap_transit(session, job, &key, err);
    if (st == ST_OK)
        st = wrap_transit(session, job, key, err);
    tok_transit_end(session, key, st);
    if (job->from != NULL)
        (void)tok_key_invalidate_if_lost(job->from, st);
    return tok_key_invalidate_if_lost(job->to, st);
}

static core_status execute_wrap(wrap_job *job, size_t *out_len, core_err *err)
{
    const tok_key_info *to = &job->to->info;

    if (!to->rsa || *out_len < to->modulus_len) {
        *out_len = to->modulus_len;
        return core_fail(err, to->rsa ? ST_BUFFER_TOO_SMALL : ST_KEY_USAGE,
                         "key \"%s\" cannot wrap into this", to->name);
    }
    job->out_len = *out_len;
    core_status st = tok_key_check_usage(job->to, TOK_CAN_WRAP, err);
    if (st == ST_OK && job->from != NULL)
        st = tok_key_check_usage(job->from, TOK_CAN_UNWRAP, err);
    job->unproven = true;
    for (unsigned i = 0; st == ST_OK && job->unproven && i < TOK_PROOF_TRIES; i++) {
        st = tok_rsa_ready_to_wrap(job->to, err);
        if (st == ST_OK)
            st = tok_execute_twice(job->to->token, wrap_op, job, err);
        if (job->from != NULL && tok_decrypt_needs_retry(st))
            st = tok_execute(job->to->token, wrap_op, job, err);
    }
    if (st == ST_OK && job->unproven)
        st = tok_rsa_unproven(job->to, err);
    *out_len = st == ST_OK ? job->out_len : 0;
    return st;
}

core_status tok_wrap_new(tok_key *wrapper, size_t key_len, uint8_t *out, size_t *out_len,
                         core_err *err)
{
    wrap_job job = {.to = wrapper, .key_len = key_len, .out = out};
    return execute_wrap(&job, out_len, err);
}

core_status tok_rewrap(tok_key *from, tok_key *to, const uint8_t *in, size_t in_len, size_t key_len,
                       uint8_t *out, size_t *out_len, core_err *err)
{
    wrap_job job = {from, to, in, in_len, key_len, out, 0, false};

    if (from->token != to->token) {
        return core_fail(
            err, ST_MECHANISM,
            "keys \"%s\" and \"%s\" are on different tokens, so the key between them cannot stay "
            "inside one",
            from->info.name, to->info.name);
    }
    if (!from->info.rsa || in_len != from->info.modulus_len) {
        return tok_decrypt_failed(err);
    }
    return execute_wrap(&job, out_len, err);
}
