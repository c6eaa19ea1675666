/* SPDX-License-Identifier: Apache-2.0
 *
 * The description of a key for SQL Server: name, thumbprint, algorithm and flags, and the public
 * key of an RSA key. The blob is a BCRYPT_RSAPUBLIC_BLOB of CNG by default. It is not known whether
 * any version of SQL Server needs one of the other two forms, so `export_blob` can select them.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "core/text.h"
#include "ekm/key_private.h"

enum { CNG_HEADER = 24, CAPI_HEADER = 20, RSA1_MAGIC = 0x31415352, CALG_RSA_KEYX = 0xA400 };

/* A label that is not valid UTF-8, or is too long for a key name of SQL Server, is replaced by the
 * thumbprint in hex: databases refer to the key by its thumbprint, so it must remain usable. */
static core_status shown_name(const tok_key_info *key, uint8_t *out, size_t *length)
{
    size_t size = *length;
    if (key->name[0] && core_utf8_to_utf16(key->name, out, length) == ST_OK)
        return ST_OK;
    char hex[2 * TOK_THUMB_LEN + 1];
    core_hex(key->thumb, TOK_THUMB_LEN, hex);
    *length = size;
    return core_utf8_to_utf16(hex, out, length);
}

core_status ekm_key_info(ekm_call *call, SqlCpKeyInfo *info)
{
    if (!info)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "info is NULL");
    const tok_key_info *key = tok_key_info_of(call->key);
    uint8_t name[scp_MaxKeyName];
    size_t length = sizeof name;
    core_status st = shown_name(key, name, &length);
    if (st != ST_OK)
        return core_fail(&call->err, ST_FAILURE, "the name of a key cannot be converted to UTF-16");
    bool fits = ekm_fits(info->name.ws, info->name.cb, length) &&
                ekm_fits(info->thumb.pb, info->thumb.cb, TOK_THUMB_LEN);
    info->name.cb = (SqlCpUlong)length;
    info->thumb.cb = TOK_THUMB_LEN;
    if (!fits)
        return ST_BUFFER_TOO_SMALL;
    memcpy(info->name.ws, name, length);
    memcpy(info->thumb.pb, key->thumb, TOK_THUMB_LEN);
    info->algId = ekm_algorithm_id(key->algorithm);
    info->flags = scp_kf_Supported | (key->persistent ? 0U : (SqlCpKeyFlags)scp_kf_Volatile) |
                  (key->extractable ? (SqlCpKeyFlags)scp_kf_Exportable : 0U);
    return ST_OK;
}

static void put_le32(uint8_t *at, size_t value)
{
    for (unsigned n = 0; n < 4; n++)
        at[n] = (uint8_t)(value >> (8 * n));
}

/* BCRYPT_RSAKEY_BLOB: magic, bits, lengths of exponent, modulus and (none) primes; numbers are big
 * endian. */
static core_status cng_blob(const tok_key_info *key, uint8_t *out, size_t *length, core_err *err)
{
    (void)err;
    put_le32(out, RSA1_MAGIC);
    put_le32(out + 4, key->bits);
    put_le32(out + 8, key->exponent_len);
    put_le32(out + 12, key->modulus_len);
    put_le32(out + 16, 0);
    put_le32(out + 20, 0);
    memcpy(out + CNG_HEADER, key->exponent, key->exponent_len);
    memcpy(out + CNG_HEADER + key->exponent_len, key->modulus, key->modulus_len);
    *length = CNG_HEADER + key->exponent_len + key->modulus_len;
    return ST_OK;
}

/* PUBLICKEYBLOB: type 6, version 2, algorithm; magic, bits, exponent; the modulus is little endian.
 */
static core_status capi_blob(const tok_key_info *key, uint8_t *out, size_t *length, core_err *err)
{
    if (key->exponent_len > 4)
        return core_fail(err, ST_NOT_SUPPORTED,
                         "key \"%s\": its exponent does not fit a CAPI blob; use export_blob = cng",
                         key->name);
    size_t exponent = 0;
    for (size_t n = 0; n < key->exponent_len; n++)
        exponent = exponent << 8 | key->exponent[n];
    put_le32(out, 0x0206);
    put_le32(out + 4, CALG_RSA_KEYX);
    put_le32(out + 8, RSA1_MAGIC);
    put_le32(out + 12, key->bits);
    put_le32(out + 16, exponent);
    for (size_t n = 0; n < key->modulus_len; n++)
        out[CAPI_HEADER + n] = key->modulus[key->modulus_len - 1 - n];
    *length = CAPI_HEADER + key->modulus_len;
    return ST_OK;
}

static size_t der_header(const uint8_t *der)
{
    return der[1] < 0x80 ? 2 : 2 + (size_t)(der[1] & 0x7f);
}

/* PKCS#1 RSAPublicKey: the content of the bit string at the end of a SubjectPublicKeyInfo. */
static core_status der_blob(const tok_key_info *key, uint8_t *out, size_t *length, core_err *err)
{
    enum { ALGORITHM = 15 }; /* SEQUENCE of rsaEncryption and NULL */
    uint8_t *spki = NULL;
    size_t size = 0;
    core_status st = core_rsa_spki(key->modulus, key->modulus_len, key->exponent, key->exponent_len,
                                   &spki, &size);
    if (st != ST_OK)
        return core_fail(err, st, "key \"%s\": its public part cannot be encoded", key->name);
    size_t at = der_header(spki) + ALGORITHM;
    at += der_header(spki + at) + 1;
    st = size - at <= scp_MaxKeyBlob ? ST_OK : ST_NOT_SUPPORTED;
    if (st == ST_OK) {
        *length = size - at;
        memcpy(out, spki + at, *length);
    }
    core_free(spki);
    return st;
}

typedef core_status (*blob_maker)(const tok_key_info *key, uint8_t *out, size_t *length,
                                  core_err *err);
static const blob_maker blob_makers[] = {
    [CORE_BLOB_CNG] = cng_blob, [CORE_BLOB_CAPI] = capi_blob, [CORE_BLOB_DER] = der_blob};

static core_status check_export(ekm_call *call, const SqlCpKeyThumbprint *encryptor,
                                SqlCpKeyBlobType type, const SqlCpKeyBlob *blob)
{
    if (!blob)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "blob is NULL");
    if (encryptor && encryptor->cb > 0)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "export under another key is not supported");
    if (type == scp_kb_SimpleBlob)
        return core_fail(&call->err, ST_NOT_SUPPORTED, "only public keys are exported");
    if (type != scp_kb_PublicKeyBlob)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "blob type %u", (unsigned)type);
    return ST_OK;
}

core_status ekm_key_export(ekm_call *call, const SqlCpKeyThumbprint *thumb,
                           const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                           SqlCpKeyBlob *blob)
{
    core_status st = check_export(call, encryptor, type, blob);
    if (st == ST_OK)
        st = ekm_key_by_thumb(call, thumb);
    if (st != ST_OK)
        return st;
    const tok_key_info *key = tok_key_info_of(call->key);
    if (!key->rsa)
        return core_fail(&call->err, ST_NOT_SUPPORTED,
                         "key \"%s\" is symmetric; only public keys are exported", key->name);
    uint8_t bytes[scp_MaxKeyBlob];
    size_t length = 0;
    st = blob_makers[call->config->export_blob](key, bytes, &length, &call->err);
    return st == ST_OK ? ekm_write_output(blob, bytes, length) : st;
}

/* Import is not supported, and SQL Server does not call it. The arguments are checked first, so
 * that an invalid call is reported as such. */
core_status ekm_key_import(ekm_call *call, const SqlCpStr *name,
                           const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                           SqlCpKeyFlags flags, const SqlCpKeyBlob *blob)
{
    (void)flags;
    core_status st = ekm_check_text(name, scp_MaxKeyName, "the key name", &call->err);
    if (st == ST_OK)
        st = ekm_check_data(blob, scp_MaxKeyBlob, "blob", &call->err);
    if (st == ST_OK && decryptor)
        st = ekm_check_data(decryptor, scp_MaxThumbprint, "decryptor", &call->err);
    if (st == ST_OK && type != scp_kb_SimpleBlob && type != scp_kb_PublicKeyBlob)
        st = core_fail(&call->err, ST_INVALID_ARGUMENT, "blob type %u", (unsigned)type);
    return st == ST_OK ? core_fail(&call->err, ST_NOT_SUPPORTED, "keys cannot be imported") : st;
}
