/* SPDX-License-Identifier: Apache-2.0
 *
 * A small host of the EKM interface that is built for both systems, so that a script can compare
 * what the module does on each: keys, ciphertexts, versions, threads, loading and unloading.
 *
 *   ekm_host LIBRARY version
 *   ekm_host LIBRARY reload TIMES
 *   ekm_host LIBRARY encrypt KEY ALGORITHM-ID TEXT   makes the key where there is none; prints
 *                                                    its thumbprint and the ciphertext in hex
 *   ekm_host LIBRARY decrypt KEY HEX
 *   ekm_host LIBRARY hammer KEY THREADS SECONDS      round trips; prints their number
 *
 * The session is opened with IDENTITY "soft" and SECRET "1234".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ekm/sqlcp.h"
#include "tools/ekmsql/base/host.h"

#define MEMBER(state, name, parameters) SqlCpError(*name) parameters;
static struct {
    SQLCP_EXPORTS(MEMBER)
} cp;

static host_lib *library;

/* Prints what failed and ends the program. */
static void need(SqlCpError got, const char *what)
{
    if (got != scp_err_Success) {
        fprintf(stderr, "%s: %u\n", what, got);
        exit(1);
    }
}

static void load(const char *path)
{
    char why[512];
    library = host_lib_open(path, why, sizeof why);
    if (library == NULL) {
        fprintf(stderr, "not loaded: %s\n", why);
        exit(3);
    }
#define RESOLVE(state, name, parameters)                                      \
    do {                                                                      \
        const host_function found = host_lib_symbol(library, #name);          \
        need(found == NULL ? scp_err_Failure : scp_err_Success, "no " #name); \
        memcpy(&cp.name, &found, sizeof cp.name);                             \
    } while (0);
    SQLCP_EXPORTS(RESOLVE)
    need(cp.SqlCryptInitializeProvider(), "SqlCryptInitializeProvider");
}

static void unload(void)
{
    need(cp.SqlCryptFreeProvider(), "SqlCryptFreeProvider");
    host_lib_close(library);
}

/* ASCII only, which is sufficient for the tests. */
static SqlCpStr wide(const char *text, SqlCpWchar *room)
{
    SqlCpUlong n = 0;
    for (; text[n] != '\0'; n++) {
        room[n] = (SqlCpWchar)text[n];
    }
    return (SqlCpStr){.cb = n * 2, .ws = room};
}

static SqlCpSession open_session(void)
{
    SqlCpWchar identity[16], secret[16];
    SqlCpSession session = NULL;
    const SqlCpCredential credential = {wide("soft", identity), wide("1234", secret)};
    need(cp.SqlCryptOpenSession(&credential, &session), "SqlCryptOpenSession");
    return session;
}

/* The thumbprint of a key, which is made with this algorithm if it does not exist (0: it must
 * exist). */
static void find_key(SqlCpSession session, const char *name, SqlCpAlgId algorithm, SqlCpByte *thumb)
{
    SqlCpWchar given[300], found[300];
    const SqlCpStr key = wide(name, given);
    SqlCpKeyInfo info = {.name = {sizeof found, found}, .thumb = {32, thumb}};
    SqlCpKeyThumbprint made = {32, thumb};
    const SqlCpError got = cp.SqlCryptGetKeyInfoByName(&session, &key, &info);
    if (got == scp_err_NotFound && algorithm != 0) {
        need(cp.SqlCryptCreateKey(&session, &key, algorithm, 0, &made), "SqlCryptCreateKey");
    } else {
        need(got, "SqlCryptGetKeyInfoByName");
    }
}

static void print_hex(const SqlCpByte *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

static int encrypt(const char *name, const char *algorithm, char *text)
{
    SqlCpByte thumb[32], out[2048];
    SqlCpSession session = open_session();
    find_key(session, name, (SqlCpAlgId)strtoul(algorithm, NULL, 10), thumb);
    const SqlCpKeyThumbprint key = {16, thumb};
    const SqlCpData in = {(SqlCpUlong)strlen(text), (SqlCpByte *)text};
    SqlCpData sealed = {sizeof out, out};
    need(cp.SqlCryptEncrypt(&session, &key, 1, NULL, 0, &in, &sealed), "SqlCryptEncrypt");
    print_hex(thumb, 16);
    print_hex(out, sealed.cb);
    need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
    return 0;
}

static int decrypt(const char *name, const char *hex)
{
    SqlCpByte thumb[32], in[2048], out[2048];
    SqlCpSession session = open_session();
    SqlCpData sealed = {0, in}, opened = {sizeof out, out};
    for (unsigned byte = 0; sealed.cb < sizeof in && sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        in[sealed.cb++] = (SqlCpByte)byte;
    }
    find_key(session, name, 0, thumb);
    const SqlCpKeyThumbprint key = {16, thumb};
    need(cp.SqlCryptDecrypt(&session, &key, 1, NULL, 0, &sealed, &opened), "SqlCryptDecrypt");
    printf("%.*s\n", (int)opened.cb, (char *)out);
    need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
    return 0;
}

typedef struct worker {
    pthread_t thread;
    const char *key;
    uint64_t until;
    unsigned done, wrong;
} worker;

static void *work(void *context)
{
    worker *w = context;
    SqlCpByte thumb[32], plain[32], sealed[2048], opened[2048];
    SqlCpSession session = open_session();
    find_key(session, w->key, 0, thumb);
    const SqlCpKeyThumbprint key = {16, thumb};
    while (host_microseconds() < w->until) {
        const SqlCpData in = {sizeof plain, plain};
        SqlCpData middle = {sizeof sealed, sealed}, out = {sizeof opened, opened};
        memset(plain, (int)(w->done % 251), sizeof plain);
        need(cp.SqlCryptEncrypt(&session, &key, 1, NULL, 0, &in, &middle), "SqlCryptEncrypt");
        need(cp.SqlCryptDecrypt(&session, &key, 1, NULL, 0, &middle, &out), "SqlCryptDecrypt");
        w->wrong += out.cb != sizeof plain || memcmp(opened, plain, sizeof plain) != 0;
        w->done++;
    }
    need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
    return NULL;
}

static int hammer(const char *key, const char *threads, const char *seconds)
{
    static worker workers[64];
    unsigned done = 0, wrong = 0;
    const size_t count = strtoul(threads, NULL, 10) % 64;
    const uint64_t until = host_microseconds() + strtoul(seconds, NULL, 10) * 1000000U;
    for (size_t i = 0; i < count; i++) {
        workers[i] = (worker){.key = key, .until = until};
        need((SqlCpError)pthread_create(&workers[i].thread, NULL, work, &workers[i]), "thread");
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
        wrong += workers[i].wrong;
    }
    printf("%u round trips, %u wrong\n", done, wrong);
    return done == 0 || wrong != 0;
}

static int print_version(void)
{
    SqlCpWchar name[1024];
    SqlCpProviderInfo info = {.name = {sizeof name, name}};
    need(cp.SqlCryptGetProviderInfo(&info), "SqlCryptGetProviderInfo");
    printf("%u.%u.%u\n", info.version.major, info.version.minor, info.version.build);
    return 0;
}

int main(int argc, char **argv)
{
    int result = 2;
    if (argc < 3) {
        fprintf(stderr, "usage: %s LIBRARY version|reload|encrypt|decrypt|hammer ...\n", argv[0]);
        return result;
    }
    load(argv[1]);
    if (strcmp(argv[2], "version") == 0) {
        result = print_version();
    } else if (strcmp(argv[2], "reload") == 0 && argc == 4) {
        for (unsigned long n = strtoul(argv[3], NULL, 10); n > 0; n--) {
            SqlCpSession session = open_session();
            need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
            unload();
            load(argv[1]);
        }
        result = 0;
    } else if (strcmp(argv[2], "encrypt") == 0 && argc == 6) {
        result = encrypt(argv[3], argv[4], argv[5]);
    } else if (strcmp(argv[2], "decrypt") == 0 && argc == 5) {
        result = decrypt(argv[3], argv[4]);
    } else if (strcmp(argv[2], "hammer") == 0 && argc == 6) {
        result = hammer(argv[3], argv[4], argv[5]);
    }
    unload();
    return result;
}
