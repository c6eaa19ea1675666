/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypt and Decrypt: forms of the ciphertext, IVs, sizes, and overlapping buffers.
 */
#include <string.h>
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

typedef struct keys {
    SqlCpSession s;
    uint8_t rsa[FX_THUMB], aes[FX_THUMB], des[FX_THUMB];
} keys;

static keys begin(const char *config)
{
    keys k;
    k.s = fx_begin(config);
    CU_ASSERT_EQUAL_FATAL(fx_create(k.s, "rsa", CORE_ALG_RSA_2048, 0, k.rsa), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(k.s, "aes", CORE_ALG_AES_256, 0, k.aes), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(k.s, "des", CORE_ALG_3DES, 0, k.des), scp_err_Success);
    return k;
}

static unsigned data_calls(void)
{
    return fake_calls(FAKE_tok_encrypt) + fake_calls(FAKE_tok_decrypt);
}

static void test_rsa_round_trip(void)
{
    keys k = begin(NULL);
    uint8_t dek[48];
    uint8_t wrapped[256];
    uint8_t out[256];
    for (size_t len = 16; len <= sizeof dek; len += 16) {
        memset(dek, (int)len, sizeof dek);
        size_t wrapped_len = sizeof wrapped;
        size_t out_len = sizeof out;
        CU_ASSERT_EQUAL(fx_encrypt(k.s, k.rsa, NULL, 0, dek, len, wrapped, &wrapped_len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(wrapped_len, 256);
        CU_ASSERT_EQUAL(fx_decrypt(k.s, k.rsa, NULL, 0, wrapped, wrapped_len, out, &out_len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(out_len, len);
        CU_ASSERT(memcmp(out, dek, len) == 0);
    }
    CU_ASSERT_EQUAL(data_calls(), 6);
    fx_end();
}

/* The lengths of all forms; decryption accepts its own ciphertext only. */
static void check_symmetric(SqlCpSession s, const uint8_t *thumb, size_t block)
{
    uint8_t plain[100];
    uint8_t cipher[200];
    uint8_t out[200];
    uint8_t iv[512];
    for (size_t n = 0; n < sizeof plain; n++)
        plain[n] = (uint8_t)(n * 7);
    memset(iv, 0x33, sizeof iv);
    for (size_t len = 0; len <= sizeof plain; len++) {
        size_t padded = len / block * block + block;
        size_t cipher_len = sizeof cipher;
        size_t out_len = sizeof out;
        CU_ASSERT_EQUAL(fx_encrypt(s, thumb, NULL, 0, plain, len, cipher, &cipher_len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(cipher_len, block + padded);
        CU_ASSERT_EQUAL(fx_decrypt(s, thumb, NULL, 0, cipher, cipher_len, out, &out_len),
                        scp_err_Success);
        CU_ASSERT(out_len == len && memcmp(out, plain, len) == 0);

        cipher_len = sizeof cipher;
        out_len = sizeof out;
        SqlCpUlong iv_len = (SqlCpUlong)(len % 2 ? block : sizeof iv);
        CU_ASSERT_EQUAL(fx_encrypt(s, thumb, iv, iv_len, plain, len, cipher, &cipher_len),
                        scp_err_Success);
        CU_ASSERT_EQUAL(cipher_len, padded);
        CU_ASSERT_EQUAL(
            fx_decrypt(s, thumb, iv, (SqlCpUlong)block, cipher, cipher_len, out, &out_len),
            scp_err_Success);
        CU_ASSERT(out_len == len && memcmp(out, plain, len) == 0);
    }
}

static void test_symmetric_round_trips(void)
{
    keys k = begin(NULL);
    check_symmetric(k.s, k.aes, 16);
    check_symmetric(k.s, k.des, 8);
    fx_end();
}

static void test_random_iv_is_fresh(void)
{
    keys k = begin(NULL);
    uint8_t first[64];
    uint8_t second[64];
    size_t first_len = sizeof first;
    size_t second_len = sizeof second;
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.aes, NULL, 0, "same", 4, first, &first_len), scp_err_Success);
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.aes, NULL, 0, "same", 4, second, &second_len),
                    scp_err_Success);
    CU_ASSERT(memcmp(first, second, 16) != 0);
    fx_end();
}

static void test_iv_refusals(void)
{
    keys k = begin(NULL);
    uint8_t iv[600] = {0};
    uint8_t out[300];
    size_t len = sizeof out;
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.rsa, iv, 16, "x", 1, out, &len), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.aes, iv, 15, "x", 1, out, &len), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.aes, iv, 0, "x", 1, out, &len), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.des, iv, 7, "x", 1, out, &len), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(fx_decrypt(k.s, k.aes, iv, 15, "x", 1, out, &len), scp_err_InvalidArgument);

    SqlCpKeyThumbprint key = {FX_THUMB, k.aes};
    SqlCpData in = {16, iv};
    SqlCpData to = {sizeof out, out};
    SqlCpEncryptionParam params[2] = {{scp_ep_IV, 513, iv}, {scp_ep_IV, 16, iv}};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, params, 1, &in, &to), scp_err_InvalidArgument);
    params[0].cb = 16;
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, params, 2, &in, &to), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, params, UINT32_MAX, &in, &to),
                    scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, NULL, 1, &in, &to), scp_err_InvalidArgument);
    params[0].type = (SqlCpEncryptionParamType)1;
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, params, 1, &in, &to), scp_err_NotSupported);
    params[0] = (SqlCpEncryptionParam){scp_ep_IV, 16, NULL};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 1, params, 1, &in, &to), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &key, 0, NULL, 0, &in, &to), scp_err_NotSupported);
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &key, 0, NULL, 0, &in, &to), scp_err_NotSupported);
    CU_ASSERT_EQUAL(to.cb, sizeof out);
    CU_ASSERT_EQUAL(data_calls(), 0);
    fx_end();
}

static void test_sizes_ask_no_token(void)
{
    keys k = begin(NULL);
    uint8_t buffer[300];
    SqlCpKeyThumbprint rsa = {FX_THUMB, k.rsa};
    SqlCpKeyThumbprint aes = {FX_THUMB, k.aes};
    SqlCpData in = {40, buffer};
    SqlCpData out = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(out.cb, 64);
    out = (SqlCpData){63, buffer};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(out.cb, 64);
    out = (SqlCpData){0, NULL};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &rsa, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(out.cb, 256);
    in.cb = 256;
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &rsa, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(out.cb, 190);
    out = (SqlCpData){0, buffer};
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &rsa, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    in.cb = 64;
    out = (SqlCpData){0, NULL};
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_InsufficientBuffer);
    CU_ASSERT(out.cb >= 47 && out.cb <= 48);
    CU_ASSERT_EQUAL(data_calls(), 0);
    fx_end();
}

static void test_lengths_that_cannot_be(void)
{
    keys k = begin(NULL);
    uint8_t buffer[300] = {0};
    SqlCpKeyThumbprint rsa = {FX_THUMB, k.rsa};
    SqlCpKeyThumbprint aes = {FX_THUMB, k.aes};
    SqlCpData out = {sizeof buffer, buffer};
    SqlCpData in = {191, buffer};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &rsa, 1, NULL, 0, &in, &out), 2074);
    in.cb = UINT32_MAX;
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_InvalidArgument);
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_InvalidArgument);
    static const SqlCpUlong odd[] = {0, 1, 15, 16, 31, 33, 47};
    for (unsigned n = 0; n < sizeof odd / sizeof *odd; n++) {
        in.cb = odd[n];
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &aes, 1, NULL, 0, &in, &out), 2073);
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &rsa, 1, NULL, 0, &in, &out), 2073);
    }
    CU_ASSERT_EQUAL(out.cb, sizeof buffer);
    fx_end();
}

static void test_decrypt_into_less_than_the_bound(void)
{
    keys k = begin(NULL);
    uint8_t cipher[300];
    uint8_t out[64];
    size_t cipher_len = sizeof cipher;
    SqlCpKeyThumbprint rsa = {FX_THUMB, k.rsa};
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.rsa, NULL, 0, "0123456789abcdef", 16, cipher, &cipher_len),
                    scp_err_Success);
    SqlCpData in = {(SqlCpUlong)cipher_len, cipher};
    SqlCpData to = {16, out};
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &rsa, 1, NULL, 0, &in, &to), scp_err_Success);
    CU_ASSERT_EQUAL(to.cb, 16);
    CU_ASSERT(memcmp(out, "0123456789abcdef", 16) == 0);
    memset(out, 0x77, sizeof out);
    to.cb = 15;
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &rsa, 1, NULL, 0, &in, &to), scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(to.cb, 16);
    CU_ASSERT_EQUAL(out[0], 0x77);
    fx_end();
}

/* Input and output in one buffer, at each distance. */
static void test_overlap(void)
{
    keys k = begin(NULL);
    SqlCpKeyThumbprint aes = {FX_THUMB, k.aes};
    for (int distance = -40; distance <= 40; distance++) {
        uint8_t buffer[300] = {0};
        uint8_t *data = buffer + 100;
        memcpy(data, "the text that overlaps", 22);
        SqlCpData in = {22, data};
        SqlCpData out = {64, data + distance};
        CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_Success);
        CU_ASSERT_EQUAL(out.cb, 48);
        in = out;
        out = (SqlCpData){64, in.pb - distance};
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&k.s, &aes, 1, NULL, 0, &in, &out), scp_err_Success);
        CU_ASSERT_EQUAL(out.cb, 22);
        CU_ASSERT(memcmp(out.pb, "the text that overlaps", 22) == 0);
    }
    /* The IV is in the ciphertext's buffer. */
    uint8_t iv[64] = {1, 2, 3};
    SqlCpEncryptionParam param = {scp_ep_IV, 16, iv};
    uint8_t text[4] = "abcd";
    SqlCpData in = {4, text};
    SqlCpData out = {64, iv};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&k.s, &aes, 1, &param, 1, &in, &out), scp_err_Success);
    uint8_t plain[16];
    uint8_t first[16] = {1, 2, 3};
    size_t len = sizeof plain;
    CU_ASSERT_EQUAL(fx_decrypt(k.s, k.aes, first, 16, iv, 16, plain, &len), scp_err_Success);
    CU_ASSERT(len == 4 && memcmp(plain, text, 4) == 0);
    fx_end();
}

static void test_wrong_key(void)
{
    keys k = begin(NULL);
    uint8_t cipher[300];
    uint8_t other[FX_THUMB];
    uint8_t out[300];
    size_t cipher_len = sizeof cipher;
    size_t out_len = sizeof out;
    CU_ASSERT_EQUAL(fx_create(k.s, "other", CORE_ALG_RSA_2048, 0, other), scp_err_Success);
    CU_ASSERT_EQUAL(fx_encrypt(k.s, k.rsa, NULL, 0, "secret", 6, cipher, &cipher_len),
                    scp_err_Success);
    CU_ASSERT_EQUAL(fx_decrypt(k.s, other, NULL, 0, cipher, cipher_len, out, &out_len), 2073);
    out_len = sizeof out;
    cipher[100] ^= 1;
    CU_ASSERT_EQUAL(fx_decrypt(k.s, k.rsa, NULL, 0, cipher, cipher_len, out, &out_len),
                    scp_err_Success);
    out_len = sizeof out;
    cipher[9] ^= 1;
    CU_ASSERT_EQUAL(fx_decrypt(k.s, k.rsa, NULL, 0, cipher, cipher_len, out, &out_len), 2073);
    fake_take_key(k.rsa);
    CU_ASSERT_EQUAL(fx_decrypt(k.s, k.rsa, NULL, 0, cipher, cipher_len, out, &out_len),
                    scp_err_NotFound);
    fx_end();
}

void add_data_suite(void)
{
    CU_pSuite suite = CU_add_suite("data", NULL, NULL);
    CU_ADD_TEST(suite, test_rsa_round_trip);
    CU_ADD_TEST(suite, test_symmetric_round_trips);
    CU_ADD_TEST(suite, test_random_iv_is_fresh);
    CU_ADD_TEST(suite, test_iv_refusals);
    CU_ADD_TEST(suite, test_sizes_ask_no_token);
    CU_ADD_TEST(suite, test_lengths_that_cannot_be);
    CU_ADD_TEST(suite, test_decrypt_into_less_than_the_bound);
    CU_ADD_TEST(suite, test_overlap);
    CU_ADD_TEST(suite, test_wrong_key);
}
