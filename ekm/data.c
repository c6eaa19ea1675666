/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypt and Decrypt. Sizes are answered from the key alone. A symmetric ciphertext made without
 * an IV of the caller's carries its random IV in front; with one, it is the bare CBC output. The
 * two forms differ by the parameters of the call only, as SQL Server gives the same ones again.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "ekm/key_private.h"

enum { MAX_BLOCK = 16 };

/* One operation, taken apart. */
typedef struct operation {
    size_t block; /* bytes of the IV the key needs; 0: RSA */
    bool carried; /* the IV stands in front of the ciphertext */
    uint8_t iv[MAX_BLOCK];
    const uint8_t *in;
    size_t in_len;
    core_secret scratch; /* a copy of the input, where it overlaps the output */
} operation;

static core_status take_iv(ekm_call *call, const ekm_data *data, operation *op)
{
    op->carried = data->count == 0 && op->block > 0;
    if (data->count == 0)
        return ST_OK;
    const SqlCpEncryptionParam *iv = data->params;
    if (op->block == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "an RSA key takes no IV");
    if (!iv->pb || iv->cb < op->block || iv->cb > scp_MaxIV)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "the IV has %u bytes, %zu to %d are due",
                         (unsigned)iv->cb, op->block, (int)scp_MaxIV);
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
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "%u parameters, at most one is taken",
                         (unsigned)data->count);
    if (data->count > 0 && data->params->type != scp_ep_IV)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "parameter type %u is not the IV",
                         (unsigned)data->params->type);
    if (!data->final)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "data in parts is not supported");
    return ekm_check_data(data->in, limit, "input", &call->err);
}

/* Checks everything and finds the key. */
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

/* Input and output may be one buffer; a token may not like that. */
static core_status separate(ekm_call *call, const ekm_data *data, operation *op)
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
    size_t front = op.carried ? op.block : 0;
    size_t need = front + tok_encrypt_size(call->key, op.in_len);
    if (!ekm_fits(out->pb, out->cb, need)) {
        out->cb = (SqlCpUlong)need;
        return ST_BUFFER_TOO_SMALL;
    }
    size_t length = out->cb - front;
    st = separate(call, data, &op);
    if (st == ST_OK)
        st = ekm_key_check(call);
    if (st == ST_OK && op.carried)
        st = core_random(op.iv, op.block);
    if (st == ST_OK)
        st = tok_encrypt(call->key, op.block ? op.iv : NULL, op.block, op.in, op.in_len,
                         out->pb + front, &length, &call->err);
    if (st == ST_OK)
        st = ekm_audit(call, ST_OK);
    if (st == ST_OK) {
        memcpy(out->pb, op.iv, front);
        out->cb = (SqlCpUlong)(front + length);
    }
    core_secret_close(&op.scratch);
    return st;
}

/* Takes the IV from the front of a ciphertext. What is too short for one was not made here. */
static core_status split_iv(ekm_call *call, operation *op)
{
    if (!op->carried)
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
    /* With any room at all it is tried: the plaintext may be shorter than the bound. */
    if (!out->pb || out->cb == 0) {
        out->cb = (SqlCpUlong)tok_decrypt_size(call->key, op.in_len);
        return ST_BUFFER_TOO_SMALL;
    }
    size_t length = out->cb;
    st = separate(call, data, &op);
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
