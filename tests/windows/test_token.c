/* SPDX-License-Identifier: Apache-2.0
 *
 * The basis of the Windows build, without any code of ours: the Cryptoki structures have the sizes
 * that Windows modules use, a module loads, and the token decrypts what OpenSSL encrypts. Argument:
 * the path of softhsm2.dll.
 */
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <direct.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <p11-kit/pkcs11.h>
#include "testing.h"

/* On Windows, Cryptoki has 32-bit integers and no padding. */
_Static_assert(sizeof(CK_ULONG) == 4, "CK_ULONG");
_Static_assert(sizeof(CK_MECHANISM) == 16, "CK_MECHANISM");
_Static_assert(sizeof(CK_ATTRIBUTE) == 16, "CK_ATTRIBUTE");
_Static_assert(sizeof(CK_RSA_PKCS_OAEP_PARAMS) == 24, "CK_RSA_PKCS_OAEP_PARAMS");
_Static_assert(sizeof(CK_FUNCTION_LIST) == 546, "CK_FUNCTION_LIST");
_Static_assert(sizeof(CK_INFO) == 72, "CK_INFO");
_Static_assert(sizeof(CK_TOKEN_INFO) == 160, "CK_TOKEN_INFO");
_Static_assert(sizeof(CK_SESSION_INFO) == 16, "CK_SESSION_INFO");
_Static_assert(sizeof(CK_C_INITIALIZE_ARGS) == 44, "CK_C_INITIALIZE_ARGS");

static const char *module_path;
static CK_FUNCTION_LIST *f;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE public_key, private_key;
static CK_UTF8CHAR so_pin[] = "12345678", user_pin[] = "1234";

static void write_token_config(void)
{
    static char variable[600];
    const char *tokens = testing_path("tokens");
    CU_ASSERT_EQUAL_FATAL(_mkdir(tokens), 0);
    snprintf(variable, sizeof variable, "SOFTHSM2_CONF=%s", testing_path("conf"));
    FILE *conf = fopen(variable + strlen("SOFTHSM2_CONF="), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    fprintf(conf, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens);
    fclose(conf);
    CU_ASSERT_FATAL(_putenv(variable) == 0);
}

static void test_load(void)
{
    CK_C_GetFunctionList get = NULL;
    HMODULE module = LoadLibraryA(module_path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(module);
    FARPROC symbol = GetProcAddress(module, "C_GetFunctionList");
    CU_ASSERT_FATAL(symbol != NULL);
    memcpy(&get, &symbol, sizeof get);
    CU_ASSERT_EQUAL_FATAL(get(&f), CKR_OK);
    CU_ASSERT_EQUAL(f->version.major, 2);
}

static void test_token(void)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_SLOT_ID slots[4];
    CK_ULONG count = 4;
    CK_UTF8CHAR label[32];
    memset(label, ' ', sizeof label);
    label[0] = 'w';
    CU_ASSERT_EQUAL_FATAL(f->C_Initialize(&args), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_GetSlotList(CK_FALSE, slots, &count), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_InitToken(slots[0], so_pin, 8, label), CKR_OK);
    count = 4;
    CU_ASSERT_EQUAL_FATAL(f->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(
        f->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
        CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_Login(session, CKU_SO, so_pin, 8), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_InitPIN(session, user_pin, 4), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_Logout(session), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Login(session, CKU_USER, so_pin, 8), CKR_PIN_INCORRECT);
    CU_ASSERT_EQUAL_FATAL(f->C_Login(session, CKU_USER, user_pin, 4), CKR_OK);
}

static void test_generate(void)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 2048;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE public_template[] = {{CKA_TOKEN, &yes, sizeof yes},
                                      {CKA_ENCRYPT, &yes, sizeof yes},
                                      {CKA_MODULUS_BITS, &bits, sizeof bits},
                                      {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent}};
    CK_ATTRIBUTE private_template[] = {{CKA_TOKEN, &yes, sizeof yes},
                                       {CKA_DECRYPT, &yes, sizeof yes},
                                       {CKA_SENSITIVE, &yes, sizeof yes}};
    CU_ASSERT_EQUAL_FATAL(f->C_GenerateKeyPair(session, &mechanism, public_template, 4,
                                               private_template, 3, &public_key, &private_key),
                          CKR_OK);
}

/* The token's public key as OpenSSL's. */
static EVP_PKEY *read_public_key(void)
{
    CK_BYTE n[256], e[8];
    CK_ATTRIBUTE values[] = {{CKA_MODULUS, n, sizeof n}, {CKA_PUBLIC_EXPONENT, e, sizeof e}};
    CU_ASSERT_EQUAL_FATAL(f->C_GetAttributeValue(session, public_key, values, 2), CKR_OK);

    EVP_PKEY *key = NULL;
    BIGNUM *modulus = BN_bin2bn(n, (int)values[0].ulValueLen, NULL);
    BIGNUM *exponent = BN_bin2bn(e, (int)values[1].ulValueLen, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(exponent);
    BN_free(modulus);
    return key;
}

static void test_oaep(void)
{
    unsigned char plain[32] = {1, 2, 3}, sealed[256];
    CK_BYTE opened[256];
    size_t sealed_len = sizeof sealed;
    CK_ULONG opened_len = sizeof opened;
    EVP_PKEY *key = read_public_key();
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    CU_ASSERT_EQUAL_FATAL(EVP_PKEY_encrypt_init(ctx), 1);
    CU_ASSERT_EQUAL_FATAL(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
    CU_ASSERT_EQUAL_FATAL(EVP_PKEY_encrypt(ctx, sealed, &sealed_len, plain, sizeof plain), 1);

    CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    CU_ASSERT_EQUAL_FATAL(f->C_DecryptInit(session, &mechanism, private_key), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(f->C_Decrypt(session, sealed, (CK_ULONG)sealed_len, opened, &opened_len),
                          CKR_OK);
    CU_ASSERT_EQUAL(opened_len, sizeof plain);
    CU_ASSERT_EQUAL(memcmp(opened, plain, sizeof plain), 0);

    sealed[10] ^= 1;
    opened_len = sizeof opened;
    CU_ASSERT_EQUAL_FATAL(f->C_DecryptInit(session, &mechanism, private_key), CKR_OK);
    CU_ASSERT_NOT_EQUAL(f->C_Decrypt(session, sealed, (CK_ULONG)sealed_len, opened, &opened_len),
                        CKR_OK);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"configuration", write_token_config}, {"load", test_load}, {"token", test_token},
        {"generate", test_generate},           {"oaep", test_oaep}, {NULL, NULL}};
    static const test_suite suite = {.name = "token", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    if (argc != 2) {
        fprintf(stderr, "usage: %s SOFTHSM2.DLL\n", argv[0]);
        return 2;
    }
    module_path = argv[1];
    return testing_main(1, argv, suites, 1);
}
