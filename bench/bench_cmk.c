/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_cmk: compares DecryptCEK with C_Decrypt on one token in one run, and measures a CEK from
 * the cache.
 *
 *   bench_cmk [--json] [--rounds N] [--slice SECONDS] LIBRARY
 *
 * All variants cycle through different encrypted CEKs and compare each result with its CEK. The
 * library remembers the last 64 values whose signature it verified. `decrypt` cycles through fewer,
 * like a driver with a few columns. `first time` cycles through more in a separate store, so that
 * each signature is verified.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "cmk/p11ekm_cmk.h"
#include "cmk/p11ekm_odbc.h"
#include "tests/tokens/token_conf.h"

enum { VALUES = 199, FEW = 48, ECEK_MAX = 1024 };
enum { RAW, STORE, ODBC, FRESH, VARIANTS };
static const char label[] = "bench-cmk", path[] = "pkcs11:object=bench-cmk",
                  algorithm[] = "RSA_OAEP";
static const double pair_seconds = 8;

typedef struct value {
    uint8_t cek[P11EKM_CMK_CEK_SIZE], ecek[ECEK_MAX];
    size_t ecek_size;
    CK_BYTE *ciphertext; /* points into `ecek` */
    CK_ULONG ciphertext_size;
} value;

typedef struct job {
    bench b;
    __typeof__(p11ekm_cmk_open) *open;
    __typeof__(p11ekm_cmk_close) *close;
    __typeof__(p11ekm_cmk_encrypt) *encrypt;
    __typeof__(p11ekm_cmk_decrypt) *decrypt;
    const p11ekm_odbc_provider2 *odbc;
    p11ekm_cmk *store, *fresh;
    uint16_t wide_path[sizeof path], wide_algorithm[sizeof algorithm];
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE sessions[THREADS_MAX];
    value values[VALUES];
    atomic_uint next[VARIANTS];
} job;

/* --- the variants of decrypting a CEK --- */

static value *next_value(job *j, unsigned index, unsigned count)
{
    return &j->values[atomic_fetch_add(&j->next[index], 1) % count];
}

static bool run_raw(void *context, unsigned thread)
{
    job *j = context;
    const value *v = next_value(j, RAW, FEW);
    CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    CK_BYTE cek[256];
    CK_ULONG size = sizeof cek;

    return j->b.raw.f->C_DecryptInit(j->sessions[thread], &mechanism, j->key) == CKR_OK &&
           j->b.raw.f->C_Decrypt(j->sessions[thread], v->ciphertext, v->ciphertext_size, cek,
                                 &size) == CKR_OK &&
           size == sizeof v->cek && memcmp(cek, v->cek, sizeof v->cek) == 0;
}

static bool decrypt(const job *j, p11ekm_cmk *store, const value *v)
{
    uint8_t cek[P11EKM_CMK_CEK_SIZE];
    size_t size = sizeof cek;
    char message[512];
    int code = j->decrypt(store, path, algorithm, v->ecek, v->ecek_size, cek, &size, message,
                          sizeof message);

    if (code != P11EKM_CMK_OK)
        fprintf(stderr, "bench: decrypt: %s\n", message);
    return code == P11EKM_CMK_OK && size == sizeof cek && memcmp(cek, v->cek, sizeof cek) == 0;
}

static bool run_store(void *context, unsigned thread)
{
    job *j = context;

    (void)thread;
    return decrypt(j, j->store, next_value(j, STORE, FEW));
}

static bool run_fresh(void *context, unsigned thread)
{
    job *j = context;

    (void)thread;
    return decrypt(j, j->fresh, next_value(j, FRESH, VALUES));
}

static void on_odbc_error(p11ekm_odbc_context *context, const uint16_t *message, ...)
{
    (void)context;
    fprintf(stderr, "bench: ODBC key store: ");
    for (; *message; message++)
        (void)fputc(*message < 0x7f ? *message : '?', stderr);
    (void)fputc('\n', stderr);
}

static bool run_odbc(void *context, unsigned thread)
{
    job *j = context;
    value *v = next_value(j, ODBC, FEW);
    unsigned char *cek = NULL;
    unsigned short size = 0;
    bool good;

    (void)thread;
    good = j->odbc->decrypt_cek(NULL, on_odbc_error, j->wide_path, j->wide_algorithm, v->ecek,
                                (unsigned short)v->ecek_size, &cek, &size) &&
           size == sizeof v->cek && memcmp(cek, v->cek, size) == 0;
    free(cek);
    return good;
}

/* --- the library, the stores, the key and the values --- */

static bool load(job *j)
{
    void *library = dlopen(j->b.library, RTLD_NOW | RTLD_LOCAL);
    const p11ekm_odbc_provider2 *const *providers;

    if (!library) {
        fprintf(stderr, "bench: %s\n", dlerror());
        return false;
    }
    *(void **)&j->open = dlsym(library, "p11ekm_cmk_open");
    *(void **)&j->close = dlsym(library, "p11ekm_cmk_close");
    *(void **)&j->encrypt = dlsym(library, "p11ekm_cmk_encrypt");
    *(void **)&j->decrypt = dlsym(library, "p11ekm_cmk_decrypt");
    providers = dlsym(library, "CEKeystoreProvider2");
    if (!j->open || !j->close || !j->encrypt || !j->decrypt || !providers || !providers[0]) {
        fprintf(stderr, "bench: %s: a function is not exported\n", j->b.library);
        return false;
    }
    j->odbc = providers[0];
    return true;
}

static bool open_store(job *j, p11ekm_cmk **store)
{
    const char *pin = getenv("PIN");
    char message[512];
    int code = j->open(NULL, "test", pin, pin ? strlen(pin) : 0, store, message, sizeof message);

    if (code != P11EKM_CMK_OK)
        fprintf(stderr, "bench: p11ekm_cmk_open: %s\n", message);
    return code == P11EKM_CMK_OK;
}

static bool open_stores(job *j)
{
    const char *pin = getenv("PIN");
    char settings[512];
    int length = snprintf(settings, sizeof settings, "token=test\npin=%s\n", pin ? pin : "");

    return length > 0 && (size_t)length < sizeof settings && open_store(j, &j->store) &&
           open_store(j, &j->fresh) &&
           j->odbc->write(NULL, on_odbc_error, settings, (unsigned)length);
}

static void close_stores(job *j)
{
    j->odbc->free();
    j->close(j->fresh);
    j->close(j->store);
    j->fresh = j->store = NULL;
}

static void widen(const char *text, uint16_t *wide)
{
    do
        *wide++ = (unsigned char)*text;
    while (*text++);
}

static bool make_key(job *j)
{
    CK_OBJECT_HANDLE public_key;
    CK_RV rv = raw_generate_rsa(&j->b.raw, label, 2048, true, &public_key, &j->key);

    if (rv != CKR_OK) {
        fprintf(stderr, "bench: C_GenerateKeyPair: 0x%lx\n", rv);
        return false;
    }
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        j->sessions[i] = raw_session(&j->b.raw);
        if (!j->sessions[i])
            return false;
    }
    widen(path, j->wide_path);
    widen(algorithm, j->wide_algorithm);
    return true;
}

/* Creates the encrypted CEKs. Each consists of the version (1 byte), the sizes of path and
 * ciphertext (2 bytes each), path, ciphertext and signature. */
static bool make_values(job *j)
{
    for (unsigned i = 0; i < VALUES; i++) {
        value *v = &j->values[i];
        char message[512];

        for (size_t k = 0; k < sizeof v->cek; k++)
            v->cek[k] = (uint8_t)(i * 31 + k * 7 + 1);
        v->ecek_size = sizeof v->ecek;
        if (j->encrypt(j->store, path, algorithm, v->cek, sizeof v->cek, v->ecek, &v->ecek_size,
                       message, sizeof message) != P11EKM_CMK_OK) {
            fprintf(stderr, "bench: p11ekm_cmk_encrypt: %s\n", message);
            return false;
        }
        v->ciphertext = v->ecek + 5 + (v->ecek[1] | v->ecek[2] << 8);
        v->ciphertext_size = (CK_ULONG)(v->ecek[3] | v->ecek[4] << 8);
    }
    return true;
}

/* --- the measurements --- */

static const unsigned thread_counts[] = {1, 2, 8};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof thread_counts[0] };

static bool measure_decrypt(job *j)
{
    static const char what[] = "DecryptCEK, RSA-2048";
    static const variant variants[VARIANTS] = {
        {"raw", run_raw}, {"decrypt", run_store}, {"ODBC", run_odbc}, {"first time", run_fresh}};
    result results[VARIANTS];
    paired pairs[VARIANTS];
    double start = seconds(), count;

    for (unsigned i = 0; i < 20; i++)
        if (!run_raw(j, 0))
            return false;
    count = pair_seconds / VARIANTS / ((seconds() - start) / 20);
    count = j->b.rounds < 10 || count < 200 ? 200 : count > PAIRS_MAX ? PAIRS_MAX : count;
    if (!measure_paired(variants, VARIANTS, j, (unsigned)count, pairs))
        return false;
    for (size_t v = 0; v < VARIANTS; v++)
        tell(&j->b, what, variants[v].name, "pairs", (double)(unsigned)count, "ratio",
             pairs[v].ratio, "cpu-us", pairs[v].cpu_us, "added-us", pairs[v].added_us, NULL);
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        if (!measure(variants, VARIANTS, j, thread_counts[t], j->b.rounds, j->b.slice, results))
            return false;
        for (size_t v = 0; v < VARIANTS; v++)
            tell(&j->b, what, variants[v].name, "threads", (double)thread_counts[t], "ops/s",
                 results[v].ops, "ratio", results[v].ratio, "q1", results[v].ratio_low, "q3",
                 results[v].ratio_high, "cpu-us", results[v].cpu_us, "added-us",
                 results[v].added_us, NULL);
    }
    return true;
}

static bool measure_cached(job *j)
{
    static const variant variants[] = {{"decrypt", run_store}, {"ODBC", run_odbc}};
    enum { COUNT = sizeof variants / sizeof variants[0] };
    result results[COUNT];

    for (unsigned i = 0; i < FEW; i++) /* fills the caches */
        if (!run_store(j, 0) || !run_odbc(j, 0))
            return false;
    for (size_t t = 0; t < THREAD_COUNTS; t++) {
        if (!measure(variants, COUNT, j, thread_counts[t], j->b.rounds, j->b.slice, results))
            return false;
        for (size_t v = 0; v < COUNT; v++)
            tell(&j->b, "DecryptCEK, cached", variants[v].name, "threads", (double)thread_counts[t],
                 "us", 1e6 / results[v].ops, "cpu-us", results[v].cpu_us, NULL);
    }
    return true;
}

/* The stores have logged in, so the direct session shares that login. */
static bool run_decrypt(job *j)
{
    bool good = token_conf_make("foreign_login = trust") && open_stores(j) && raw_open(&j->b.raw) &&
                make_key(j) && make_values(j) && measure_decrypt(j);

    raw_close(&j->b.raw, false);
    close_stores(j);
    token_conf_remove();
    return good;
}

static bool run_cached(job *j)
{
    bool good = token_conf_make("foreign_login = trust\ncek_cache_entries = 64") &&
                open_stores(j) && measure_cached(j);

    close_stores(j);
    token_conf_remove();
    return good;
}

int main(int argc, char **argv)
{
    static job j = {.b = {.rounds = 31, .slice = 0.1, .first = true}};
    bool good;

    if (!bench_options(&j.b, argc, argv)) {
        fprintf(stderr, "usage: bench_cmk [--json] [--rounds N] [--slice SECONDS] LIBRARY\n");
        return 2;
    }
    if (j.b.json)
        printf("[");
    good = load(&j) && run_decrypt(&j) && run_cached(&j);
    if (j.b.json)
        printf("\n]\n");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
