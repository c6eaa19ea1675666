/* SPDX-License-Identifier: Apache-2.0
 *
 * See provider.h.
 */
#include "provider.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(const char *what, SqlCpError error)
{
    fprintf(stderr, "bench: %s: error %u\n", what, error);
    return false;
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

bool provider_load(provider *p, const char *path)
{
    p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->library) {
        fprintf(stderr, "bench: %s\n", dlerror());
        return false;
    }
#define PROVIDER_BIND(state, name, parameters)                 \
    *(void **)&p->name = dlsym(p->library, #name);             \
    if (!p->name) {                                            \
        fprintf(stderr, "bench: %s is not exported\n", #name); \
        return false;                                          \
    }
    SQLCP_EXPORTS(PROVIDER_BIND)
#undef PROVIDER_BIND
    return true;
}

/* Converts ASCII to a UTF-16 string of the interface in `buffer`. */
static SqlCpStr utf16(const char *text, SqlCpWchar *buffer)
{
    size_t n = 0;

    for (; text[n]; n++)
        buffer[n] = (SqlCpWchar)(unsigned char)text[n];
    return (SqlCpStr){(SqlCpUlong)(n * sizeof *buffer), buffer};
}

bool provider_open(provider *p)
{
    SqlCpWchar name[16], pin[256];
    SqlCpCredential credential = {utf16("test", name), utf16(setting("PIN"), pin)};
    SqlCpError error = p->SqlCryptInitializeProvider();

    if (error != scp_err_Success)
        return complain("SqlCryptInitializeProvider", error);
    error = p->SqlCryptOpenSession(&credential, &p->session);
    if (error == scp_err_Success)
        return true;
    (void)p->SqlCryptFreeProvider();
    return complain("SqlCryptOpenSession", error);
}

void provider_close(provider *p)
{
    (void)p->SqlCryptCloseSession(&p->session, 0);
    (void)p->SqlCryptFreeProvider();
}

static SqlCpAlgId algorithm_id(provider *p, const char *tag)
{
    SqlCpAlgId id = 0;

    while (p->SqlCryptGetNextAlgorithmId(&id) == scp_err_Success && id) {
        SqlCpWchar found[64], wanted[64];
        SqlCpAlgorithmInfo info = {.algTag = {sizeof found, found}};
        SqlCpStr want = utf16(tag, wanted);

        if (p->SqlCryptGetAlgorithmInfo(id, &info) == scp_err_Success &&
            info.algTag.cb == want.cb && memcmp(found, wanted, want.cb) == 0)
            return id;
    }
    return 0;
}

bool provider_create(provider *p, const char *name, const char *algorithm, SqlCpKeyFlags flags,
                     SqlCpByte thumb[16])
{
    SqlCpWchar buffer[128];
    SqlCpStr text = utf16(name, buffer);
    SqlCpKeyThumbprint out = {16, thumb};
    SqlCpError error =
        p->SqlCryptCreateKey(&p->session, &text, algorithm_id(p, algorithm), flags, &out);

    return error == scp_err_Success || complain(name, error);
}

bool provider_drop(provider *p, const SqlCpByte thumb[16])
{
    SqlCpByte copy[16];
    SqlCpKeyThumbprint key = {sizeof copy, copy};

    memcpy(copy, thumb, sizeof copy);
    return p->SqlCryptDropKey(&p->session, &key) == scp_err_Success;
}

bool provider_find(provider *p, const SqlCpByte thumb[16])
{
    SqlCpWchar name[256];
    SqlCpByte copy[16], found[32];
    SqlCpKeyThumbprint key = {sizeof copy, copy};
    SqlCpKeyInfo info = {.name = {sizeof name, name}, .thumb = {sizeof found, found}};

    memcpy(copy, thumb, sizeof copy);
    return p->SqlCryptGetKeyInfoByThumb(&p->session, &key, &info) == scp_err_Success;
}
