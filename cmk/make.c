/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates encrypted column encryption keys, and signs and verifies the metadata of column master
 * keys.
 */
#include "cmk/store_private.h"

#include <string.h>
#include "cmk/signature.h"
#include "core/crypto.h"
#include "pkcs11/key_state.h"

/* An ECEK that is being created: the header is written; `wrapped` bytes of ciphertext follow at
 * `blob + offset`. */
typedef struct draft {
    uint8_t *blob;
    size_t offset;
    size_t wrapped;
    size_t modulus_len;
} draft;

static core_status draft_begin(cmk_call *call, tok_key *key, const char *path, uint8_t *out,
                               size_t *out_len, draft *d)
{
    size_t needed = 0;
    *d = (draft){.blob = out, .modulus_len = tok_key_info_of(key)->modulus_len};
    d->wrapped = d->modulus_len;
    core_status st = cmk_ecek_size(path, d->modulus_len, &needed, call->err);
    if (st != ST_OK)
        return st;
    if (out == NULL || *out_len < needed) {
        *out_len = needed;
        return core_fail(call->err, ST_BUFFER_TOO_SMALL,
                         "encrypted column encryption key: it has %zu bytes; give a larger buffer",
                         needed);
    }
    *out_len = needed;
    st = cmk_ecek_begin(path, d->modulus_len, out, needed, &d->offset, call->err);
    return st == ST_OK ? tok_key_check_usage(key, TOK_CAN_SIGN, call->err) : st;
}

/* Signs the header and ciphertext, and verifies the signature with the public key. A token that
 * miscalculates must not produce a value that cannot be decrypted, or a faulty signature that
 * reveals the private key. */
static core_status draft_sign(cmk_call *call, tok_key *key, const draft *d)
{
    const size_t signed_len = d->offset + d->modulus_len;
    size_t sig_len = d->modulus_len;
    if (d->wrapped != d->modulus_len)
        return core_fail(
            call->err, ST_DEVICE,
            "key \"%s\": the token made a ciphertext of %zu bytes; run p11ekm probe, and report "
            "it to the token's vendor",
            tok_key_info_of(key)->name, d->wrapped);
    core_status st =
        tok_rsa_sign(key, d->blob, signed_len, d->blob + signed_len, &sig_len, call->err);
    if (st == ST_OK && cmk_signature_verify(key, d->blob, signed_len, d->blob + signed_len, sig_len,
                                            false) != ST_OK)
        st = core_fail(call->err, ST_SIGN_FAILED,
                       "key \"%s\": the token's signature does not verify; run p11ekm probe",
                       tok_key_info_of(key)->name);
    return st;
}

/* Ends the call. On failure wipes the `size` bytes of `out` and sets *out_len to 0, except for a
 * size query. */
static core_status make_end(cmk_call *call, core_status st, uint8_t *out, size_t size,
                            size_t *out_len)
{
    st = cmk_call_end(call, st);
    if (st != ST_OK && out != NULL)
        core_wipe(out, size);
    if (st != ST_OK && st != ST_BUFFER_TOO_SMALL)
        *out_len = 0;
    return st;
}

static core_status wrap_known(cmk_call *call, tok_key *key, const uint8_t cek[CMK_CEK_LEN],
                              draft *d)
{
    return tok_rsa_encrypt(key, CORE_PAD_OAEP_SHA1, cek, CMK_CEK_LEN, d->blob + d->offset,
                           &d->wrapped, call->err);
}

core_status cmk_encrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                            const uint8_t *cek, size_t cek_len, uint8_t *out, size_t *out_len,
                            core_err *err)
{
    const size_t size = *out_len;
    cmk_call call;
    draft d;
    core_status st = cmk_call_begin(&call, store, "EncryptCEK", CORE_AUDIT_KEY, path, err);
    if (st == ST_OK)
        st = cmk_call_algorithm(&call, algorithm);
    if (st == ST_OK && (cek == NULL || cek_len != CMK_CEK_LEN))
        st = core_fail(call.err, ST_DATA_LENGTH,
                       "column encryption key: %zu bytes instead of %d; give a key for "
                       "AEAD_AES_256_CBC_HMAC_SHA_256",
                       cek == NULL ? 0 : cek_len, CMK_CEK_LEN);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&call);
    if (st == ST_OK)
        st = draft_begin(&call, call.key, path, out, out_len, &d);
    if (st == ST_OK)
        st = wrap_known(&call, call.key, cek, &d);
    if (st == ST_OK)
        st = draft_sign(&call, call.key, &d);
    return make_end(&call, st, out, size, out_len);
}

/* True if the token lacks a mechanism, or the key lacks the right to wrap or unwrap. */
static bool is_inability(core_status st)
{
    return st == ST_MECHANISM || st == ST_KEY_USAGE;
}

/* Adds the next step to that error. */
static core_status token_cannot(cmk_call *call, const tok_key *key, core_status st)
{
    const core_err why = *call->err;
    return core_fail(call->err, st,
                     "token \"%s\" cannot keep a column encryption key inside (%.300s); allow the "
                     "software path (--software, P11EKM_CMK_ALLOW_SOFTWARE)",
                     tok_token_info_of(tok_key_token(key))->label, core_err_text(&why, st));
}

static core_status generate_software(cmk_call *call, draft *d)
{
    uint8_t cek[CMK_CEK_LEN];
    core_status st = core_random(cek, sizeof cek);
    d->wrapped = d->modulus_len;
    st = st == ST_OK ? wrap_known(call, call->key, cek, d)
                     : core_fail(call->err, st, "%s", core_status_text(st));
    core_wipe(cek, sizeof cek);
    return st;
}

core_status cmk_generate_cek(cmk_store *store, const char *path, const char *algorithm,
                             cmk_where where, uint8_t *out, size_t *out_len, core_err *err)
{
    const size_t size = *out_len;
    cmk_call call;
    draft d;
    core_status st = cmk_call_begin(&call, store, "GenerateCEK", CORE_AUDIT_KEY, path, err);
    if (st == ST_OK)
        st = cmk_call_algorithm(&call, algorithm);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&call);
    if (st == ST_OK)
        st = draft_begin(&call, call.key, path, out, out_len, &d);
    if (st == ST_OK) {
        st = tok_wrap_new(call.key, CMK_CEK_LEN, d.blob + d.offset, &d.wrapped, call.err);
        if (is_inability(st))
            st = where == CMK_SOFTWARE_ALLOWED ? generate_software(&call, &d)
                                               : token_cannot(&call, call.key, st);
    }
    if (st == ST_OK)
        st = draft_sign(&call, call.key, &d);
    return make_end(&call, st, out, size, out_len);
}

static core_status rewrap_software(cmk_call *call, tok_key *to, const cmk_ecek *ecek, draft *d)
{
    uint8_t cek[CMK_CEK_LEN];
    d->wrapped = d->modulus_len;
    core_status st = cmk_open_ecek(call->key, ecek, cek, call->err);
    if (st == ST_OK)
        st = wrap_known(call, to, cek, d);
    core_wipe(cek, sizeof cek);
    return st;
}

/* Both keys have been found, and the old ECEK has been verified. */
static core_status rewrap(cmk_call *call, tok_key *to, const cmk_ecek *ecek, cmk_where where,
                          draft *d)
{
    core_status st = tok_key_check_usage(call->key, 0, call->err);
    if (st == ST_OK)
        st = tok_rewrap(call->key, to, ecek->ciphertext, ecek->ciphertext_len, CMK_CEK_LEN,
                        d->blob + d->offset, &d->wrapped, call->err);
    if (is_inability(st))
        st = where == CMK_SOFTWARE_ALLOWED ? rewrap_software(call, to, ecek, d)
                                           : token_cannot(call, to, st);
    return st == ST_OK ? draft_sign(call, to, d) : st;
}

/* Ends the call for the new key, which has an audit record of its own. */
static core_status target_end(cmk_call *target, core_status st)
{
    if (st == ST_OK)
        return cmk_call_end(target, st);
    if (target->key != NULL)
        tok_key_release(target->key);
    return st;
}

core_status cmk_rewrap_cek(cmk_store *store, const char *old_path, const char *new_path,
                           const char *algorithm, const uint8_t *ecek, size_t length,
                           cmk_where where, uint8_t *out, size_t *out_len, core_err *err)
{
    const size_t size = *out_len;
    cmk_call call, target = {0};
    cmk_ecek parts;
    draft d;
    core_status st = cmk_call_begin(&call, store, "RewrapCEK", CORE_AUDIT_KEY, old_path, err);
    if (st == ST_OK)
        st = cmk_call_begin(&target, store, "RewrapCEKTo", CORE_AUDIT_KEY, new_path, call.err);
    if (st == ST_OK)
        st = cmk_call_algorithm(&call, algorithm);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&call);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&target);
    if (st == ST_OK)
        st = cmk_check_ecek(store, call.key, ecek, length, &parts, call.err);
    if (st == ST_OK)
        st = draft_begin(&call, target.key, new_path, out, out_len, &d);
    if (st == ST_OK)
        st = rewrap(&call, target.key, &parts, where, &d);
    st = target_end(&target, st);
    return make_end(&call, st, out, size, out_len);
}

core_status cmk_describe_key(cmk_store *store, const char *path, tok_key_info *out, core_err *err)
{
    cmk_call call;
    *out = (tok_key_info){0};
    core_status st = cmk_call_begin(&call, store, "DescribeKey", CORE_AUDIT_DATA, path, err);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&call);
    if (st == ST_OK)
        *out = *tok_key_info_of(call.key);
    return cmk_call_end(&call, st);
}

core_status cmk_sign_metadata(cmk_store *store, const char *path, bool enclave, uint8_t *sig,
                              size_t *sig_len, core_err *err)
{
    const size_t size = *sig_len;
    uint8_t *message = NULL;
    size_t length = 0;
    cmk_call call;
    core_status st = cmk_call_begin(&call, store, "SignCMK", CORE_AUDIT_KEY, path, err);
    if (st == ST_OK)
        st = cmk_call_key_fresh(&call);
    if (st == ST_OK)
        st = cmk_metadata_message(CMK_PROVIDER_NAME, path, enclave, &message, &length, call.err);
    if (st == ST_OK)
        st = tok_rsa_sign(call.key, message, length, sig, sig_len, call.err);
    if (st == ST_OK &&
        cmk_signature_verify(call.key, message, length, sig, *sig_len, false) != ST_OK)
        st = core_fail(call.err, ST_SIGN_FAILED,
                       "key \"%s\": the token's signature does not verify; run p11ekm probe",
                       tok_key_info_of(call.key)->name);
    core_free(message);
    return make_end(&call, st, sig, size, sig_len);
}

core_status cmk_verify_metadata(cmk_store *store, const char *path, bool enclave,
                                const uint8_t *sig, size_t sig_len, core_err *err)
{
    uint8_t *message = NULL;
    size_t length = 0;
    bool fresh = false;
    cmk_call call;
    core_status st = cmk_call_begin(&call, store, "VerifyCMK", CORE_AUDIT_DATA, path, err);
    if (st == ST_OK && (sig == NULL || sig_len == 0))
        st = core_fail(call.err, ST_SIGNATURE_INVALID,
                       "column master key: it has no signature; create it with "
                       "ENCLAVE_COMPUTATIONS (p11ekm cmk sql)");
    if (st == ST_OK)
        st = cmk_call_key(&call, &fresh);
    if (st == ST_OK)
        st = cmk_metadata_message(CMK_PROVIDER_NAME, path, enclave, &message, &length, call.err);
    if (st == ST_OK)
        st = cmk_signature_verify(call.key, message, length, sig, sig_len,
                                  store->config->accept_double_hash);
    if (st == ST_SIGNATURE_INVALID && call.err->text[0] == '\0')
        st = core_fail(
            call.err, st,
            "column master key: the signature of its metadata does not verify with key "
            "\"%s\": provider name, key path or enclave setting was changed, or it was "
            "signed with another key; create the column master key again by p11ekm cmk sql "
            "if its definition is right",
            tok_key_info_of(call.key)->name);
    core_free(message);
    return cmk_call_end(&call, st);
}
