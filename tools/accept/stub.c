/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub provider: life cycle, properties, algorithms and sessions. See stub.h.
 */
#include "tools/accept/stub.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_HANDLE = 0x1000, MOST_SESSIONS = 4096 };

/* A handle is a number, not an address, so nothing is allocated. Handles repeat after 4096
 * sessions. */
static _Atomic uintptr_t sessions; /* opened so far */
static atomic_bool open_sessions[MOST_SESSIONS];

void stub_sleep(void)
{
    const char *given = getenv("P11STUB_DELAY_MS");
    long ms = given ? strtol(given, NULL, 10) : STUB_DELAY_MS;
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

void stub_crash(void)
{
    volatile int *volatile nowhere = NULL;
    *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): this is its purpose */
}

bool stub_put_text(SqlCpStr *out, const char *ascii)
{
    SqlCpUlong need = (SqlCpUlong)(2 * strlen(ascii));
    bool fits = out->ws && out->cb >= need;
    for (SqlCpUlong i = 0; fits && i < need / 2; i++)
        out->ws[i] = (SqlCpWchar)(unsigned char)ascii[i];
    out->cb = need;
    return fits;
}

bool stub_put_data(SqlCpData *out, const SqlCpByte *bytes, SqlCpUlong length)
{
    bool fits = out->pb && out->cb >= length;
    if (fits && length > 0)
        memcpy(out->pb, bytes, length);
    out->cb = length;
    return fits;
}

SqlCpError SqlCryptInitializeProvider(void)
{
    return STUB_INIT_CODE;
}

SqlCpError SqlCryptFreeProvider(void)
{
    return scp_err_Success;
}

static bool is_right_pin(const SqlCpStr *secret)
{
    static const char pin[] = STUB_PIN;
    if (STUB_ANY_PIN)
        return true;
    if (!secret->ws || secret->cb != 2 * (sizeof pin - 1))
        return false;
    for (SqlCpUlong i = 0; i < secret->cb / 2; i++) {
        if (secret->ws[i] != (SqlCpWchar)(unsigned char)pin[i])
            return false;
    }
    return true;
}

SqlCpError SqlCryptOpenSession(const SqlCpCredential *credential, SqlCpSession *session)
{
    if (!credential || !session)
        return scp_err_InvalidArgument;
    *session = NULL;
    if (STUB_SLOW_OPEN)
        stub_sleep();
    if (STUB_CRASH_OPEN)
        stub_crash();
    if (STUB_OPEN_CODE)
        return STUB_OPEN_CODE;
    if (!is_right_pin(&credential->password))
        return scp_err_AuthFailure;
    uintptr_t index = atomic_fetch_add(&sessions, 1) % MOST_SESSIONS;
    atomic_store(&open_sessions[index], true);
    *session = (SqlCpSession)(FIRST_HANDLE + index);
    return scp_err_Success;
}

bool stub_session_open(const SqlCpSession *session)
{
    uintptr_t handle = session ? (uintptr_t)*session : 0;
    return handle >= FIRST_HANDLE && handle < FIRST_HANDLE + MOST_SESSIONS &&
           atomic_load(&open_sessions[handle - FIRST_HANDLE]);
}

SqlCpError SqlCryptCloseSession(SqlCpSession *session, SqlCpBoolean abort)
{
    (void)abort;
    if (!stub_session_open(session))
        return scp_err_AuthFailure;
    atomic_store(&open_sessions[(uintptr_t)*session - FIRST_HANDLE], STUB_KEEPS_CLOSED);
    *session = NULL;
    return scp_err_Success;
}

SqlCpError SqlCryptGetProviderInfo(SqlCpProviderInfo *info)
{
    static SqlCpWchar own[64];
    static _Atomic SqlCpByte asked;
    if (!info)
        return scp_err_InvalidArgument;
    if (STUB_INFO_CODE)
        return STUB_INFO_CODE;
    SqlCpStr name = info->name;
    memset(info, 0, sizeof *info);
    info->name = name;
    info->guid = (SqlCpGuid){
        0x2d19e5c9, 0x8aff, 0x4249, {0xa6, 0xf5, 0xc6, 0x55, 0xf1, 0xe8, 0x16, STUB_NUMBER}};
    info->version = (SqlCpVersion){1, STUB_VERSION_MINOR, 0, 0};
    if (STUB_UNSTEADY)
        info->version.revision = atomic_fetch_add(&asked, 1);
    info->scpVersion = (SqlCpVersion){1, STUB_API_MINOR, 0, 0};
    info->authType = STUB_AUTH_TYPE;
    info->symmKeySupport = scp_kf_Supported;
    info->asymmKeySupport = scp_kf_Supported;
    info->cbKeyThumbLen = STUB_STATED_THUMB;
    info->fAcceptsKeyName = 1;
    bool fits = stub_put_text(&info->name, "P11ACC stub provider");
    if (STUB_OWN_POINTER && !fits)
        info->name.ws = own;
    if (STUB_SIZE_ZERO && !fits)
        info->name.cb = 0;
    return fits || STUB_SUCCESS_FIRST ? scp_err_Success : scp_err_InsufficientBuffer;
}

static const struct {
    const char *tag;
    SqlCpKeyType type;
    SqlCpUlong bits;
    SqlCpUlong iv_bits;
} algorithms[] = {
    {"RSA_2048", scp_kt_Asymmetric, STUB_RSA_BITS, 0},
    {"RSA_3072", scp_kt_Asymmetric, 3072, 0},
    {"RSA_4096", scp_kt_Asymmetric, 4096, 0},
    {"AES_256", scp_kt_Symmetric, 256, STUB_AES_IV_BITS},
    {"P11ACC_CIPHER", scp_kt_Symmetric, 99,
     0}, /* last, because it is listed only with STUB_UNKNOWN_TAG */
};
enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] - (STUB_UNKNOWN_TAG ? 0 : 1) };

SqlCpError SqlCryptGetNextAlgorithmId(SqlCpAlgId *algId)
{
    if (!algId)
        return scp_err_InvalidArgument;
    if (*algId >= ALGORITHMS && !STUB_ENDLESS)
        return scp_err_NotFound;
    *algId = *algId % ALGORITHMS + 1;
    return scp_err_Success;
}

SqlCpError SqlCryptGetAlgorithmInfo(SqlCpAlgId algId, SqlCpAlgorithmInfo *info)
{
    if (!info || algId == 0 || algId > ALGORITHMS)
        return scp_err_InvalidArgument;
    if (STUB_ALGORITHM_CODE)
        return STUB_ALGORITHM_CODE;
    info->algId = algId;
    info->type = algorithms[algId - 1].type;
    info->bitLen = algorithms[algId - 1].bits;
    info->ivLen = algorithms[algId - 1].iv_bits;
    return stub_put_text(&info->algTag, algorithms[algId - 1].tag) ? scp_err_Success
                                                                   : scp_err_InsufficientBuffer;
}
