/* SPDX-License-Identifier: Apache-2.0
 *
 * Encryption and decryption: two PKCS#11 calls with one session per thread, compared with one
 * function of the provider, and with the two calls that SQL Server makes, the first of which asks
 * for the size.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { DATA_MAX = 8192 + 64 };
static const double pair_seconds = 4; /* seconds per row */

typedef struct job {
    bench *b;
    bool decrypt;
    CK_MECHANISM mechanism;
    CK_OBJECT_HANDLE object;
    CK_SESSION_HANDLE sessions[THREADS_MAX];
    SqlCpByte thumb[16], iv[16];
    SqlCpEncryptionParam parameter;
    SqlCpUlong parameters;
    SqlCpByte in[DATA_MAX], expected[DATA_MAX];
    size_t in_len, expected_len;
} job;

static bool right(const job *j, const void *out, size_t length)
{
    if (length != j->expected_len)
        return false;
    /* RSA encryption is randomized, so its result differs each time. */
    return (!j->decrypt && !j->parameters) || memcmp(out, j->expected, length) == 0;
}

static bool run_raw(void *context, unsigned thread)
{
    job *j = context;
    const CK_FUNCTION_LIST *f = j->b->raw.f;
    CK_SESSION_HANDLE s = j->sessions[thread];
    CK_MECHANISM mechanism = j->mechanism;
    CK_BYTE out[DATA_MAX];
    CK_ULONG length = sizeof out;
    CK_RV rv;

    if (j->decrypt) {
        rv = f->C_DecryptInit(s, &mechanism, j->object);
        if (rv == CKR_OK)
            rv = f->C_Decrypt(s, j->in, j->in_len, out, &length);
    } else {
        rv = f->C_EncryptInit(s, &mechanism, j->object);
        if (rv == CKR_OK)
            rv = f->C_Encrypt(s, j->in, j->in_len, out, &length);
    }
    return rv == CKR_OK && right(j, out, length);
}

static SqlCpError call_provider(job *j, SqlCpData *out)
{
    provider *p = &j->b->provider;
    SqlCpKeyThumbprint key = {sizeof j->thumb, j->thumb};
    SqlCpData in = {(SqlCpUlong)j->in_len, j->in};

    return (j->decrypt ? p->SqlCryptDecrypt : p->SqlCryptEncrypt)(
        &p->session, &key, 1, &j->parameter, j->parameters, &in, out);
}

static bool run_provider(void *context, unsigned thread)
{
    job *j = context;
    SqlCpByte buffer[DATA_MAX];
    SqlCpData out = {sizeof buffer, buffer};

    (void)thread;
    return call_provider(j, &out) == scp_err_Success && right(j, buffer, out.cb);
}

static bool run_engine(void *context, unsigned thread)
{
    job *j = context;
    SqlCpByte buffer[DATA_MAX];
    SqlCpData out = {0, NULL};

    (void)thread;
    if (call_provider(j, &out) != scp_err_InsufficientBuffer || out.cb > sizeof buffer)
        return false;
    out.pb = buffer;
    return call_provider(j, &out) == scp_err_Success && right(j, buffer, out.cb);
}

static bool open_sessions(job *j)
{
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        j->sessions[i] = raw_session(&j->b->raw);
        if (!j->sessions[i])
            return false;
    }
    return true;
}

static void close_sessions(job *j)
{
    for (unsigned i = 0; i < THREADS_MAX; i++)
        if (j->sessions[i])
            (void)j->b->raw.f->C_CloseSession(j->sessions[i]);
}

/* Fills the input, and obtains the expected output through the provider. */
static bool prepare_data(job *j, size_t length)
{
    SqlCpByte plain[DATA_MAX];
    SqlCpData out = {sizeof j->in, j->in};
    bool decrypt = j->decrypt;

    for (size_t i = 0; i < length; i++)
        plain[i] = (SqlCpByte)(i * 7 + 1);
    memcpy(j->in, plain, length);
    j->in_len = length;
    out = (SqlCpData){sizeof j->expected, j->expected};
    j->decrypt = false;
    if (call_provider(j, &out) != scp_err_Success)
        return false;
    j->expected_len = out.cb;
    j->decrypt = decrypt;
    if (decrypt) {
        memcpy(j->in, j->expected, out.cb);
        j->in_len = out.cb;
        memcpy(j->expected, plain, length);
        j->expected_len = length;
    }
    return true;
}

static const variant variants[] = {
    {"raw", run_raw}, {"provider", run_provider}, {"provider+size", run_engine}};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* Single operations of each variant in alternation. */
static bool measure_pairs(job *j, const char *name)
{
    paired results[VARIANTS];
    double start = seconds(), each;
    unsigned pairs;

    for (int i = 0; i < 20; i++)
        if (!run_raw(j, 0))
            return false;
    each = (seconds() - start) / 20;
    pairs = (unsigned)(pair_seconds / VARIANTS / each);
    pairs = pairs < 200 ? 200 : pairs > PAIRS_MAX ? PAIRS_MAX : pairs;
    if (!measure_paired(variants, VARIANTS, j, pairs, results))
        return false;
    for (size_t v = 0; v < VARIANTS; v++)
        tell(j->b, name, variants[v].name, "pairs", (double)pairs, "ratio", results[v].ratio,
             "cpu-us", results[v].cpu_us, "added-us", results[v].added_us, NULL);
    return true;
}

static bool measure_slices(job *j, const char *name, unsigned threads)
{
    result results[VARIANTS];

    if (!measure(variants, VARIANTS, j, threads, j->b->rounds, j->b->slice, results))
        return false;
    for (size_t v = 0; v < VARIANTS; v++)
        tell(j->b, name, variants[v].name, "threads", (double)threads, "ops/s", results[v].ops,
             "ratio", results[v].ratio, "q1", results[v].ratio_low, "q3", results[v].ratio_high,
             "cpu-us", results[v].cpu_us, "added-us", results[v].added_us, NULL);
    return true;
}

static bool measure_job(job *j, const char *name)
{
    static const unsigned threads[] = {1, 2, 8};
    bool good = measure_pairs(j, name);

    for (size_t t = 0; good && t < sizeof threads / sizeof threads[0]; t++)
        good = measure_slices(j, name, threads[t]);
    if (!good)
        fprintf(stderr, "bench: %s: an operation failed\n", name);
    return good;
}

/* The OAEP variant that the provider chose for this token: the one that returns the plaintext. */
static bool find_padding(job *j, CK_RSA_PKCS_OAEP_PARAMS *oaep)
{
    static const CK_RSA_PKCS_OAEP_PARAMS paddings[] = {
        {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0},
        {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0}};

    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        *oaep = paddings[i];
        j->mechanism = (CK_MECHANISM){CKM_RSA_PKCS_OAEP, oaep, sizeof *oaep};
        if (run_raw(j, 0))
            return true;
    }
    return false;
}

static bool bench_rsa(bench *b)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep;
    CK_OBJECT_HANDLE private_key;
    job *j = calloc(1, sizeof *j);
    bool good = false;

    if (!j)
        return false;
    j->b = b;
    j->decrypt = true;
    if (!open_sessions(j) || !provider_create(&b->provider, "bench-rsa", "RSA_2048", 0, j->thumb))
        goto done;
    private_key = raw_find(&b->raw, CKO_PRIVATE_KEY, "bench-rsa");
    j->object = private_key;
    if (!prepare_data(j, 32) || !find_padding(j, &oaep)) {
        fprintf(stderr, "bench: the token does not decrypt what the provider encrypted\n");
        goto done;
    }
    good = measure_job(j, oaep.hashAlg == CKM_SHA256 ? "RSA-2048 OAEP-SHA256 decrypt"
                                                     : "RSA-2048 OAEP-SHA1 decrypt");
    j->decrypt = false;
    j->object = raw_find(&b->raw, CKO_PUBLIC_KEY, "bench-rsa");
    good = good && prepare_data(j, 32) &&
           measure_job(j, oaep.hashAlg == CKM_SHA256 ? "RSA-2048 OAEP-SHA256 encrypt"
                                                     : "RSA-2048 OAEP-SHA1 encrypt");
    good = provider_drop(&b->provider, j->thumb) && good;
done:
    close_sessions(j);
    free(j);
    return good;
}

typedef struct aes_row {
    const char *name;
    size_t length;
    bool decrypt;
} aes_row;

static bool bench_aes(bench *b, SqlCpKeyFlags flags, const aes_row *rows, size_t count)
{
    job *j = calloc(1, sizeof *j);
    bool good = false;

    if (!j)
        return false;
    j->b = b;
    j->parameter = (SqlCpEncryptionParam){scp_ep_IV, sizeof j->iv, j->iv};
    j->parameters = 1;
    j->mechanism = (CK_MECHANISM){CKM_AES_CBC_PAD, j->iv, sizeof j->iv};
    if (!open_sessions(j))
        goto done;
    if (!raw_has(&b->raw, CKM_AES_CBC_PAD) || !raw_has(&b->raw, CKM_AES_KEY_GEN)) {
        tell_skipped(b, rows->name, "the token has no CKM_AES_CBC_PAD");
        good = true;
        goto done;
    }
    if (!provider_create(&b->provider, "bench-aes", "AES_256", flags, j->thumb))
        goto done;
    j->object = raw_find(&b->raw, CKO_SECRET_KEY, "bench-aes");
    good = true;
    for (size_t i = 0; good && i < count; i++) {
        j->decrypt = rows[i].decrypt;
        good = prepare_data(j, rows[i].length) && measure_job(j, rows[i].name);
    }
    good = provider_drop(&b->provider, j->thumb) && good;
done:
    close_sessions(j);
    free(j);
    return good;
}

bool bench_crypt(bench *b)
{
    static const aes_row kept[] = {{"AES-256-CBC 64 B encrypt", 64, false},
                                   {"AES-256-CBC 64 B decrypt", 64, true},
                                   {"AES-256-CBC 8 KiB encrypt", 8192, false},
                                   {"AES-256-CBC 8 KiB decrypt", 8192, true}};
    /* Some tokens read a token object from their database at each use. A session key avoids that,
     * so the share of the provider is largest here. */
    static const aes_row session_key[] = {{"AES-256-CBC 64 B encrypt, session key", 64, false}};
    bool rsa = bench_rsa(b);
    bool aes = bench_aes(b, 0, kept, sizeof kept / sizeof kept[0]);

    return bench_aes(b, scp_kf_Volatile, session_key, 1) && aes && rsa;
}
