/* SPDX-License-Identifier: Apache-2.0
 *
 * Chaos: threads of mixed work through SQL Server's interface while the token is unplugged and
 * plugged in again every few seconds. Every result is checked: an operation succeeds with the right
 * result or fails with a code that says the token is away; nothing else is allowed, and in the end
 * all keys are there. Sessions stay open over all outages.
 *
 *   with-token KIND chaos SETUP-SCRIPT [SECONDS [THREADS]]      (20 and 8 unless given)
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "token_conf.h"
#include "tests/unit/ekm_fixture.h"

extern char **environ;

enum { THREADS_MOST = 64, BACK_MS = 11000 };

static uint8_t rsa[FX_THUMB];
static uint8_t sealed[256];
static SqlCpByte secret[] = "a database encryption key, or so";
static unsigned keys;
static atomic_bool over;
static atomic_ulong operations, refused, wrong, odd;
static _Atomic uint64_t plugged_us; /* when the token came back last */
static _Atomic uint64_t longest_us; /* from there to a thread's first decryption */
static atomic_uint outage;          /* its number */
static atomic_uint recovered;       /* the number of the last that a decryption has followed */

CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned line, const char *condition,
                                const char *file, const char *function, CU_BOOL fatal)
{
    (void)line;
    (void)condition;
    (void)file;
    (void)function;
    (void)fatal;
    return value; /* the fixture's own: what counts is judged here */
}

/* Whether a code says that the token is away or on its way back. */
static bool says_away(SqlCpError e)
{
    static const SqlCpError codes[] = {2053, 2054, 2056, 2057, 2058, 2079, 2080, 2081};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (e == codes[i])
            return true;
    return false;
}

typedef struct worker {
    unsigned number, rounds, seen;
    SqlCpSession session;
} worker;

/* The first decryption after an outage tells how long it lasted. */
static void note_decryption(worker *w)
{
    unsigned now = atomic_load(&outage);
    uint64_t since = atomic_load(&plugged_us);
    if (w->seen == now || since == 0)
        return;
    w->seen = now;
    atomic_store(&recovered, now);
    uint64_t took = core_now_us() - since;
    uint64_t longest = atomic_load(&longest_us);
    while (took > longest && !atomic_compare_exchange_weak(&longest_us, &longest, took)) {
    }
}

static bool decrypts(worker *w, const uint8_t *in, SqlCpError *e)
{
    uint8_t out[256];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpData from = {sizeof sealed, (SqlCpByte *)(uintptr_t)in};
    SqlCpData to = {sizeof out, out};

    *e = SqlCryptDecrypt(&w->session, &key, 1, NULL, 0, &from, &to);
    if (*e == scp_err_Success)
        note_decryption(w);
    return *e != scp_err_Success ||
           (to.cb == sizeof secret && memcmp(out, secret, sizeof secret) == 0);
}

static bool opens_sealed(worker *w, SqlCpError *e)
{
    return decrypts(w, sealed, e);
}

static bool seals_and_opens(worker *w, SqlCpError *e)
{
    uint8_t cipher[256];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpData from = {sizeof secret, secret};
    SqlCpData to = {sizeof cipher, cipher};

    *e = SqlCryptEncrypt(&w->session, &key, 1, NULL, 0, &from, &to);
    return *e != scp_err_Success || decrypts(w, cipher, e);
}

static bool refuses_junk(worker *w, SqlCpError *e)
{
    uint8_t junk[sizeof sealed];
    memcpy(junk, sealed, sizeof junk);
    junk[w->rounds % sizeof junk] ^= 1;
    (void)decrypts(w, junk, e);
    if (*e == 2073)
        *e = scp_err_Success;
    else if (*e == scp_err_Success)
        return false;
    return true;
}

static bool finds(worker *w, SqlCpError *e)
{
    fx_key key;
    *e = fx_info(w->session, FX_BY_NAME, "chaos-rsa", &key);
    return *e != scp_err_Success || memcmp(key.thumb, rsa, FX_THUMB) == 0;
}

static unsigned count_keys(SqlCpSession session, SqlCpError *e)
{
    SqlCpKeyId id = 0;
    unsigned count = 0;
    while ((*e = SqlCryptGetNextKeyId(&session, &id)) == scp_err_Success)
        count++;
    if (*e == scp_err_NotFound)
        *e = scp_err_Success;
    return count;
}

static bool lists(worker *w, SqlCpError *e)
{
    unsigned count = count_keys(w->session, e);
    return *e != scp_err_Success || count == keys;
}

static bool other_sessions(worker *w, SqlCpError *e)
{
    SqlCpSession other = NULL;
    SqlCpSession closing;

    *e = fx_open("test", "no PIN of this", &other);
    if (*e != scp_err_AuthFailure)
        return says_away(*e);
    *e = fx_open("test", getenv("PIN"), &other);
    if (*e != scp_err_Success)
        return true;
    closing = w->session;
    w->session = other;
    bool good = decrypts(w, sealed, e);
    (void)SqlCryptCloseSession(&closing, 0);
    return good;
}

static bool (*const works[])(worker *, SqlCpError *) = {opens_sealed, seals_and_opens, opens_sealed,
                                                        refuses_junk, opens_sealed,    finds,
                                                        lists,        other_sessions};

static void *work(void *arg)
{
    worker *w = arg;

    while (!atomic_load(&over)) {
        SqlCpError e = scp_err_Success;
        size_t which = (w->number + w->rounds++) % (sizeof works / sizeof works[0]);
        bool right = works[which](w, &e);

        atomic_fetch_add(&operations, 1);
        if (!right) {
            fprintf(stderr, "WRONG RESULT of work %zu (code %d)\n", which, (int)e);
            atomic_fetch_add(&wrong, 1);
        } else if (e != scp_err_Success && says_away(e)) {
            atomic_fetch_add(&refused, 1);
            core_sleep_ms(5);
        } else if (e != scp_err_Success) {
            fprintf(stderr, "code %d of work %zu\n", (int)e, which);
            atomic_fetch_add(&odd, 1);
        }
    }
    (void)SqlCryptCloseSession(&w->session, 0);
    return NULL;
}

static bool setup(const char *script, const char *verb)
{
    pid_t pid;
    int status = -1;
    char *const argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)verb, getenv("TOKEN_DIR"),
                          NULL};
    return posix_spawn(&pid, script, NULL, NULL, argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Outages of 0.3 to 2.7 s, 2 s and more apart; the next only once this one is over. False when one
 * lasted longer than a step of the back-off. */
static bool rage(const char *script, unsigned seconds)
{
    uint64_t until = core_now_us() + (uint64_t)seconds * 1000000;
    for (unsigned n = 1; core_now_us() < until; n++) {
        core_sleep_ms(2000 + n * 373 % 1500);
        if (!setup(script, "unplug"))
            return false;
        core_sleep_ms(300 + n * 811 % 2400);
        atomic_store(&plugged_us, 0);
        if (!setup(script, "plug"))
            return false;
        atomic_store(&plugged_us, core_now_us());
        atomic_store(&outage, n);
        uint64_t limit = core_now_us() + BACK_MS * 1000ULL;
        while (atomic_load(&recovered) != n && core_now_us() < limit)
            core_sleep_ms(5);
        if (atomic_load(&recovered) != n)
            return false;
    }
    core_sleep_ms(2000); /* for the slowest thread */
    return true;
}

static bool prepare(worker *workers, unsigned threads)
{
    size_t cipher_len = sizeof sealed;
    SqlCpError e;

    if (!token_conf_make("pin_tries = 3\n") || SqlCryptInitializeProvider() != scp_err_Success)
        return false;
    for (unsigned i = 0; i < threads; i++) {
        workers[i].number = i;
        if (fx_open("test", getenv("PIN"), &workers[i].session) != scp_err_Success)
            return false;
    }
    SqlCpSession first = workers[0].session;
    if (fx_create(first, "chaos-rsa", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_encrypt(first, rsa, NULL, 0, secret, sizeof secret, sealed, &cipher_len) !=
            scp_err_Success)
        return false;
    keys = count_keys(first, &e);
    return e == scp_err_Success && keys > 0;
}

/* Looked at by a fresh provider. */
static bool all_keys_there(void)
{
    worker w = {0};
    SqlCpError e = scp_err_Failure;
    if (SqlCryptFreeProvider() != scp_err_Success ||
        SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("test", getenv("PIN"), &w.session) != scp_err_Success)
        return false;
    bool there = opens_sealed(&w, &e) && e == scp_err_Success;
    return there && count_keys(w.session, &e) == keys && e == scp_err_Success;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20;
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 8;
    static worker workers[THREADS_MOST];
    pthread_t ids[THREADS_MOST];

    if (getenv("TOKEN_DIR") == NULL || argc < 2 || threads == 0 || threads > THREADS_MOST) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    if (!prepare(workers, threads)) {
        printf("FAILED: the token cannot be set up\n");
        return 1;
    }
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0) {
            printf("FAILED: no thread\n");
            return 1;
        }
    }
    bool good = rage(argv[1], seconds);
    atomic_store(&over, true);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    bool complete = all_keys_there();
    (void)SqlCryptFreeProvider();
    token_conf_remove();
    printf("%u s, %u threads: %lu operations, %lu clean errors, %lu other errors, %u outages, %u "
           "recovered from, longest %lu ms after the token was back, %lu wrong results, %s\n",
           seconds, threads, atomic_load(&operations), atomic_load(&refused), atomic_load(&odd),
           atomic_load(&outage), atomic_load(&recovered),
           (unsigned long)(atomic_load(&longest_us) / 1000), atomic_load(&wrong),
           complete ? "no key lost" : "KEYS LOST");
    good = good && complete && atomic_load(&odd) == 0 && atomic_load(&wrong) == 0 &&
           atomic_load(&recovered) > 0 && atomic_load(&longest_us) < BACK_MS * 1000ULL;
    return good ? 0 : 1;
}
