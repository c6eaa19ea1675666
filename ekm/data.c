/* SPDX-License-Identifier: Apache-2.0
 *
 * SqlCryptEncrypt and SqlCryptDecrypt. The output size is computed from the key and the input
 * length, without the token. A symmetric ciphertext made without an IV parameter begins with its
 * random IV; made with an IV parameter, it is the bare CBC output. Only the parameters of the call
 * tell the two forms apart: SQL Server passes the same parameters to Decrypt as to Encrypt.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "ekm/key_private.h"

enum { MAX_BLOCK = 16 };

/* The checked arguments of one operation. */
typedef struct operation {
    size_t block;     /* bytes of the IV the key needs; 0: RSA */
    bool iv_prefixed; /* the ciphertext begins with its IV */
    uint8_t iv[MAX_BLOCK];
    const uint8_t *in;
    size_t in_len;
    core_secret scratch; /* a copy of the input if it overlaps the output; wiped when closed */
} operation;

static core_status take_iv(ekm_call *call, const ekm_data *data, operation *op)
{
    op->iv_prefixed = data->count == 0 && op->block > 0;
    if (data->count == 0)
        return ST_OK;
    const SqlCpEncryptionParam *iv = data->params;
    if (op->block == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "an RSA key takes no IV");
    if (!iv->pb || iv->cb < op->block || iv->cb > scp_MaxIV)
        return core_fail(&call->err, ST_INVALID_ARGUMENT,
                         "the IV has %u bytes, %zu to %d are required", (unsigned)iv->cb, op->block,
                         (int)scp_MaxIV);
    memcpy(op->iv, iv->pb, op->block);
    return ST_OK;
}

static core_status check_arguments(ekm_call *call, const ekm_data *data, size_t limit)
{
    if (!data->out)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "output is NULL");
    if (data->count > 0 && !data->params)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "params is NULL");
    if (data->count > 1)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "%u parameters, at most one is allowed",
                         (unsigned)data->count);
    if (data->count > 0 && data->params->type != scp_ep_IV)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "parameter type %u is not the IV",
                         (unsigned)data->params->type);
    if (!data->final)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "multi-part data is not supported");
    return ekm_check_data(data->in, limit, "input", &call->err);
}

/* Checks all arguments and finds the key. */
static core_status prepare(ekm_call *call, const ekm_data *data, size_t limit, operation *op)
{
    core_status st = check_arguments(call, data, limit);
    if (st == ST_OK)
        st = ekm_key_by_thumb(call, data->thumb);
    if (st != ST_OK)
        return st;
    op->block = core_algorithm_iv_bits(tok_key_info_of(call->key)->algorithm) / 8;
    op->in = data->in->cb > 0 ? data->in->pb : (const uint8_t *)"";
    op->in_len = data->in->cb;
    op->scratch = (core_secret){0};
    return take_iv(call, data, op);
}

/* Copies an input that overlaps the output: not every token supports that. */
static core_status copy_overlapping_input(ekm_call *call, const ekm_data *data, operation *op)
{
    if (op->in_len == 0 || !ekm_overlap(op->in, op->in_len, data->out->pb, data->out->cb))
        return ST_OK;
    core_status st = core_secret_copy(&op->scratch, op->in, op->in_len);
    if (st != ST_OK)
        return core_fail(&call->err, st, "no locked memory for the input");
    op->in = op->scratch.data;
    return ST_OK;
}

core_status ekm_encrypt(ekm_call *call, const ekm_data *data)
{
    operation op;
    core_status st = prepare(call, data, EKM_MAX_PLAIN, &op);
    if (st != ST_OK)
        return st;
    if (op.block == 0 && op.in_len > tok_encrypt_max(call->key))
        return core_fail(&call->err, ST_DATA_LENGTH, "key \"%s\" encrypts at most %zu bytes",
                         tok_key_info_of(call->key)->name, tok_encrypt_max(call->key));
    SqlCpData *out = data->out;
    size_t prefix = op.iv_prefixed ? op.block : 0;
    size_t need = prefix + tok_encrypt_size(call->key, op.in_len);
    if (!ekm_fits(out->pb, out->cb, need)) {
        out->cb = (SqlCpUlong)need;
        return ST_BUFFER_TOO_SMALL;
    }
    size_t length = out->cb - prefix;
    st = copy_overlapping_input(call, data, &op);
    if (st == ST_OK)
        st = ekm_key_check(call);
    if (st == ST_OK && op.iv_prefixed)
        st = core_random_iv(op.iv, op.block);
    if (st == ST_OK)
        st = tok_encrypt(call->key, op.block ? op.iv : NULL, op.block, op.in, op.in_len,
                         out->pb + prefix, &length, &call->err);
    if (st == ST_OK)
        st = ekm_audit(call, ST_OK);
    if (st == ST_OK) {
        memcpy(out->pb, op.iv, prefix);
        out->cb = (SqlCpUlong)(prefix + length);
    }
    core_secret_close(&op.scratch);
    return st;
}

/* Takes the IV from the beginning of a ciphertext. An input without at least one block after the IV
 * was not made by ekm_encrypt. */
static core_status split_iv(ekm_call *call, operation *op)
{
    if (!op->iv_prefixed)
        return ST_OK;
    if (op->in_len < 2 * op->block)
        return core_fail(&call->err, ST_DECRYPT_FAILED, "decryption failed");
    memcpy(op->iv, op->in, op->block);
    op->in += op->block;
    op->in_len -= op->block;
    return ST_OK;
}

core_status ekm_decrypt(ekm_call *call, const ekm_data *data)
{
    operation op;
    core_status st = prepare(call, data, EKM_MAX_CIPHER, &op);
    if (st == ST_OK)
        st = split_iv(call, &op);
    if (st != ST_OK)
        return st;
    SqlCpData *out = data->out;
    /* Decrypt into any buffer that is not empty: the plaintext may be shorter than the upper bound.
     */
    if (!out->pb || out->cb == 0) {
        out->cb = (SqlCpUlong)tok_decrypt_size(call->key, op.in_len);
        return ST_BUFFER_TOO_SMALL;
    }
    size_t length = out->cb;
    st = copy_overlapping_input(call, data, &op);
    if (st == ST_OK)
        st = ekm_key_check(call);
    if (st == ST_OK)
        st = tok_decrypt(call->key, op.block ? op.iv : NULL, op.block, op.in, op.in_len, out->pb,
                         &length, &call->err);
    if (st == ST_OK && (st = ekm_audit(call, ST_OK)) != ST_OK)
        core_wipe(out->pb, length);
    else if (st == ST_OK || st == ST_BUFFER_TOO_SMALL)
        out->cb = (SqlCpUlong)length;
    core_secret_close(&op.scratch);
    return st;
}
