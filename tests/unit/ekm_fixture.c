/* SPDX-License-Identifier: Apache-2.0
 *
 * Short forms of the EKM functions for the suites: see ekm_fixture.h.
 */
#include <string.h>
#include "core/text.h"
#include "tests/unit/ekm_fixture.h"

const SqlCpStr *fx_str(fx_text *text, const char *utf8)
{
    size_t cb = sizeof text->ws;
    if (core_utf8_to_utf16(utf8, text->ws, &cb) != ST_OK)
        CU_FAIL_FATAL("a text of the test is no UTF-8, or too long");
    text->str.cb = (SqlCpUlong)cb;
    text->str.ws = text->ws;
    return &text->str;
}

SqlCpAlgId fx_alg(core_algorithm algorithm)
{
    return (SqlCpAlgId)algorithm + 1;
}

SqlCpError fx_open(const char *identity, const char *pin, SqlCpSession *out)
{
    fx_text name;
    fx_text secret;
    SqlCpCredential credential = {*fx_str(&name, identity), *fx_str(&secret, pin)};
    return SqlCryptOpenSession(&credential, out);
}

SqlCpError fx_create(SqlCpSession s, const char *name, core_algorithm algorithm,
                     SqlCpKeyFlags flags, uint8_t thumb[FX_THUMB])
{
    fx_text text;
    SqlCpKeyThumbprint out = {0, NULL};
    SqlCpError e = SqlCryptCreateKey(&s, fx_str(&text, name), fx_alg(algorithm), flags, &out);
    if (e != scp_err_InsufficientBuffer)
        return e;
    CU_ASSERT_EQUAL(out.cb, FX_THUMB);
    out.pb = thumb;
    return SqlCryptCreateKey(&s, fx_str(&text, name), fx_alg(algorithm), flags, &out);
}

SqlCpError fx_drop(SqlCpSession s, const uint8_t thumb[FX_THUMB])
{
    uint8_t copy[FX_THUMB];
    memcpy(copy, thumb, sizeof copy);
    return SqlCryptDropKey(&s, &(SqlCpKeyThumbprint){FX_THUMB, copy});
}

static SqlCpError info_once(SqlCpSession s, fx_by by, const void *what, SqlCpKeyInfo *info)
{
    fx_text text;
    uint8_t copy[FX_THUMB];
    if (by == FX_BY_ID)
        return SqlCryptGetKeyInfoByKeyId(&s, *(const SqlCpKeyId *)what, info);
    if (by == FX_BY_NAME)
        return SqlCryptGetKeyInfoByName(&s, fx_str(&text, what), info);
    memcpy(copy, what, sizeof copy);
    return SqlCryptGetKeyInfoByThumb(&s, &(SqlCpKeyThumbprint){FX_THUMB, copy}, info);
}

SqlCpError fx_info(SqlCpSession s, fx_by by, const void *what, fx_key *out)
{
    SqlCpWchar name[FX_UNITS];
    SqlCpKeyInfo info = {0};
    SqlCpError e = info_once(s, by, what, &info);
    if (e != scp_err_InsufficientBuffer)
        return e;
    CU_ASSERT_FATAL(info.name.cb <= sizeof name);
    CU_ASSERT_EQUAL_FATAL(info.thumb.cb, FX_THUMB);
    info.name.ws = name;
    info.thumb.pb = out->thumb;
    e = info_once(s, by, what, &info);
    if (e != scp_err_Success)
        return e;
    CU_ASSERT_PTR_EQUAL(info.name.ws, name);
    CU_ASSERT_EQUAL(core_utf16_to_utf8(name, info.name.cb, out->name, sizeof out->name), ST_OK);
    out->alg = info.algId;
    out->flags = info.flags;
    return e;
}

typedef SqlCpError (*crypt)(const SqlCpSession *, const SqlCpKeyThumbprint *, SqlCpBoolean,
                            const SqlCpEncryptionParam *, SqlCpUlong, const SqlCpData *,
                            SqlCpData *);

static SqlCpError twice(crypt function, SqlCpSession s, const uint8_t *thumb, const uint8_t *iv,
                        SqlCpUlong iv_len, const void *in, size_t in_len, uint8_t *out,
                        size_t *out_len)
{
    uint8_t name[FX_THUMB];
    uint8_t vector[512];
    uint8_t data[9000];
    CU_ASSERT_FATAL(in_len <= sizeof data && iv_len <= sizeof vector);
    memcpy(name, thumb, sizeof name);
    if (in_len)
        memcpy(data, in, in_len);
    if (iv)
        memcpy(vector, iv, iv_len);
    SqlCpKeyThumbprint key = {FX_THUMB, name};
    SqlCpEncryptionParam param = {scp_ep_IV, iv_len, vector};
    SqlCpData input = {(SqlCpUlong)in_len, data};
    SqlCpData output = {0, NULL};
    SqlCpUlong count = iv ? 1 : 0;
    SqlCpError e = function(&s, &key, 1, &param, count, &input, &output);
    if (e != scp_err_InsufficientBuffer)
        return e;
    CU_ASSERT_FATAL(output.cb <= *out_len);
    output.pb = out;
    e = function(&s, &key, 1, &param, count, &input, &output);
    if (e == scp_err_Success)
        *out_len = output.cb;
    CU_ASSERT(!iv || memcmp(vector, iv, iv_len) == 0);
    CU_ASSERT(in_len == 0 || memcmp(data, in, in_len) == 0);
    return e;
}

SqlCpError fx_encrypt(SqlCpSession s, const uint8_t *thumb, const uint8_t *iv, SqlCpUlong iv_len,
                      const void *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    return twice(SqlCryptEncrypt, s, thumb, iv, iv_len, in, in_len, out, out_len);
}

SqlCpError fx_decrypt(SqlCpSession s, const uint8_t *thumb, const uint8_t *iv, SqlCpUlong iv_len,
                      const void *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    return twice(SqlCryptDecrypt, s, thumb, iv, iv_len, in, in_len, out, out_len);
}
