/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of `p11accept drive`: life cycle, properties, algorithms and sessions. See drive.h.
 */
#include "tools/accept/drive.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ALGORITHMS = 256 };

bool drive_initialize(drive *d)
{
    d->initialized = drive_code(d, "InitializeProvider", d->call.SqlCryptInitializeProvider(), 0);
    return d->initialized;
}

bool drive_info_size(drive *d)
{
    memset(&d->info, 0, sizeof d->info);
    SqlCpError code = d->call.SqlCryptGetProviderInfo(&d->info);
    if (!drive_code(d, "GetProviderInfo without a buffer", code, scp_err_InsufficientBuffer))
        return false;
    if (d->info.name.ws)
        return drive_fail(d, "GetProviderInfo set a pointer of its own");
    SqlCpUlong cb = d->info.name.cb;
    return (cb > 0 && cb % 2 == 0 && cb <= scp_MaxProviderName) ||
           drive_fail(d, "GetProviderInfo states %u bytes for its name", cb);
}

static bool properties_valid(drive *d)
{
    const SqlCpVersion *api = &d->info.scpVersion;
    if (api->major != 1 || api->minor != 1 || api->build != 0 || api->revision != 0)
        return drive_fail(d, "API version %u.%u.%u.%u, not 1.1.0.0", api->major, api->minor,
                          api->build, api->revision);
    if (d->info.cbKeyThumbLen == 0 || d->info.cbKeyThumbLen > scp_MaxThumbprint)
        return drive_fail(d, "thumbprints of %u bytes", d->info.cbKeyThumbLen);
    if ((unsigned)d->info.authType > scp_auth_Basic)
        return drive_fail(d, "authentication type %u", (unsigned)d->info.authType);
    return ((d->info.symmKeySupport | d->info.asymmKeySupport) & ~(SqlCpUlong)scp_kf_All) == 0 ||
           drive_fail(d, "unknown bits in the key support");
}

static bool fill(drive *d, SqlCpProviderInfo *info, SqlCpWchar *buffer)
{
    memset(info, 0, sizeof *info);
    memset(buffer, 0x77, DRIVE_UNITS * sizeof *buffer);
    info->name = (SqlCpStr){scp_MaxProviderName, buffer};
    SqlCpError code = d->call.SqlCryptGetProviderInfo(info);
    if (!drive_code(d, "GetProviderInfo with a buffer", code, scp_err_Success))
        return false;
    return info->name.ws == buffer || drive_fail(d, "GetProviderInfo changed the caller's pointer");
}

bool drive_info_fill(drive *d)
{
    SqlCpWchar buffer[DRIVE_UNITS];
    SqlCpUlong stated = d->info.name.cb;
    if (!fill(d, &d->info, buffer))
        return false;
    if (d->info.name.cb != stated)
        return drive_fail(d, "the name has %u bytes, the size query said %u", d->info.name.cb,
                          stated);
    if (stated < sizeof buffer && buffer[stated / 2] != 0x7777)
        return drive_fail(d, "GetProviderInfo wrote behind the stated size");
    return properties_valid(d);
}

bool drive_info_same(drive *d)
{
    SqlCpWchar buffer[DRIVE_UNITS];
    SqlCpProviderInfo again;
    if (!fill(d, &again, buffer))
        return false;
    again.name.ws = d->info.name.ws; /* a different buffer for each query */
    /* With its padding: the engine stores the structure as a whole.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
    return memcmp(&again, &d->info, sizeof again) == 0 ||
           drive_fail(d, "GetProviderInfo answers differently the second time");
}

static const struct {
    const char *tag;
    SqlCpKeyType type;
    SqlCpUlong bits, iv_bits;
} known[] = {
    {"RSA_2048", scp_kt_Asymmetric, 2048, 0},       {"AES_256", scp_kt_Symmetric, 256, 128},
    {"RSA_512", scp_kt_Asymmetric, 512, 0},         {"RSA_1024", scp_kt_Asymmetric, 1024, 0},
    {"RSA_3072", scp_kt_Asymmetric, 3072, 0},       {"RSA_4096", scp_kt_Asymmetric, 4096, 0},
    {"AES_128", scp_kt_Symmetric, 128, 128},        {"AES_192", scp_kt_Symmetric, 192, 128},
    {"TRIPLE_DES_3KEY", scp_kt_Symmetric, 192, 64},
};

/* Queries one algorithm twice. A tag that the engine knows must have the properties that the
 * engine expects. */
static bool check_algorithm(drive *d, SqlCpAlgId id)
{
    SqlCpWchar tag[scp_MaxAlgTag / 2];
    SqlCpAlgorithmInfo info = {0};
    SqlCpError code = d->call.SqlCryptGetAlgorithmInfo(id, &info);
    if (!drive_code(d, "GetAlgorithmInfo without a buffer", code, scp_err_InsufficientBuffer))
        return false;
    if (info.algTag.ws || info.algTag.cb == 0 || info.algTag.cb > sizeof tag)
        return drive_fail(d, "algorithm %u: a tag of %u bytes", id, info.algTag.cb);
    info.algTag.ws = tag;
    code = d->call.SqlCryptGetAlgorithmInfo(id, &info);
    if (!drive_code(d, "GetAlgorithmInfo with a buffer", code, scp_err_Success))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        SqlCpWchar buffer[scp_MaxAlgTag / 2];
        SqlCpStr name = drive_text(known[i].tag, buffer, sizeof buffer / sizeof buffer[0]);
        if (name.cb != info.algTag.cb || memcmp(buffer, tag, name.cb) != 0)
            continue;
        if (info.type != known[i].type || info.bitLen != known[i].bits ||
            info.ivLen > known[i].iv_bits)
            return drive_fail(d, "%s: %u bits, IV of %u bits", known[i].tag, info.bitLen,
                              info.ivLen);
        if (i < DRIVE_KEYS)
            d->algorithms[i] = id;
    }
    return true;
}

bool drive_algorithms(drive *d)
{
    SqlCpAlgId id = 0;
    for (int n = 0; n < MOST_ALGORITHMS; n++) {
        SqlCpError code = d->call.SqlCryptGetNextAlgorithmId(&id);
        if (code == scp_err_NotFound)
            return n > 0 || drive_fail(d, "no algorithm is offered");
        if (!drive_code(d, "GetNextAlgorithmId", code, scp_err_Success) || !check_algorithm(d, id))
            return false;
    }
    return drive_fail(d, "the list of algorithms does not end");
}

static SqlCpError open_session(drive *d, const char *secret, SqlCpSession *out)
{
    SqlCpWchar identity_room[DRIVE_UNITS];
    SqlCpWchar secret_room[DRIVE_UNITS];
    const SqlCpCredential credential = {drive_text(d->identity, identity_room, DRIVE_UNITS),
                                        drive_text(secret, secret_room, DRIVE_UNITS)};
    return d->call.SqlCryptOpenSession(&credential, out);
}

/* For stubs only: with a token it would use up a PIN try. */
bool drive_wrong_pin(drive *d)
{
    SqlCpSession session = NULL;
    if (!d->is_stub)
        return true;
    SqlCpError code = open_session(d, "a wrong one", &session);
    return drive_code(d, "OpenSession with a wrong SECRET", code, scp_err_AuthFailure);
}

bool drive_open(drive *d)
{
    uint64_t started = host_microseconds();
    SqlCpError code = open_session(d, d->secret, &d->session);
    uint64_t us = host_microseconds() - started;
    if (!drive_code(d, "OpenSession", code, scp_err_Success))
        return false;
    if (!d->session)
        return drive_fail(d, "OpenSession gave no handle");
    return us <= d->limit_us ||
           drive_fail(d, "OpenSession took %llu ms, more than %llu", (unsigned long long)us / 1000,
                      (unsigned long long)d->limit_us / 1000);
}

bool drive_close(drive *d)
{
    SqlCpSession closed = d->session;
    SqlCpKeyId id = 0;
    SqlCpError code = d->call.SqlCryptCloseSession(&d->session, 0);
    if (!drive_code(d, "CloseSession", code, scp_err_Success))
        return false;
    d->session = NULL;
    code = d->call.SqlCryptGetNextKeyId(&closed, &id);
    return drive_code(d, "GetNextKeyId in a closed session", code, scp_err_AuthFailure);
}
