/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of `p11accept drive`: keys and data. Two keys are made, used and dropped. See drive.h.
 */
#include "tools/accept/drive.h"

#include <stdio.h>
#include <string.h>

enum { RSA = 0, PLAIN = 32, MOST_DATA = 2048, UNUSED = 0x77 };

static const char *const names[DRIVE_KEYS] = {"P11ACC_DRIVE_RSA", "P11ACC_DRIVE_AES"};

static SqlCpKeyThumbprint thumb_of(drive *d, size_t key)
{
    return (SqlCpKeyThumbprint){d->info.cbKeyThumbLen, d->thumbs[key]};
}

bool drive_create(drive *d)
{
    for (size_t i = 0; i < DRIVE_KEYS; i++) {
        SqlCpWchar buffer[64];
        SqlCpStr name = drive_text(names[i], buffer, 64);
        SqlCpKeyThumbprint thumb = {0, NULL};
        if (d->algorithms[i] == 0)
            return drive_fail(d, "%s is not offered", i == RSA ? "RSA_2048" : "AES_256");
        SqlCpError code =
            d->call.SqlCryptCreateKey(&d->session, &name, d->algorithms[i], 0, &thumb);
        if (!drive_code(d, "CreateKey without a buffer", code, scp_err_InsufficientBuffer))
            return false;
        if (thumb.pb || thumb.cb != d->info.cbKeyThumbLen)
            return drive_fail(d, "CreateKey states a thumbprint of %u bytes", thumb.cb);
        thumb.pb = d->thumbs[i];
        code = d->call.SqlCryptCreateKey(&d->session, &name, d->algorithms[i], 0, &thumb);
        if (!drive_code(d, "CreateKey with a buffer", code, scp_err_Success))
            return false;
    }
    return true;
}

/* Queries a key twice, by name or by thumbprint (`by_name`). */
static SqlCpError ask_key(drive *d, size_t key, bool by_name, SqlCpKeyInfo *info)
{
    SqlCpWchar buffer[64];
    SqlCpStr name = drive_text(names[key], buffer, 64);
    SqlCpKeyThumbprint thumb = thumb_of(d, key);
    return by_name ? d->call.SqlCryptGetKeyInfoByName(&d->session, &name, info)
                   : d->call.SqlCryptGetKeyInfoByThumb(&d->session, &thumb, info);
}

static bool find_one(drive *d, size_t key, bool by_name)
{
    SqlCpWchar name[scp_MaxKeyName / 2];
    SqlCpWchar wanted_room[64];
    SqlCpByte thumb[scp_MaxThumbprint];
    SqlCpKeyInfo info = {0};
    SqlCpStr wanted = drive_text(names[key], wanted_room, 64);
    SqlCpError code = ask_key(d, key, by_name, &info);
    if (!drive_code(d, "GetKeyInfo without buffers", code, scp_err_InsufficientBuffer))
        return false;
    if (info.name.cb != wanted.cb || info.thumb.cb != d->info.cbKeyThumbLen || info.name.ws ||
        info.thumb.pb)
        return drive_fail(d, "GetKeyInfo states %u and %u bytes, or set a pointer", info.name.cb,
                          info.thumb.cb);
    info.name.ws = name;
    info.thumb.pb = thumb;
    code = ask_key(d, key, by_name, &info);
    if (!drive_code(d, "GetKeyInfo with buffers", code, scp_err_Success))
        return false;
    return (memcmp(name, wanted.ws, wanted.cb) == 0 &&
            memcmp(thumb, d->thumbs[key], info.thumb.cb) == 0 &&
            info.algId == d->algorithms[key]) ||
           drive_fail(d, "GetKeyInfo describes another key than %s", names[key]);
}

bool drive_find(drive *d)
{
    return find_one(d, 0, true) && find_one(d, 0, false) && find_one(d, 1, true) &&
           find_one(d, 1, false);
}

bool drive_export(drive *d)
{
    static const SqlCpByte magic[] = {'R', 'S', 'A', '1'};
    SqlCpByte buffer[scp_MaxKeyBlob];
    SqlCpKeyThumbprint thumb = thumb_of(d, RSA);
    SqlCpKeyBlob blob = {0, NULL};
    SqlCpError code =
        d->call.SqlCryptExportKey(&d->session, &thumb, NULL, scp_kb_PublicKeyBlob, &blob);
    if (!drive_code(d, "ExportKey without a buffer", code, scp_err_InsufficientBuffer))
        return false;
    if (blob.pb || blob.cb > sizeof buffer)
        return drive_fail(d, "ExportKey states %u bytes", blob.cb);
    blob.pb = buffer;
    code = d->call.SqlCryptExportKey(&d->session, &thumb, NULL, scp_kb_PublicKeyBlob, &blob);
    if (!drive_code(d, "ExportKey with a buffer", code, scp_err_Success))
        return false;
    return (blob.cb > sizeof magic && memcmp(buffer, magic, sizeof magic) == 0) ||
           drive_fail(d, "the blob does not begin with RSA1");
}

typedef SqlCpError (*data_call)(const SqlCpSession *, const SqlCpKeyThumbprint *, SqlCpBoolean,
                                const SqlCpEncryptionParam *, SqlCpUlong, const SqlCpData *,
                                SqlCpData *);

/* Encrypts or decrypts: queries the size, then gets the data, and checks the size and the time
 * limit. */
static bool run_data(drive *d, data_call call, const char *function, size_t key, SqlCpData *in,
                     SqlCpData *out)
{
    SqlCpKeyThumbprint thumb = thumb_of(d, key);
    SqlCpByte *buffer = out->pb;
    uint64_t started = host_microseconds();
    *out = (SqlCpData){0, NULL};
    SqlCpError code = call(&d->session, &thumb, 1, NULL, 0, in, out);
    if (!drive_code(d, function, code, scp_err_InsufficientBuffer))
        return false;
    SqlCpUlong stated = out->cb;
    if (out->pb || stated == 0 || stated >= MOST_DATA)
        return drive_fail(d, "%s states %u bytes", function, stated);
    memset(buffer, UNUSED, MOST_DATA);
    out->pb = buffer;
    code = call(&d->session, &thumb, 1, NULL, 0, in, out);
    if (!drive_code(d, function, code, scp_err_Success))
        return false;
    if (out->cb > stated || buffer[stated] != UNUSED)
        return drive_fail(d, "%s wrote %u bytes or more, %u were stated", function, out->cb,
                          stated);
    uint64_t us = host_microseconds() - started;
    return us <= d->limit_us ||
           drive_fail(d, "%s took %llu ms, more than %llu", function, (unsigned long long)us / 1000,
                      (unsigned long long)d->limit_us / 1000);
}

bool drive_round_trip(drive *d)
{
    for (size_t i = 0; i < DRIVE_KEYS; i++) {
        SqlCpByte plain[PLAIN];
        SqlCpByte sealed[MOST_DATA];
        SqlCpByte opened[MOST_DATA];
        for (size_t j = 0; j < PLAIN; j++)
            plain[j] = (SqlCpByte)(j * 7 + i);
        SqlCpData in = {PLAIN, plain};
        SqlCpData middle = {0, sealed};
        SqlCpData out = {0, opened};
        if (!run_data(d, d->call.SqlCryptEncrypt, "Encrypt", i, &in, &middle) ||
            !run_data(d, d->call.SqlCryptDecrypt, "Decrypt", i, &middle, &out))
            return false;
        if (out.cb != PLAIN || memcmp(opened, plain, PLAIN) != 0)
            return drive_fail(d, "%s decrypts to other data", names[i]);
        if (middle.cb >= PLAIN && memcmp(sealed, plain, PLAIN) == 0)
            return drive_fail(d, "%s does not encrypt", names[i]);
    }
    return true;
}

bool drive_drop(drive *d)
{
    for (size_t i = 0; i < DRIVE_KEYS; i++) {
        SqlCpKeyThumbprint thumb = thumb_of(d, i);
        SqlCpError code = d->call.SqlCryptDropKey(&d->session, &thumb);
        if (!drive_code(d, "DropKey", code, scp_err_Success))
            return false;
    }
    return true;
}
