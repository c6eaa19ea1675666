/* SPDX-License-Identifier: Apache-2.0
 *
 * Known answers of digests and RSA, sealing and changed sealed data, random numbers after a fork,
 * and that the host's OpenSSL is not affected.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/crypto.h"
#include "core/text.h"
#include "test_core.h"

/* A key made for this test, and its signature over SHA-256("abc") by the openssl program. */
static const char modulus_hex[] =
    "a2e473e0fa9603afe94a893221ba7d121158ecdb0ad5309ad9fef6e913b75b151667a4cd3639472c"
    "87373df14c9646a36d990e7d3be425b41de4168f821aeb5c93e87142a655c5f954e8050de8725099"
    "473ea5d75419ddf13aac3965f85a77098cbe6e945d716e69203781c35ca21a0bc9f765ae99e7c25a"
    "565a7e309dc6762dbe241255658cd7bdda4339c0bb5a50950c59d56b2723cb56a092bbc095b0dbc0"
    "0dfb017bbbfe1a1188adbf9b1f74aedd18c6696f88bdcf3041c4950fe54ee43ed102954cb1cde96b"
    "8cfa2b7b0ac3e425db8ae59b7a893526420cd6356320359f5f7a79cd920c530d8500939dff28b602"
    "b2d9aa160e3117b2d69d74743cd1f21d";
static const char signature_hex[] =
    "6e40a681c14a780ca5454b30119473df2c15bf34d8599ee239678092769d8c8e86307ab034123337"
    "2694a73d450a81d6c80a737924ccf95d652755024d4cb2d2600f0b94e9ea9400b01819b8dfedc118"
    "64c682151b1c9a393f52af76e82f99d702c6dcec905b323281fdcb00af2b66f7aec97032ee29fc37"
    "5cfd5f7cb6c641a3b4b9f98b134190e66aac8e1b8d83841aa0d6f67d9c09d20da291cbe1ea3d1263"
    "680db6e08a7ab2faf8b4755db0b3360b43299eecc7c5b97c59b6bd3654475e5a0a5c950a132c6f2c"
    "7508a174fd7393d0fc8b112c3daff583802b6f34d986de65591d0b30eb3c9ba258eb41d6882cfe26"
    "6b35e72403999c594065b6300648b627";
static const uint8_t f4[] = {1, 0, 1};

static int open_crypto(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int close_crypto(void)
{
    core_crypto_close();
    return core_crypto_ctx() == NULL ? 0 : 1;
}

static void expect_hex(const uint8_t *bytes, size_t length, const char *hex)
{
    char text[129];
    core_hex(bytes, length, text);
    CU_ASSERT_STRING_EQUAL(text, hex);
}

static void digests(void)
{
    uint8_t out[32];
    CU_ASSERT_EQUAL(core_sha256(NULL, 0, NULL, 0, NULL, 0, out), ST_OK);
    expect_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CU_ASSERT_EQUAL(core_sha256("a", 1, "b", 1, "c", 1, out), ST_OK);
    expect_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    /* RFC 4231, test case 2 */
    CU_ASSERT_EQUAL(core_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), ST_OK);
    expect_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CU_ASSERT_EQUAL(core_hmac_sha256(NULL, 0, "", 0, out), ST_OK);
    expect_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void seals_and_unseals(void)
{
    uint8_t sealed[5 + CORE_SEAL_OVERHEAD], again[5 + CORE_SEAL_OVERHEAD];
    core_secret out;
    CU_ASSERT_EQUAL(core_seal("12345", 5, sealed), ST_OK);
    CU_ASSERT_EQUAL(core_seal("12345", 5, again), ST_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(sealed, again, sizeof sealed), 0);
    CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed, &out), ST_OK);
    CU_ASSERT_EQUAL(out.length, 5);
    CU_ASSERT_EQUAL(memcmp(out.data, "12345", 5), 0);
    core_secret_close(&out);
    CU_ASSERT_EQUAL(core_seal(NULL, 0, sealed), ST_OK);
    CU_ASSERT_EQUAL(core_unseal(sealed, CORE_SEAL_OVERHEAD, &out), ST_OK);
    CU_ASSERT_EQUAL(out.length, 0);
    core_secret_close(&out);
}

static void unseal_refuses_any_change(void)
{
    uint8_t sealed[5 + CORE_SEAL_OVERHEAD];
    core_secret out;
    CU_ASSERT_EQUAL(core_seal("12345", 5, sealed), ST_OK);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed, &out), ST_DECRYPT_FAILED);
        CU_ASSERT_PTR_NULL(out.data);
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed - 1, &out), ST_DECRYPT_FAILED);
    CU_ASSERT_EQUAL(core_unseal(sealed, CORE_SEAL_OVERHEAD - 1, &out), ST_FAILURE);
    CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed, &out), ST_OK);
    core_secret_close(&out);
}

/* Each context has a new process key: data sealed under an earlier one is lost. */
static void key_ends_with_context(void)
{
    uint8_t sealed[5 + CORE_SEAL_OVERHEAD];
    core_secret out;
    CU_ASSERT_EQUAL(core_seal("12345", 5, sealed), ST_OK);
    core_crypto_close();
    CU_ASSERT_PTR_NULL(core_crypto_ctx());
    CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed, &out), ST_FAILURE);
    CU_ASSERT_EQUAL(core_seal("1", 1, sealed), ST_FAILURE);
    CU_ASSERT_EQUAL(core_random(sealed, 1), ST_FAILURE);
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
    CU_ASSERT_EQUAL(core_unseal(sealed, sizeof sealed, &out), ST_DECRYPT_FAILED);
}

static void counts_its_users(void)
{
    OSSL_LIB_CTX *ctx = core_crypto_ctx();
    CU_ASSERT_PTR_NOT_NULL(ctx);
    CU_ASSERT_EQUAL(core_crypto_open(), ST_OK);
    CU_ASSERT_PTR_EQUAL(core_crypto_ctx(), ctx);
    core_crypto_close();
    CU_ASSERT_PTR_EQUAL(core_crypto_ctx(), ctx);
}

/* Parent and child share the key: they must never draw the same nonce. */
static void nonces_differ_after_a_fork(void)
{
    uint8_t mine[CORE_SEAL_OVERHEAD], theirs[CORE_SEAL_OVERHEAD] = {0};
    int ends[2], status = 0;
    CU_ASSERT_EQUAL(core_random(mine, sizeof mine), ST_OK); /* the generator is running */
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        uint8_t sealed[CORE_SEAL_OVERHEAD];
        const bool done = core_seal(NULL, 0, sealed) == ST_OK &&
                          write(ends[1], sealed, sizeof sealed) == sizeof sealed;
        _exit(done ? 0 : 1);
    }
    CU_ASSERT_EQUAL(core_seal(NULL, 0, mine), ST_OK);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    CU_ASSERT_NOT_EQUAL(memcmp(mine, theirs, 12), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static size_t unhex(const char *hex, uint8_t *out, size_t room)
{
    size_t length = room;
    CU_ASSERT_EQUAL(core_unhex(hex, out, &length), ST_OK);
    return length;
}

/* RFC 8017 and RFC 5280 by hand: header, modulus with a zero before its high bit, exponent. */
static void spki_known(void)
{
    static const char head[] = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100",
                      tail[] = "0203010001";
    uint8_t modulus[3 + 256] = {0}, want[512], *der = NULL;
    const uint8_t long_f4[] = {0, 0, 1, 0, 1};
    size_t length = 0, want_len = 0;
    CU_ASSERT_EQUAL(unhex(modulus_hex, modulus + 3, 256), 256);
    want_len = unhex(head, want, sizeof want);
    memcpy(want + want_len, modulus + 3, 256);
    want_len += 256;
    want_len += unhex(tail, want + want_len, sizeof want - want_len);

    CU_ASSERT_EQUAL(core_rsa_spki(modulus, sizeof modulus, long_f4, 5, &der, &length), ST_OK);
    CU_ASSERT_EQUAL_FATAL(length, want_len);
    CU_ASSERT_EQUAL(memcmp(der, want, want_len), 0);
    core_free(der);
}

static void invalid_keys_refused(void)
{
    uint8_t modulus[256], *der = NULL;
    const uint8_t one[] = {1}, two[] = {2};
    size_t length = 0;
    (void)unhex(modulus_hex, modulus, sizeof modulus);
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 256, one, 1));
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 256, two, 1));
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 256, NULL, 0));
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 32, f4, 3));
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 255, modulus, 256));
    modulus[255] &= 0xfe;
    CU_ASSERT_PTR_NULL(core_rsa_public(modulus, 256, f4, 3));
    CU_ASSERT_EQUAL(core_rsa_spki(modulus, 256, f4, 3, &der, &length), ST_FORMAT);
    CU_ASSERT_PTR_NULL(der);
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void verifies(void)
{
    uint8_t modulus[256], signature[256], digest[32];
    (void)unhex(modulus_hex, modulus, sizeof modulus);
    (void)unhex(signature_hex, signature, sizeof signature);
    CU_ASSERT_EQUAL(core_sha256("abc", 3, NULL, 0, NULL, 0, digest), ST_OK);
    EVP_PKEY *key = core_rsa_public(modulus, sizeof modulus, f4, sizeof f4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(core_rsa_verify(key, digest, signature, 256), ST_OK);
    CU_ASSERT_EQUAL(core_rsa_verify(key, digest, signature, 255), ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(core_rsa_verify(key, digest, signature, 0), ST_SIGNATURE_INVALID);
    signature[0] ^= 1;
    CU_ASSERT_EQUAL(core_rsa_verify(key, digest, signature, 256), ST_SIGNATURE_INVALID);
    signature[0] ^= 1;
    digest[31] ^= 1;
    CU_ASSERT_EQUAL(core_rsa_verify(key, digest, signature, 256), ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(ERR_peek_error(), 0); /* nothing left in the host's queue */
    core_rsa_free(key);
    core_rsa_free(NULL);
}

/* Checked with the private key in the host's own context. */
static size_t decrypt(EVP_PKEY *pair, int padding, const char *hash, const uint8_t *in,
                      size_t in_len, uint8_t *out)
{
    size_t length = 512;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pair, NULL);
    CU_ASSERT_EQUAL(EVP_PKEY_decrypt_init(ctx), 1);
    CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
    if (hash != NULL) {
        CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL), 1);
        CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, hash, NULL), 1);
    }
    if (EVP_PKEY_decrypt(ctx, out, &length, in, in_len) != 1)
        length = 0;
    EVP_PKEY_CTX_free(ctx);
    return length;
}

static EVP_PKEY *public_half(EVP_PKEY *pair)
{
    uint8_t modulus[256];
    BIGNUM *n = NULL;
    CU_ASSERT_EQUAL(EVP_PKEY_get_bn_param(pair, "n", &n), 1);
    CU_ASSERT_EQUAL(BN_bn2binpad(n, modulus, 256), 256);
    BN_free(n);
    return core_rsa_public(modulus, 256, f4, 3);
}

static void encrypts(void)
{
    static const struct {
        int padding;
        const char *hash;
        size_t longest;
    } rows[] = {{RSA_PKCS1_OAEP_PADDING, "SHA256", 190},
                {RSA_PKCS1_OAEP_PADDING, "SHA1", 214},
                {RSA_PKCS1_PADDING, NULL, 245}};
    uint8_t in[256] = {7}, out[256], back[512];
    size_t length = 0;
    EVP_PKEY *pair = EVP_RSA_gen(2048);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
    EVP_PKEY *key = public_half(pair);
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        length = sizeof out;
        CU_ASSERT_EQUAL(
            core_rsa_encrypt(key, rows[i].padding, rows[i].hash, in, rows[i].longest, out, &length),
            ST_OK);
        CU_ASSERT_EQUAL(length, 256);
        CU_ASSERT_EQUAL(decrypt(pair, rows[i].padding, rows[i].hash, out, 256, back),
                        rows[i].longest);
        CU_ASSERT_EQUAL(memcmp(in, back, rows[i].longest), 0);
        CU_ASSERT_EQUAL(core_rsa_encrypt(key, rows[i].padding, rows[i].hash, in,
                                         rows[i].longest + 1, out, &length),
                        ST_DATA_LENGTH);
    }
    length = 255;
    CU_ASSERT_EQUAL(core_rsa_encrypt(key, RSA_PKCS1_PADDING, NULL, in, 1, out, &length),
                    ST_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(length, 256);
    CU_ASSERT_EQUAL(core_rsa_encrypt(key, RSA_NO_PADDING, NULL, in, 256, out, &length),
                    ST_INVALID_ARGUMENT);
    length = 256;
    CU_ASSERT_EQUAL(core_rsa_encrypt(key, RSA_PKCS1_OAEP_PADDING, "NOHASH", in, 1, out, &length),
                    ST_FAILURE);
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    EVP_PKEY_free(pair);
    core_rsa_free(key);
}

/* In a child with a configuration that would load a provider: our context does not read it. */
static void the_hosts_configuration_is_not_read(void)
{
    static const char conf[] = "openssl_conf = init\n[init]\nproviders = list\n[list]\n"
                               "nonesuch = section\n[section]\nmodule = /nonexistent/provider.so\n"
                               "activate = 1\n";
    int status = 0;
    const char *path = testing_file("openssl.cnf", conf, sizeof conf - 1, 0600);
    core_crypto_close();
    const pid_t child = fork();
    if (child == 0) {
        uint8_t out[32];
        if (setenv("OPENSSL_CONF", path, 1) != 0 || core_crypto_open() != ST_OK)
            _exit(1);
        const bool works = core_sha256("a", 1, NULL, 0, NULL, 0, out) == ST_OK;
        const bool alone = OSSL_PROVIDER_available(core_crypto_ctx(), "default") == 1 &&
                           OSSL_PROVIDER_available(core_crypto_ctx(), "legacy") == 0;
        _exit(works && alone ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
}

/* The host's error queue is unchanged, and our errors are not added. */
static void the_hosts_errors_stay(void)
{
    uint8_t zero[256] = {0};
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 7);
    CU_ASSERT_PTR_NULL(core_rsa_public(zero, 256, f4, 3));
    CU_ASSERT_EQUAL(ERR_GET_REASON(ERR_get_error()), 7);
    CU_ASSERT_EQUAL(ERR_get_error(), 0);
}

enum { THREADS = 8, ROUNDS = 200 };

static void *work(void *gate)
{
    uint8_t sealed[5 + CORE_SEAL_OVERHEAD], digest[32];
    core_secret out;
    uintptr_t wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        wrong += core_crypto_open() != ST_OK;
        wrong += core_seal("12345", 5, sealed) != ST_OK;
        wrong += core_sha256(sealed, sizeof sealed, NULL, 0, NULL, 0, digest) != ST_OK;
        wrong += core_unseal(sealed, sizeof sealed, &out) != ST_OK || out.length != 5;
        core_secret_close(&out);
        core_crypto_close();
    }
    (void)pthread_barrier_wait(gate); /* done */
    (void)pthread_barrier_wait(gate); /* closed: the thread ends after the context's last user */
    return (void *)wrong;
}

/* OpenSSL cleans up when a thread ends, which may be long after our code is closed. */
static void threads_ending_after_close_leak_nothing(void)
{
    pthread_barrier_t gate;
    pthread_t threads[THREADS];
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&gate, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &gate), 0);
    (void)pthread_barrier_wait(&gate);
    core_crypto_close();
    CU_ASSERT_PTR_NULL(core_crypto_ctx());
    (void)pthread_barrier_wait(&gate);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &wrong), 0);
        CU_ASSERT_PTR_NULL(wrong);
    }
    (void)pthread_barrier_destroy(&gate);
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
}

static bool open_once_more(void *context)
{
    (void)context;
    const bool opened = core_crypto_open() == ST_OK;
    if (opened)
        core_crypto_close();
    else
        CU_ASSERT_PTR_NULL(core_crypto_ctx());
    return opened;
}

static void opens_without_memory(void)
{
    core_crypto_close();
    CU_ASSERT_EQUAL(testing_fail_allocations(open_once_more, NULL, 10, 0), 2);
    CU_ASSERT_EQUAL_FATAL(core_crypto_open(), ST_OK);
}

static const test_case cases[] = {
    {"digests", digests},
    {"seals_and_unseals", seals_and_unseals},
    {"unseal_refuses_any_change", unseal_refuses_any_change},
    {"key_ends_with_context", key_ends_with_context},
    {"counts_its_users", counts_its_users},
    {"nonces_differ_after_a_fork", nonces_differ_after_a_fork},
    {"spki_known", spki_known},
    {"invalid_keys_refused", invalid_keys_refused},
    {"verifies", verifies},
    {"encrypts", encrypts},
    {"the_hosts_configuration_is_not_read", the_hosts_configuration_is_not_read},
    {"the_hosts_errors_stay", the_hosts_errors_stay},
    {"threads_ending_after_close_leak_nothing", threads_ending_after_close_leak_nothing},
    {"opens_without_memory", opens_without_memory},
    {NULL, NULL}};
const test_suite core_crypto_suite = {
    .name = "crypto", .cases = cases, .start = open_crypto, .stop = close_crypto};
