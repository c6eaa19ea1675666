/* SPDX-License-Identifier: Apache-2.0
 *
 * The built library on a real token, called as SQL Server calls it, and checked with OpenSSL, with
 * the fault proxy, and with direct Cryptoki calls after the provider is freed.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include "raw.h"
#include "testing.h"
#include "token_conf.h"
#include "tests/unit/ekm_fixture.h"

static SqlCpSession session;
static unsigned long (*count)(const char *);
static void (*reset)(void);

static const char *pin(void)
{
    return getenv("PIN");
}

static int start(void)
{
    if (!token_conf_make("") || SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("test", pin(), &session) != scp_err_Success)
        return 1;
    void *module = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_NOLOAD);
    void *function = module ? dlsym(module, "p11count_get") : NULL;
    memcpy(&count, &function, sizeof count);
    function = module ? dlsym(module, "p11count_reset") : NULL;
    memcpy(&reset, &function, sizeof reset);
    return 0;
}

static int stop(void)
{
    SqlCpError e = SqlCryptFreeProvider();
    token_conf_remove();
    return e == scp_err_Success ? 0 : 1;
}

/* Frees the provider to inspect the token directly; the caller initialises it again. */
static bool look_outside(raw_token *token)
{
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    return raw_open(token);
}

static void come_back(raw_token *token)
{
    raw_close(token, true);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(fx_open("test", pin(), &session), scp_err_Success);
}

static unsigned objects(const raw_token *token, CK_OBJECT_CLASS class)
{
    CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof class};
    CK_OBJECT_HANDLE found[500];
    CK_ULONG n = 0;
    CU_ASSERT_EQUAL(token->f->C_FindObjectsInit(token->session, &wanted, 1), CKR_OK);
    CU_ASSERT_EQUAL(token->f->C_FindObjects(token->session, found, 500, &n), CKR_OK);
    CU_ASSERT_EQUAL(token->f->C_FindObjectsFinal(token->session), CKR_OK);
    return (unsigned)n;
}

static unsigned all_objects(const raw_token *token)
{
    return objects(token, CKO_PRIVATE_KEY) + objects(token, CKO_PUBLIC_KEY) +
           objects(token, CKO_SECRET_KEY);
}

static bool offered(core_algorithm algorithm, const char *name, uint8_t thumb[FX_THUMB])
{
    SqlCpError e = fx_create(session, name, algorithm, 0, thumb);
    if (e == 2072)
        return false;
    CU_ASSERT_EQUAL(e, scp_err_Success);
    return e == scp_err_Success;
}

static void wraps_database_keys(void)
{
    static const core_algorithm sizes[] = {CORE_ALG_RSA_2048, CORE_ALG_RSA_3072};
    uint8_t dek[48];
    uint8_t wrapped[512];
    uint8_t out[512];
    for (unsigned a = 0; a < 2; a++) {
        uint8_t thumb[FX_THUMB];
        if (!offered(sizes[a], a ? "tde 3072" : "tde 2048", thumb))
            continue;
        for (size_t n = 16; n <= sizeof dek; n += 16) {
            memset(dek, (int)n, sizeof dek);
            size_t wrapped_len = sizeof wrapped;
            size_t out_len = sizeof out;
            CU_ASSERT_EQUAL(fx_encrypt(session, thumb, NULL, 0, dek, n, wrapped, &wrapped_len),
                            scp_err_Success);
            CU_ASSERT_EQUAL(wrapped_len, core_algorithm_bits(sizes[a]) / 8);
            CU_ASSERT_EQUAL(
                fx_decrypt(session, thumb, NULL, 0, wrapped, wrapped_len, out, &out_len),
                scp_err_Success);
            CU_ASSERT(out_len == n && memcmp(out, dek, n) == 0);
            wrapped[n] ^= 1;
            out_len = sizeof out;
            CU_ASSERT_EQUAL(
                fx_decrypt(session, thumb, NULL, 0, wrapped, wrapped_len, out, &out_len), 2073);
        }
    }
}

static void encrypts_cells(void)
{
    static const core_algorithm all[] = {CORE_ALG_AES_128, CORE_ALG_AES_192, CORE_ALG_AES_256,
                                         CORE_ALG_3DES};
    uint8_t plain[100];
    uint8_t cipher[200];
    uint8_t out[200];
    uint8_t iv[16];
    memset(plain, 0x42, sizeof plain);
    memset(iv, 0x24, sizeof iv);
    for (unsigned a = 0; a < 4; a++) {
        uint8_t thumb[FX_THUMB];
        char name[16];
        size_t block = core_algorithm_iv_bits(all[a]) / 8;
        snprintf(name, sizeof name, "cell %u", a);
        if (!offered(all[a], name, thumb))
            continue;
        for (size_t n = 0; n <= sizeof plain; n += 7) {
            for (unsigned given = 0; given < 2; given++) {
                size_t cipher_len = sizeof cipher;
                size_t out_len = sizeof out;
                const uint8_t *v = given ? iv : NULL;
                CU_ASSERT_EQUAL(
                    fx_encrypt(session, thumb, v, sizeof iv, plain, n, cipher, &cipher_len),
                    scp_err_Success);
                CU_ASSERT_EQUAL(cipher_len, (given ? 0 : block) + n / block * block + block);
                CU_ASSERT_EQUAL(
                    fx_decrypt(session, thumb, v, sizeof iv, cipher, cipher_len, out, &out_len),
                    scp_err_Success);
                CU_ASSERT(out_len == n && memcmp(out, plain, n) == 0);
            }
        }
    }
}

static void verifies_every_pin(void)
{
    SqlCpSession other = NULL;
    uint8_t thumb[FX_THUMB];
    uint8_t out[300];
    raw_token token;
    CK_TOKEN_INFO info;
    CU_ASSERT_EQUAL(fx_create(session, "pins", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    for (unsigned n = 0; n < 10; n++) {
        char wrong[16];
        size_t len = sizeof out;
        snprintf(wrong, sizeof wrong, "wrong%u", n);
        SqlCpError e = fx_open("test", wrong, &other);
        CU_ASSERT(n < 2 ? e == scp_err_AuthFailure : e == 2063);
        CU_ASSERT_EQUAL(fx_encrypt(session, thumb, NULL, 0, "x", 1, out, &len), scp_err_Success);
    }
    CU_ASSERT_EQUAL(fx_open("test", pin(), &other), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&other, 0), scp_err_Success);
    /* Also without a login: the PINs that reach the token are limited. */
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&session, 0), scp_err_Success);
    for (unsigned n = 0; n < 10; n++) {
        char wrong[16];
        snprintf(wrong, sizeof wrong, "wrong%u", n);
        SqlCpError e = fx_open("test", wrong, &other);
        CU_ASSERT(e == scp_err_AuthFailure || e == 2063);
    }
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    CU_ASSERT_EQUAL(token.f->C_GetTokenInfo(token.slot, &info), CKR_OK);
    CU_ASSERT_EQUAL(info.flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY), 0);
    come_back(&token);
}

static void keeps_names_apart(void)
{
    uint8_t thumb[FX_THUMB];
    CU_ASSERT_EQUAL(fx_create(session, "one name", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(session, "one name", CORE_ALG_RSA_2048, 0, thumb), 2067);
    CU_ASSERT_EQUAL(fx_create(session, "one name", CORE_ALG_AES_256, scp_kf_Volatile, thumb), 2067);
}

static void retires(void)
{
    uint8_t thumb[FX_THUMB];
    uint8_t again[FX_THUMB];
    fx_key key;
    raw_token token;
    CU_ASSERT_EQUAL(fx_create(session, "old", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    unsigned before = all_objects(&token);
    CU_ASSERT(raw_find(&token, CKO_PRIVATE_KEY, "old") != 0);
    come_back(&token);
    CU_ASSERT_EQUAL(fx_drop(session, thumb), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "old", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, thumb, &key), scp_err_NotFound);
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    CU_ASSERT_EQUAL(all_objects(&token), before);
    CU_ASSERT_EQUAL(raw_find(&token, CKO_PRIVATE_KEY, "old"), 0);
    come_back(&token);
    CU_ASSERT_EQUAL(fx_create(session, "old", CORE_ALG_RSA_2048, 0, again), scp_err_Success);
    CU_ASSERT(memcmp(thumb, again, FX_THUMB) != 0);
}

static unsigned list(uint8_t thumbs[][FX_THUMB], unsigned limit)
{
    SqlCpKeyId id = 0;
    unsigned n = 0;
    while (n < limit && SqlCryptGetNextKeyId(&session, &id) == scp_err_Success) {
        fx_key key;
        if (fx_info(session, FX_BY_ID, &id, &key) == scp_err_Success)
            memcpy(thumbs[id - 1], key.thumb, FX_THUMB);
        n++;
    }
    return n;
}

static void enumerates_stably(void)
{
    static uint8_t first[200][FX_THUMB];
    static uint8_t second[200][FX_THUMB];
    uint8_t a[FX_THUMB];
    uint8_t b[FX_THUMB];
    CU_ASSERT_EQUAL(fx_create(session, "zz", CORE_ALG_AES_256, 0, a), scp_err_Success);
    unsigned before = list(first, 200);
    CU_ASSERT(before > 0);
    CU_ASSERT_EQUAL(fx_create(session, "aa", CORE_ALG_AES_256, 0, b), scp_err_Success);
    CU_ASSERT_EQUAL(list(second, 200), before + 1);
    CU_ASSERT(memcmp(first, second, before * FX_THUMB) == 0);
    CU_ASSERT(memcmp(second[before], b, FX_THUMB) == 0);
    CU_ASSERT_EQUAL(fx_drop(session, a), scp_err_Success);
    CU_ASSERT_EQUAL(list(second, 200), before);
}

static size_t export_key(uint8_t *thumb, uint8_t *bytes, size_t size)
{
    SqlCpKeyThumbprint key = {FX_THUMB, thumb};
    SqlCpKeyBlob blob = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptExportKey(&session, &key, NULL, scp_kb_PublicKeyBlob, &blob),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_FATAL(blob.cb <= size);
    blob.pb = bytes;
    CU_ASSERT_EQUAL(SqlCryptExportKey(&session, &key, NULL, scp_kb_PublicKeyBlob, &blob),
                    scp_err_Success);
    return blob.cb;
}

static void exports_the_modulus(void)
{
    uint8_t thumb[FX_THUMB];
    uint8_t blob[600];
    uint8_t modulus[256];
    raw_token token;
    CU_ASSERT_EQUAL(fx_create(session, "exported", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    size_t len = export_key(thumb, blob, sizeof blob);
    CU_ASSERT_EQUAL_FATAL(len, 24 + 3 + 256);
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    CK_OBJECT_HANDLE object = raw_find(&token, CKO_PRIVATE_KEY, "exported");
    CK_ATTRIBUTE wanted = {CKA_MODULUS, modulus, sizeof modulus};
    CU_ASSERT_EQUAL(token.f->C_GetAttributeValue(token.session, object, &wanted, 1), CKR_OK);
    CU_ASSERT(wanted.ulValueLen == 256 && memcmp(modulus, blob + 27, 256) == 0);
    CK_BBOOL sensitive = CK_FALSE;
    CK_BBOOL extractable = CK_TRUE;
    CK_ATTRIBUTE guarded[] = {{CKA_SENSITIVE, &sensitive, 1}, {CKA_EXTRACTABLE, &extractable, 1}};
    CU_ASSERT_EQUAL(token.f->C_GetAttributeValue(token.session, object, guarded, 2), CKR_OK);
    CU_ASSERT(sensitive == CK_TRUE && extractable == CK_FALSE);
    come_back(&token);
}

/* An OpenSSL key from a CNG blob of a 2048-bit key. */
static EVP_PKEY *from_blob(const uint8_t *blob)
{
    EVP_PKEY *key = NULL;
    BIGNUM *e = BN_bin2bn(blob + 24, 3, NULL);
    BIGNUM *n = BN_bin2bn(blob + 27, 256, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    CU_ASSERT(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
              OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    CU_ASSERT(EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return key;
}

static void opens_what_openssl_sealed(void)
{
    uint8_t thumb[FX_THUMB];
    uint8_t blob[600];
    uint8_t sealed[256];
    uint8_t out[300];
    size_t sealed_len = sizeof sealed;
    size_t out_len = sizeof out;
    CU_ASSERT_EQUAL(fx_create(session, "openssl", CORE_ALG_RSA_2048, 0, thumb), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(export_key(thumb, blob, sizeof blob), 283);
    EVP_PKEY *key = from_blob(blob);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    /* Every token supports OAEP with SHA-1, and the default policy accepts it. */
    CU_ASSERT(EVP_PKEY_encrypt_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_encrypt(ctx, sealed, &sealed_len, (const uint8_t *)"made by OpenSSL", 15) ==
                  1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    CU_ASSERT_EQUAL(fx_decrypt(session, thumb, NULL, 0, sealed, sealed_len, out, &out_len),
                    scp_err_Success);
    CU_ASSERT(out_len == 15 && memcmp(out, "made by OpenSSL", 15) == 0);
}

static void asks_the_token_twice(void)
{
    if (!count || !reset)
        TEST_SKIP("not run under the fault proxy");
    uint8_t rsa[FX_THUMB];
    uint8_t aes[FX_THUMB];
    uint8_t cipher[300];
    uint8_t out[300];
    CU_ASSERT_EQUAL(fx_create(session, "counted rsa", CORE_ALG_RSA_2048, 0, rsa), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(session, "counted aes", CORE_ALG_AES_256, 0, aes), scp_err_Success);
    uint8_t *keys[] = {rsa, aes};
    for (unsigned k = 0; k < 2; k++) {
        size_t len = sizeof cipher;
        size_t out_len = sizeof out;
        CU_ASSERT_EQUAL(fx_encrypt(session, keys[k], NULL, 0, "secret", 6, cipher, &len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(fx_decrypt(session, keys[k], NULL, 0, cipher, len, out, &out_len),
                        scp_err_Success);
        /* fx_decrypt makes a size query first: that must make no call of the token. */
        reset();
        out_len = sizeof out;
        CU_ASSERT_EQUAL(fx_decrypt(session, keys[k], NULL, 0, cipher, len, out, &out_len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(count(NULL), 2);
        CU_ASSERT_EQUAL(count("C_DecryptInit"), 1);
        CU_ASSERT_EQUAL(count("C_Decrypt"), 1);
        reset();
        len = sizeof cipher;
        CU_ASSERT_EQUAL(fx_encrypt(session, keys[k], NULL, 0, "secret", 6, cipher, &len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(count(NULL), 2);
        SqlCpKeyThumbprint thumb = {FX_THUMB, keys[k]};
        SqlCpData in = {(SqlCpUlong)len, cipher};
        SqlCpData size = {0, NULL};
        reset();
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&session, &thumb, 1, NULL, 0, &in, &size),
                        scp_err_InsufficientBuffer);
        CU_ASSERT_EQUAL(
            SqlCryptEncrypt(&session, &thumb, 1, NULL, 0, &(SqlCpData){6, (SqlCpByte *)out}, &size),
            scp_err_InsufficientBuffer);
        CU_ASSERT_EQUAL(count(NULL), 0);
    }
}

static void forgets_volatile_keys(void)
{
    SqlCpSession other = NULL;
    uint8_t rsa[FX_THUMB];
    uint8_t aes[FX_THUMB];
    uint8_t out[300];
    fx_key key;
    raw_token token;
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    unsigned before = all_objects(&token);
    come_back(&token);
    CU_ASSERT_EQUAL(fx_open("test", pin(), &other), scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(other, "#rsa", CORE_ALG_RSA_2048, scp_kf_Volatile, rsa),
                    scp_err_Success);
    CU_ASSERT_EQUAL(fx_create(other, "#aes", CORE_ALG_AES_256, scp_kf_Volatile, aes),
                    scp_err_Success);
    size_t len = sizeof out;
    CU_ASSERT_EQUAL(fx_encrypt(other, rsa, NULL, 0, "x", 1, out, &len), scp_err_Success);
    len = sizeof out;
    CU_ASSERT_EQUAL(fx_encrypt(other, aes, NULL, 0, "x", 1, out, &len), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(other, FX_BY_NAME, "#rsa", &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "#rsa", &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, aes, &key), scp_err_NotFound);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&other, 0), scp_err_Success);
    CU_ASSERT_TRUE_FATAL(look_outside(&token));
    CU_ASSERT_EQUAL(all_objects(&token), before);
    come_back(&token);
}

static void starts_and_stops(void)
{
    uint8_t thumb[FX_THUMB];
    fx_key key;
    CU_ASSERT_EQUAL(fx_create(session, "lasting", CORE_ALG_AES_256, 0, thumb), scp_err_Success);
    for (unsigned n = 0; n < 30; n++) {
        CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
        CU_ASSERT_EQUAL(fx_open("test", pin(), &session), scp_err_Success);
        CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, thumb, &key), scp_err_Success);
        CU_ASSERT_STRING_EQUAL(key.name, "lasting");
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {{"wraps_database_keys", wraps_database_keys},
                                      {"encrypts_cells", encrypts_cells},
                                      {"verifies_every_pin", verifies_every_pin},
                                      {"keeps_names_apart", keeps_names_apart},
                                      {"retires", retires},
                                      {"enumerates_stably", enumerates_stably},
                                      {"exports_the_modulus", exports_the_modulus},
                                      {"opens_what_openssl_sealed", opens_what_openssl_sealed},
                                      {"asks_the_token_twice", asks_the_token_twice},
                                      {"forgets_volatile_keys", forgets_volatile_keys},
                                      {"starts_and_stops", starts_and_stops},
                                      {NULL, NULL}};
    static const test_suite suite = {
        .name = "ekm_token", .cases = cases, .start = start, .stop = stop};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
