/* SPDX-License-Identifier: Apache-2.0
 *
 * See stress.h. The linker wraps the exports, so that the fixture's calls count, too.
 */
#include <stdatomic.h>
#include <stdio.h>
#include "ekm/sqlcp.h"
#include "stress.h"

#define ARGS_SqlCryptInitializeProvider ()
#define ARGS_SqlCryptFreeProvider       ()
#define ARGS_SqlCryptOpenSession        (credential, session)
#define ARGS_SqlCryptCloseSession       (session, abort)
#define ARGS_SqlCryptGetProviderInfo    (info)
#define ARGS_SqlCryptGetNextAlgorithmId (algId)
#define ARGS_SqlCryptGetAlgorithmInfo   (algId, info)
#define ARGS_SqlCryptCreateKey          (session, name, algId, flags, thumb)
#define ARGS_SqlCryptDropKey            (session, thumb)
#define ARGS_SqlCryptGetNextKeyId       (session, keyId)
#define ARGS_SqlCryptGetKeyInfoByKeyId  (session, keyId, info)
#define ARGS_SqlCryptGetKeyInfoByThumb  (session, thumb, info)
#define ARGS_SqlCryptGetKeyInfoByName   (session, name, info)
#define ARGS_SqlCryptExportKey          (session, thumb, encryptor, type, blob)
#define ARGS_SqlCryptImportKey          (session, name, decryptor, type, flags, blob)
#define ARGS_SqlCryptEncrypt            (session, thumb, final, params, cParams, plaintext, ciphertext)
#define ARGS_SqlCryptDecrypt            (session, thumb, final, params, cParams, ciphertext, plaintext)

#define AS_NAME(state, name, parameters) #name,
static const char *const names[] = {SQLCP_EXPORTS(AS_NAME)};
enum { EXPORTS = sizeof names / sizeof names[0] };

static atomic_ulong good[EXPORTS];
static atomic_ulong sizes[EXPORTS];
static atomic_ulong refused[EXPORTS];

static SqlCpError counted(unsigned state, SqlCpError e)
{
    atomic_ulong *where = e == scp_err_Success              ? good
                          : e == scp_err_InsufficientBuffer ? sizes
                                                            : refused;
    atomic_fetch_add(&where[state - 1], 1);
    return e;
}

#define AS_WRAPPER(state, name, parameters)               \
    SqlCpError __real_##name parameters;                  \
    SqlCpError __wrap_##name parameters;                  \
    SqlCpError __wrap_##name parameters                   \
    {                                                     \
        return counted(state, __real_##name ARGS_##name); \
    }
SQLCP_EXPORTS(AS_WRAPPER)

unsigned stress_calls_print(void)
{
    unsigned missing = 0;

    printf("%-28s %10s %10s %10s\n", "function", "success", "size", "refused");
    for (unsigned i = 0; i < EXPORTS; i++) {
        unsigned long a = atomic_load(&good[i]);
        unsigned long b = atomic_load(&sizes[i]);
        unsigned long c = atomic_load(&refused[i]);
        printf("%-28s %10lu %10lu %10lu\n", names[i], a, b, c);
        missing += a + b + c == 0;
    }
    return missing;
}
