/* SPDX-License-Identifier: Apache-2.0
 *
 * The built library under mixed work: many threads, each with its own sessions, one that all share,
 * and the sessions of the next thread, which closes and opens them at the same time. Uses every
 * exported function and the key store's C API, right and wrong PINs, stale handles, session and
 * token keys made and dropped; at the end of each term the provider is freed during the work. Every
 * result is checked. Meant mainly for the sanitizers and valgrind.
 *
 *   stress_ekm [SECONDS [THREADS [SESSIONS]]]    (5, 32 and 4 unless given), run by with-token
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "stress.h"
#include "token_conf.h"
#include "tests/unit/ekm_fixture.h"

enum { MOST_THREADS = 64, MOST_SESSIONS = 16 };

typedef struct worker {
    unsigned number;
    unsigned rounds;
    _Atomic SqlCpSession sessions[MOST_SESSIONS];
} worker;

static worker workers[MOST_THREADS];
static unsigned threads = 32;
static unsigned sessions_each = 4;
static _Atomic SqlCpSession shared;
static uint8_t rsa[FX_THUMB];
static uint8_t aes[FX_THUMB];
static atomic_bool term_over;
static atomic_bool freeing;
static atomic_ulong done;
static atomic_ulong interrupted;
static atomic_ulong wrong;
static atomic_ulong token_failed;

/* Receives the fixture's assertions instead of CUnit, which is not thread-safe. */
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

static SqlCpSession mine(worker *w)
{
    return atomic_load(&w->sessions[w->rounds % sessions_each]);
}

static SqlCpError round_trip(SqlCpSession session, const uint8_t *thumb, size_t length)
{
    uint8_t plain[256];
    uint8_t cipher[1024];
    uint8_t back[1024];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;

    memset(plain, (int)length, sizeof plain);
    SqlCpError e = fx_encrypt(session, thumb, NULL, 0, plain, length, cipher, &cipher_len);
    if (e == scp_err_Success)
        e = fx_decrypt(session, thumb, NULL, 0, cipher, cipher_len, back, &back_len);
    if (e == scp_err_Success && (back_len != length || memcmp(plain, back, length) != 0))
        e = scp_err_Failure;
    return e;
}

static bool own_rsa(worker *w)
{
    return round_trip(mine(w), rsa, 16 + w->rounds % 33) == scp_err_Success;
}

static bool own_aes(worker *w)
{
    return round_trip(mine(w), aes, w->rounds % 200) == scp_err_Success;
}

static bool shared_rsa(worker *w)
{
    (void)w;
    return round_trip(atomic_load(&shared), rsa, 48) == scp_err_Success;
}

/* The session may be closed at any moment; then the call is refused. */
static bool neighbours(worker *w)
{
    worker *other = &workers[(w->number + 1) % threads];
    SqlCpSession session = atomic_load(&other->sessions[w->rounds % sessions_each]);
    SqlCpError e = round_trip(session, w->rounds % 2 ? rsa : aes, 32);
    return e == scp_err_Success || e == scp_err_AuthFailure;
}

static bool tampered(worker *w)
{
    uint8_t junk[256];
    uint8_t back[256];
    size_t back_len = sizeof back;

    memset(junk, 0x5a, sizeof junk);
    return fx_decrypt(mine(w), rsa, NULL, 0, junk, sizeof junk, back, &back_len) == 2073;
}

static bool finds(worker *w)
{
    fx_key by_thumb;
    fx_key by_name;
    return fx_info(mine(w), FX_BY_THUMB, rsa, &by_thumb) == scp_err_Success &&
           fx_info(mine(w), FX_BY_NAME, "stress-aes", &by_name) == scp_err_Success &&
           strcmp(by_thumb.name, "stress-rsa") == 0 && memcmp(by_name.thumb, aes, FX_THUMB) == 0;
}

/* Other threads make and drop keys: a listed key may be gone when it is asked about. */
static bool lists(worker *w)
{
    SqlCpSession session = mine(w);
    SqlCpKeyId id = 0;
    unsigned keys = 0;

    while (SqlCryptGetNextKeyId(&session, &id) == scp_err_Success) {
        fx_key key;
        SqlCpError e = fx_info(session, FX_BY_ID, &id, &key);
        if (e != scp_err_Success && e != scp_err_NotFound)
            return false;
        keys += e == scp_err_Success;
    }
    return keys >= 2; /* of four: two are column master keys, which are not listed */
}

static bool describes(worker *w)
{
    SqlCpWchar text[256];
    SqlCpProviderInfo provider = {.name = {sizeof text, text}};
    SqlCpAlgId id = 0;
    unsigned algorithms = 0;

    (void)w;
    if (SqlCryptInitializeProvider() != scp_err_Success ||
        SqlCryptGetProviderInfo(&provider) != scp_err_Success)
        return false;
    while (SqlCryptGetNextAlgorithmId(&id) == scp_err_Success) {
        SqlCpAlgorithmInfo info = {.algTag = {sizeof text, text}};
        if (SqlCryptGetAlgorithmInfo(id, &info) != scp_err_Success || info.algId != id)
            return false;
        algorithms++;
    }
    return algorithms >= 6;
}

enum { WORKS = 14 };

static bool exports(worker *w)
{
    SqlCpSession session = mine(w);
    uint8_t thumb[FX_THUMB];
    uint8_t bytes[600];
    fx_text name;
    SqlCpKeyBlob blob = {sizeof bytes, bytes};

    memcpy(thumb, rsa, sizeof thumb);
    SqlCpKeyThumbprint key = {FX_THUMB, thumb};
    return SqlCryptExportKey(&session, &key, NULL, scp_kb_PublicKeyBlob, &blob) ==
               scp_err_Success &&
           /* Each has a line in the log, so only rarely after the first few. */
           ((w->rounds > WORKS && w->rounds % 31 != 0) ||
            SqlCryptImportKey(&session, fx_str(&name, "imported"), &key, scp_kb_SimpleBlob, 0,
                              &blob) == scp_err_NotSupported);
}

/* While another thread makes or destroys an object, SoftHSM 2.6 sometimes fails to make a token
 * key, and sometimes never finds in this process a key that it has just made. */
static bool store_races(void)
{
    const char *limits = getenv("TOKEN_LIMITS");
    return limits != NULL && strstr(limits, "store-races") != NULL;
}

/* Keys that the token no longer found. They must exist after the next initialisation. */
static struct {
    pthread_mutex_t lock;
    char names[64][64];
    unsigned count;
    unsigned long all;
} unfound = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool remember_unfound(const char *name)
{
    pthread_mutex_lock(&unfound.lock);
    const bool fits = unfound.count < sizeof unfound.names / sizeof unfound.names[0];
    if (fits)
        (void)snprintf(unfound.names[unfound.count++], sizeof unfound.names[0], "%s", name);
    unfound.all++;
    pthread_mutex_unlock(&unfound.lock);
    return fits;
}

/* Called without other threads, and after the module was finalised. */
static bool drop_unfound(void)
{
    SqlCpSession session = NULL;
    bool good = unfound.count == 0 || (SqlCryptInitializeProvider() == scp_err_Success &&
                                       fx_open("test", getenv("PIN"), &session) == scp_err_Success);

    for (unsigned i = 0; good && i < unfound.count; i++) {
        fx_key key;
        SqlCpError e = fx_info(session, FX_BY_NAME, unfound.names[i], &key);
        if (e == scp_err_Success)
            e = round_trip(session, key.thumb, 33);
        if (e == scp_err_Success)
            e = fx_drop(session, key.thumb);
        good = e == scp_err_Success;
        if (!good)
            fprintf(stderr, "key %s is lost: %u\n", unfound.names[i], (unsigned)e);
    }
    if (unfound.count > 0)
        good &= SqlCryptFreeProvider() == scp_err_Success;
    unfound.count = 0;
    return good;
}

static bool makes_and_drops(worker *w, SqlCpKeyFlags flags)
{
    enum {
        DEVICE_FAILED = 2056, /* CKR_GENERAL_ERROR */
        NO_MECHANISM = 2072,  /* CKR_TEMPLATE_INCONSISTENT */
        POLICY = 2071,        /* made with other attributes than requested */
        HANDLE_LOST = 2081
    };
    const bool races = (flags & scp_kf_Volatile) == 0 && store_races();
    SqlCpSession session = mine(w);
    char name[64];
    uint8_t thumb[FX_THUMB];
    fx_key key;

    snprintf(name, sizeof name, "stress-%u-%u", w->number, w->rounds);
    SqlCpError e = fx_create(session, name, CORE_ALG_AES_128, flags, thumb);
    if ((e == DEVICE_FAILED || e == NO_MECHANISM || e == POLICY) && races) {
        atomic_fetch_add(&token_failed, 1);
        return fx_info(session, FX_BY_NAME, name, &key) == scp_err_NotFound; /* nothing is left */
    }
    if (e == scp_err_Success)
        e = round_trip(session, thumb, 33);
    if (e == scp_err_Success)
        e = fx_drop(session, thumb);
    return e == scp_err_Success || (e == HANDLE_LOST && races && remember_unfound(name));
}

static bool volatile_key(worker *w)
{
    return makes_and_drops(w, scp_kf_Volatile);
}

static bool lasting_key(worker *w)
{
    return makes_and_drops(w, 0);
}

/* A session key ends with its session, which is closed and reopened while the next thread may be
 * using it. */
static bool reopens(worker *w)
{
    _Atomic SqlCpSession *place = &w->sessions[w->rounds % sessions_each];
    SqlCpSession session = atomic_load(place);
    SqlCpSession stale = session;
    uint8_t thumb[FX_THUMB];
    char name[64];
    fx_key info;

    snprintf(name, sizeof name, "stress-%u-left", w->number);
    if (fx_create(session, name, CORE_ALG_AES_256, scp_kf_Volatile, thumb) != scp_err_Success ||
        SqlCryptCloseSession(&session, 0) != scp_err_Success ||
        fx_info(stale, FX_BY_THUMB, rsa, &info) != scp_err_AuthFailure ||
        fx_open("test", "not the PIN", &session) != scp_err_AuthFailure ||
        fx_open("test", getenv("PIN"), &session) != scp_err_Success)
        return false;
    atomic_store(place, session);
    return true;
}

static bool cmk_wraps(worker *w)
{
    return stress_cmk_wraps(w->rounds);
}

static bool cmk_signs(worker *w)
{
    return stress_cmk_signs(w->rounds);
}

static const struct {
    const char *name;
    bool (*run)(worker *);
    bool ends_with_provider; /* the key store's work does not */
} works[] = {
    {"own_rsa", own_rsa, true},
    {"own_aes", own_aes, true},
    {"shared_rsa", shared_rsa, true},
    {"neighbours", neighbours, true},
    {"tampered", tampered, true},
    {"finds", finds, true},
    {"lists", lists, true},
    {"describes", describes, true},
    {"exports", exports, true},
    {"volatile_key", volatile_key, true},
    {"lasting_key", lasting_key, true},
    {"reopens", reopens, true},
    {"cmk_wraps", cmk_wraps, false},
    {"cmk_signs", cmk_signs, false},
};
_Static_assert(sizeof works / sizeof works[0] == WORKS, "each work once");

static bool open_sessions(worker *w)
{
    for (unsigned i = 0; i < sessions_each; i++) {
        SqlCpSession session = NULL;
        if (fx_open("test", getenv("PIN"), &session) != scp_err_Success)
            return false;
        atomic_store(&w->sessions[i], session);
    }
    return true;
}

/* Works until the end of the term, with each kind of work at least once; the provider may be freed
 * during the last. */
static void *work(void *arg)
{
    worker *w = arg;
    unsigned first = w->rounds;

    while (!atomic_load(&term_over) || w->rounds - first < WORKS) {
        unsigned which = (w->number + w->rounds++) % WORKS;
        bool good = works[which].run(w);
        if (!good && works[which].ends_with_provider && atomic_load(&freeing)) {
            atomic_fetch_add(&interrupted, 1);
            break;
        }
        atomic_fetch_add(good ? &done : &wrong, 1);
        if (!good)
            fprintf(stderr, "thread %u, round %u: %s failed\n", w->number, w->rounds,
                    works[which].name);
    }
    return NULL;
}

/* One term: initialised, used, freed; `rudely`: freed during the work. */
static bool term(unsigned seconds, bool rudely)
{
    pthread_t ids[MOST_THREADS];
    SqlCpSession session = NULL;
    bool good = SqlCryptInitializeProvider() == scp_err_Success &&
                fx_open("test", getenv("PIN"), &session) == scp_err_Success && stress_cmk_open();

    atomic_store(&shared, session);
    atomic_store(&term_over, false);
    atomic_store(&freeing, false);
    for (unsigned i = 0; good && i < threads; i++)
        good = open_sessions(&workers[i]);
    if (!good)
        return false;
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0)
            return false;
    core_sleep_ms(seconds * 1000);
    atomic_store(&freeing, rudely);
    if (rudely)
        good = SqlCryptFreeProvider() == scp_err_Success;
    atomic_store(&term_over, true);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    stress_cmk_close();
    return SqlCryptFreeProvider() == scp_err_Success && good && drop_unfound();
}

static bool set_up(void)
{
    SqlCpSession session = NULL;

    return stress_cmk_key() &&
           token_conf_make("log = stderr\nlog_level = error\nmax_sessions = 8\ndrop = destroy\n") &&
           SqlCryptInitializeProvider() == scp_err_Success &&
           fx_open("test", getenv("PIN"), &session) == scp_err_Success &&
           fx_create(session, "stress-rsa", CORE_ALG_RSA_2048, 0, rsa) == scp_err_Success &&
           fx_create(session, "stress-aes", CORE_ALG_AES_256, 0, aes) == scp_err_Success &&
           SqlCryptFreeProvider() == scp_err_Success;
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    unsigned missing;
    bool good = true;

    threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : threads;
    sessions_each = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : sessions_each;
    if (getenv("MODULE") == NULL || threads == 0 || threads > MOST_THREADS || sessions_each == 0 ||
        sessions_each > MOST_SESSIONS) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    if (!set_up()) {
        printf("FAILED: the token cannot be set up\n");
        return 1;
    }
    for (unsigned i = 0; i < threads; i++)
        workers[i].number = i;
    const unsigned longest = seconds < 20 ? (seconds + 1) / 2 : 10;
    for (unsigned left = seconds, n = 0; good && left > 0; n++) {
        unsigned now = left > longest ? longest : left;
        good = term(now, n % 2 == 1);
        left -= now;
    }
    token_conf_remove();
    missing = stress_calls_print() + stress_cmk_print();
    printf("%u threads, %u sessions each, %u s: %lu works right, %lu wrong, %lu cut off by the "
           "provider's end, %lu keys not made by the token, %lu not found by it until it was "
           "initialised again, %u functions never called\n",
           threads, sessions_each, seconds, atomic_load(&done), atomic_load(&wrong),
           atomic_load(&interrupted), atomic_load(&token_failed), unfound.all, missing);
    return good && missing == 0 && atomic_load(&wrong) == 0 ? 0 : 1;
}
