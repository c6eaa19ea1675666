/* SPDX-License-Identifier: Apache-2.0
 *
 * Decrypts RSA with one padding, by the token or over raw RSA, and encrypts RSA in software.
 *
 * Every failed decryption returns the same status and text and writes nothing to the log, whatever
 * the cause. PKCS #1 v1.5 is off unless the policy allows it. Then success and failure both close
 * the session, so that only the result itself distinguishes them.
 */
#include <string.h>
#include "pkcs11/ops/ops_private.h"

core_status tok_rsa_init_failed(const tok_rsa_job *job, const char *function, CK_RV rv,
                                core_err *err)
{
    return tok_is_oaep(job->padding) && tok_rv_refuses_mechanism(rv)
               ? tok_oaep_refuse(job->key, job->padding, function, rv, err)
               : tok_rv_fail(err, job->how.served, function, rv, TOK_CALL_OTHER);
}

static core_status fail_length(const tok_session *session, CK_ULONG length, core_err *err)
{
    return core_fail(err, ST_DEVICE, "token \"%s\": C_Decrypt gave %lu bytes",
                     session->token->info.label, (unsigned long)length);
}

/* Copies the plaintext to the caller. */
static core_status copy_plaintext(const tok_rsa_job *job, const uint8_t *plain, size_t length,
                                  core_err *err)
{
    core_status st = ST_OK;
    if (length > *job->out_len)
        st = core_fail(err, ST_BUFFER_TOO_SMALL, "the result has %zu bytes", length);
    else if (length > 0)
        memcpy(job->out, plain, length);
    *job->out_len = length;
    return st;
}

/* Removes OAEP from the raw RSA block at the start of the session's scratch memory. The plaintext
 * is written to the scratch memory after the block. */
static core_status open_block(tok_session *session, const tok_rsa_job *job, CK_ULONG length,
                              core_err *err)
{
    const size_t size = job->key->info.modulus_len;
    uint8_t *plain = session->scratch.data + size;
    size_t plain_len = session->scratch.capacity - size;

    if (length > size)
        return fail_length(session, length, err);
    core_status st = core_oaep_open(tok_padding_row(job->padding)->hash, session->scratch.data,
                                    size, length, plain, &plain_len);
    return st == ST_OK ? copy_plaintext(job, plain, plain_len, err) : tok_decrypt_failed(err);
}

/* Calls C_Decrypt into the session's scratch memory, copies the plaintext, and wipes the scratch
 * memory. */
static core_status finish_decrypt(tok_session *session, const tok_rsa_job *job, bool raw,
                                  core_err *err)
{
    core_secret *scratch = &session->scratch;
    /* Some tokens do not set the length, so pass the exact length of the block. */
    CK_ULONG length = (CK_ULONG)(raw ? job->key->info.modulus_len : scratch->capacity);
    core_status st;

    CK_RV rv = session->f->C_Decrypt(session->handle, (CK_BYTE_PTR)(uintptr_t)job->in,
                                     (CK_ULONG)job->in_len, scratch->data, &length);
    /* The buffer is long enough for a raw block, so this code is the token's fault: the caller must
     * not get ST_BUFFER_TOO_SMALL. */
    if (raw && rv == CKR_BUFFER_TOO_SMALL)
        st = tok_rv_fail(err, session->token, "C_Decrypt", rv, TOK_CALL_OTHER);
    else if (rv != CKR_OK)
        st = tok_rv_data_fail(err, session, "C_Decrypt", rv);
    else if (raw)
        st = open_block(session, job, length, err);
    else if (length > scratch->capacity)
        st = fail_length(session, length, err);
    else
        st = copy_plaintext(job, scratch->data, length, err);
    core_wipe(scratch->data, scratch->capacity);
    return st;
}

static CK_RV call_decrypt_init(tok_session *session, const tok_rsa_job *job, bool raw,
                               CK_OBJECT_HANDLE object)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = {CKM_RSA_X_509, NULL, 0};

    if (!raw)
        mechanism = tok_padding_mechanism(tok_padding_row(job->padding), &params);
    return session->f->C_DecryptInit(session->handle, &mechanism, object);
}

/* Begins the decryption with the strategy that is known for the key. If the key refuses OAEP and
 * the policy allows raw RSA, begins it with raw RSA; if the key accepts that, the refusal is
 * confirmed. */
static CK_RV begin_decrypt(tok_session *session, tok_rsa_job *job, CK_OBJECT_HANDLE object,
                           bool *raw)
{
    const bool is_auto = job->strategy == TOK_RSA_AUTO;
    bool certain = false;

    *raw = job->strategy == TOK_RSA_OVER_RAW ||
           (is_auto && tok_goes_raw(job->key, job->padding, tok_facts(session, job->key)));
    CK_RV rv = call_decrypt_init(session, job, *raw, object);
    if (!*raw && is_auto && tok_init_refuses(rv, &certain) && certain &&
        tok_goes_raw(job->key, job->padding, TOK_FACT_REFUSED << job->padding)) {
        *raw = true;
        rv = call_decrypt_init(session, job, true, object);
        if (rv == CKR_OK)
            tok_facts_add(job->key, session->member_index, session->handle_generation,
                          TOK_FACT_REFUSED << job->padding);
    }
    job->how.accepted = rv == CKR_OK && !*raw;
    job->how.raw = rv == CKR_OK && *raw;
    job->how.refused = tok_init_refuses(rv, &certain) ? rv : CKR_OK;
    return rv;
}

static core_status decrypt_op(tok_session *session, void *arg, core_err *err)
{
    tok_rsa_job *job = arg;
    tok_key *key = job->key;
    CK_OBJECT_HANDLE object = 0;
    bool raw = false;

    job->how = (tok_rsa_outcome){.served = session->token,
                                 .member_index = session->member_index,
                                 .handle_generation = session->handle_generation};
    core_status st = tok_key_handle(session, key, &object, err);
    if (st != ST_OK)
        return tok_key_invalidate_if_lost(key, st);
    CK_RV rv = begin_decrypt(session, job, object, &raw);
    if (rv != CKR_OK)
        return tok_key_invalidate_if_lost(key, tok_rsa_init_failed(job, "C_DecryptInit", rv, err));
    if (key->always_authenticate) {
        st = tok_login_operation(session, err);
        if (st != ST_OK)
            return st;
    }
    st = finish_decrypt(session, job, raw, err);
    session->dirty = job->padding == CORE_PAD_PKCS1;
    return tok_key_invalidate_if_lost(key, st);
}

core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding, const uint8_t *in,
                                     size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    const tok_padding *row = tok_padding_row(padding);
    EVP_PKEY *public = tok_key_software(key);

    if (public == NULL) {
        return core_fail(err, ST_NO_MEMORY, "key \"%s\": OpenSSL does not take its public part",
                         key->info.name);
    }
    core_status st = core_rsa_encrypt(public, row->openssl, row->hash, in, in_len, out, out_len);
    return st == ST_OK ? st : core_fail(err, st, "key \"%s\": encryption failed", key->info.name);
}

core_status tok_rsa_decrypt_by(tok_key *key, core_padding padding, tok_rsa_strategy strategy,
                               int member_index, const uint8_t *in, size_t in_len, uint8_t *out,
                               size_t *out_len, tok_rsa_outcome *how, core_err *err)
{
    tok_rsa_job job = {.key = key,
                       .padding = padding,
                       .strategy = strategy,
                       .in = in,
                       .in_len = in_len,
                       .out = out,
                       .out_len = out_len};

    core_status st =
        member_index == TOK_ANY
            ? tok_execute(key->token, decrypt_op, &job, err)
            : tok_group_execute_at(key->token, (unsigned)member_index, decrypt_op, &job, err);
    if (st != ST_OK && st != ST_BUFFER_TOO_SMALL)
        *out_len = 0;
    *how = job.how;
    if (st == ST_OK && how->served != NULL)
        tok_facts_add(key, how->member_index, how->handle_generation,
                      how->raw ? TOK_FACT_RAW : TOK_FACT_ACCEPTED << padding);
    return st;
}
