/* SPDX-License-Identifier: Apache-2.0
 *
 * The built library under mixed work: many threads, each with sessions of its own and one that all
 * share, every function, right and wrong PINs, stale handles, volatile keys made and lost. Every
 * result is checked. For the sanitizers and valgrind above all.
 *
 *   stress_ekm [SECONDS [THREADS]]      (5 and 16 unless given), run by with-token
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "token_conf.h"
#include "tests/unit/ekm_fixture.h"

static SqlCpSession shared;
static uint8_t rsa[FX_THUMB];
static uint8_t aes[FX_THUMB];
static uint64_t until_us;
static atomic_ulong done;
static atomic_ulong wrong;

/* The fixture's assertions come here instead of to CUnit, which knows one thread only. */
CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned line, const char *condition,
                                const char *file, const char *function, CU_BOOL fatal)
{
    (void)function;
    (void)fatal;
    if (!value) {
        fprintf(stderr, "%s:%u: %s\n", file, line, condition);
        atomic_fetch_add(&wrong, 1);
    }
    return value;
}

typedef struct worker {
    unsigned number;
    SqlCpSession session;
    unsigned rounds;
} worker;

static bool round_trip(SqlCpSession session, const uint8_t *thumb, size_t length)
{
    uint8_t plain[256];
    uint8_t cipher[1024];
    uint8_t back[1024];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;

    memset(plain, (int)length, sizeof plain);
    return fx_encrypt(session, thumb, NULL, 0, plain, length, cipher, &cipher_len) ==
               scp_err_Success &&
           fx_decrypt(session, thumb, NULL, 0, cipher, cipher_len, back, &back_len) ==
               scp_err_Success &&
           back_len == length && memcmp(plain, back, length) == 0;
}

static bool own_rsa(worker *w)
{
    return round_trip(w->session, rsa, 16 + w->rounds % 33);
}

static bool own_aes(worker *w)
{
    return round_trip(w->session, aes, w->rounds % 200);
}

static bool shared_rsa(worker *w)
{
    (void)w;
    return round_trip(shared, rsa, 48);
}

static bool tampered(worker *w)
{
    uint8_t junk[256];
    uint8_t back[256];
    size_t back_len = sizeof back;

    memset(junk, 0x5a, sizeof junk);
    SqlCpError e = fx_decrypt(w->session, rsa, NULL, 0, junk, sizeof junk, back, &back_len);
    return e == 2073;
}

static bool finds(worker *w)
{
    fx_key by_thumb;
    fx_key by_name;
    return fx_info(w->session, FX_BY_THUMB, rsa, &by_thumb) == scp_err_Success &&
           fx_info(w->session, FX_BY_NAME, "stress-aes", &by_name) == scp_err_Success &&
           strcmp(by_thumb.name, "stress-rsa") == 0 && memcmp(by_name.thumb, aes, FX_THUMB) == 0;
}

static bool lists(worker *w)
{
    SqlCpKeyId id = 0;
    SqlCpAlgId algorithm = 0;
    unsigned keys = 0;
    unsigned algorithms = 0;

    while (SqlCryptGetNextKeyId(&w->session, &id) == scp_err_Success)
        keys++;
    while (SqlCryptGetNextAlgorithmId(&algorithm) == scp_err_Success)
        algorithms++;
    return keys >= 2 && algorithms >= 6;
}

static bool volatile_key(worker *w)
{
    char name[64];
    uint8_t thumb[FX_THUMB];

    snprintf(name, sizeof name, "stress-%u-%u", w->number, w->rounds);
    return fx_create(w->session, name, CORE_ALG_AES_128, scp_kf_Volatile, thumb) ==
               scp_err_Success &&
           round_trip(w->session, thumb, 33) && fx_drop(w->session, thumb) == scp_err_Success;
}

static bool sessions(worker *w)
{
    SqlCpSession other = NULL;
    SqlCpSession stale = NULL;
    fx_key info;

    (void)w;
    if (fx_open("test", "not the PIN", &other) != scp_err_AuthFailure ||
        fx_open("test", getenv("PIN"), &other) != scp_err_Success || !round_trip(other, rsa, 32))
        return false;
    stale = other;
    return SqlCryptCloseSession(&other, 0) == scp_err_Success &&
           fx_info(stale, FX_BY_THUMB, rsa, &info) == scp_err_AuthFailure;
}

static bool (*const works[])(worker *) = {own_rsa, own_aes, shared_rsa,   tampered,
                                          finds,   lists,   volatile_key, sessions};

static void *work(void *arg)
{
    worker *w = arg;

    if (fx_open("test", getenv("PIN"), &w->session) != scp_err_Success) {
        atomic_fetch_add(&wrong, 1);
        return NULL;
    }
    while (core_now_us() < until_us || w->rounds < sizeof works / sizeof works[0]) {
        size_t which = (w->number + w->rounds++) % (sizeof works / sizeof works[0]);
        bool good = works[which](w);
        atomic_fetch_add(good ? &done : &wrong, 1);
        if (!good)
            fprintf(stderr, "thread %u, round %u: work %zu failed\n", w->number, w->rounds, which);
    }
    (void)SqlCryptCloseSession(&w->session, 0);
    return NULL;
}

int main(int argc, char **argv)
{
    enum { MOST = 64 };
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 16;
    static worker workers[MOST];
    pthread_t ids[MOST];

    if (getenv("MODULE") == NULL || threads == 0 || threads > MOST) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    if (!token_conf_make("max_sessions = 8\n") || SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("test", getenv("PIN"), &shared) != scp_err_Success ||
        fx_create(shared, "stress-rsa", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_create(shared, "stress-aes", CORE_ALG_AES_256, 0, aes) != scp_err_Success) {
        printf("FAILED: the token cannot be set up\n");
        return 1;
    }
    until_us = core_now_us() + (uint64_t)seconds * 1000000;
    for (unsigned i = 0; i < threads; i++) {
        workers[i].number = i;
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0) {
            printf("FAILED: no thread\n");
            return 1;
        }
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    SqlCpError e = SqlCryptFreeProvider();
    token_conf_remove();
    printf("%u threads, %u s: %lu rounds right, %lu wrong\n", threads, seconds, atomic_load(&done),
           atomic_load(&wrong));
    return atomic_load(&wrong) == 0 && e == scp_err_Success ? 0 : 1;
}
