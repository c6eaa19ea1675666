/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store on a real token: entry point, keys and shared functions.
 */
#include "tests/tokens/cmk_suite.h"

#include <dlfcn.h>
#include <glob.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/signature.h"
#include "core/platform.h"
#include "tests/tokens/count.h"

/* --- the fault proxy --- */

static unsigned long (*counted)(const char *);
static void (*reset)(void);
static int (*plan_set)(const char *);
static const char *(*log_get)(void);

static void find_fault_proxy(void)
{
    void *module = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        return;
    *(void **)&counted = dlsym(module, "p11count_get");
    *(void **)&reset = dlsym(module, "p11count_reset");
    *(void **)&plan_set = dlsym(module, "p11count_plan");
    *(void **)&log_get = dlsym(module, "p11count_log");
}

bool counting(void)
{
    return counted != NULL;
}

unsigned long count_of(const char *function)
{
    return counted == NULL ? 0 : counted(function);
}

void count_reset(void)
{
    if (reset != NULL)
        reset();
}

void count_plan(const char *plan)
{
    if (plan_set != NULL)
        CU_ASSERT_EQUAL(plan_set(plan), 0);
}

const char *count_log(void)
{
    return log_get == NULL ? "" : log_get();
}

unsigned long count_private(void)
{
    static const char *const functions[] = {"C_DecryptInit", "C_Decrypt", "C_UnwrapKey",
                                            "C_SignInit",    "C_Sign",    "C_DecryptUpdate"};
    unsigned long sum = 0;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        sum += count_of(functions[i]);
    return sum;
}

/* --- configuration --- */

const char *suite_conf(const char *name, const char *globals, bool pin_file)
{
    char text[4096], pin[600] = "";
    const char *init = getenv("INIT_ARGS");
    const bool args = init != NULL && init[0] != '\0';
    if (pin_file) {
        const char *file = testing_path("pin");
        (void)remove(file);
        if (core_file_create(file, getenv("PIN"), strlen(getenv("PIN")), NULL) != ST_OK)
            return NULL;
        (void)snprintf(pin, sizeof pin, "pin_file = %s\n", file);
    }
    const int length = snprintf(text, sizeof text,
                                "module = %s\nlog = none\n%s%s%s%s\n[token main]\ntoken = %s\n%s",
                                getenv("MODULE"), args ? "init_args = \"" : "", args ? init : "",
                                args ? "\"\n" : "", globals, getenv("TOKEN"), pin);
    const char *path = testing_path(name);
    (void)remove(path);
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

static cmk_store *store;

void suite_store_close(void)
{
    cmk_store_close(store);
    store = NULL;
}

cmk_store *suite_store(const char *globals)
{
    static unsigned serial;
    static char current[600];
    char name[32];
    core_err err = {0};
    if (store != NULL && strcmp(current, globals) == 0)
        return store;
    suite_store_close();
    (void)snprintf(current, sizeof current, "%s", globals);
    (void)snprintf(name, sizeof name, "store-%u.conf", ++serial);
    const char *conf = suite_conf(name, globals, false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    const core_status st =
        cmk_store_open(conf, "main", getenv("PIN"), strlen(getenv("PIN")), &store, &err);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", core_err_text(&err, st));
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
    return store;
}

const char *suite_token(void)
{
    static char text[200];
    size_t n = 0;
    for (const char *p = getenv("TOKEN"); *p != '\0' && n < sizeof text - 4; p++)
        n += (size_t)(*p == ' ' ? snprintf(text + n, sizeof text - n, "%%20")
                                : snprintf(text + n, sizeof text - n, "%c", *p));
    return text;
}

const char *suite_path(const char *object)
{
    static char paths[8][256];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    (void)snprintf(path, sizeof paths[0], "pkcs11:token=%s;object=%s", suite_token(), object);
    return path;
}

size_t suite_ecek(EVP_PKEY *key, const uint8_t *cek, size_t cek_len, bool doubled, uint8_t *out)
{
    const size_t k = (size_t)EVP_PKEY_get_size(key);
    const uint8_t head[] = {1, 2, 0, (uint8_t)k, (uint8_t)(k >> 8), 'p', 0};
    uint8_t digest[32];
    size_t length = k, sig_len = k;
    memcpy(out, head, sizeof head);
    CU_ASSERT_TRUE(oaep_encrypt(key, cek, cek_len, out + sizeof head, &length));
    CU_ASSERT_EQUAL(cmk_signature_digest(doubled ? CMK_HASH_DOUBLE : CMK_HASH_SINGLE, out,
                                         sizeof head + k, digest),
                    ST_OK);
    CU_ASSERT_TRUE(sign_digest(key, digest, out + sizeof head + k, &sig_len));
    return sizeof head + 2 * k;
}

/* --- keys --- */

enum { PARTS = 8 };
typedef struct rsa_parts {
    uint8_t bytes[PARTS][1024];
    CK_ULONG length[PARTS];
} rsa_parts;

static bool take_parts(EVP_PKEY *key, rsa_parts *out)
{
    static const char *const names[PARTS] = {"n",
                                             "e",
                                             "d",
                                             "rsa-factor1",
                                             "rsa-factor2",
                                             "rsa-exponent1",
                                             "rsa-exponent2",
                                             "rsa-coefficient1"};
    for (size_t i = 0; i < PARTS; i++) {
        BIGNUM *n = NULL;
        if (EVP_PKEY_get_bn_param(key, names[i], &n) != 1)
            return false;
        out->length[i] = (CK_ULONG)BN_bn2bin(n, out->bytes[i]);
        BN_clear_free(n);
    }
    return true;
}

static CK_RV import_public(const raw_token *token, rsa_parts *parts, const char *label)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_BBOOL yes = CK_TRUE;
    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_VERIFY, &yes, sizeof yes},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
        {CKA_ID, (void *)(uintptr_t)label, strlen(label)},
        {CKA_MODULUS, parts->bytes[0], parts->length[0]},
        {CKA_PUBLIC_EXPONENT, parts->bytes[1], parts->length[1]},
    };
    return token->f->C_CreateObject(token->session, template, sizeof template / sizeof template[0],
                                    &object);
}

static CK_RV import_private(const raw_token *token, rsa_parts *parts, const char *label,
                            bool sign_only)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_BBOOL yes = CK_TRUE, open = sign_only ? CK_FALSE : CK_TRUE;
    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_SIGN, &yes, sizeof yes},
        {CKA_DECRYPT, &open, sizeof open},
        {CKA_UNWRAP, &open, sizeof open},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
        {CKA_ID, (void *)(uintptr_t)label, strlen(label)},
        {CKA_MODULUS, parts->bytes[0], parts->length[0]},
        {CKA_PUBLIC_EXPONENT, parts->bytes[1], parts->length[1]},
        {CKA_PRIVATE_EXPONENT, parts->bytes[2], parts->length[2]},
        {CKA_PRIME_1, parts->bytes[3], parts->length[3]},
        {CKA_PRIME_2, parts->bytes[4], parts->length[4]},
        {CKA_EXPONENT_1, parts->bytes[5], parts->length[5]},
        {CKA_EXPONENT_2, parts->bytes[6], parts->length[6]},
        {CKA_COEFFICIENT, parts->bytes[7], parts->length[7]},
    };
    return token->f->C_CreateObject(token->session, template, sizeof template / sizeof template[0],
                                    &object);
}

static bool import(const raw_token *token, EVP_PKEY *key, const char *label, bool sign_only)
{
    rsa_parts parts;
    CK_RV rv = CKR_ARGUMENTS_BAD;
    if (key != NULL && take_parts(key, &parts)) {
        rv = import_public(token, &parts, label);
        if (rv == CKR_OK)
            rv = import_private(token, &parts, label, sign_only);
    }
    if (rv != CKR_OK)
        fprintf(stderr, "key \"%s\" does not go on the token: 0x%lx\n", label, (unsigned long)rv);
    return rv == CKR_OK;
}

static bool import_file(const raw_token *token, const char *file)
{
    FILE *stream = fopen(file, "rb");
    EVP_PKEY *key = stream == NULL ? NULL : PEM_read_PrivateKey(stream, NULL, NULL, NULL);
    if (stream != NULL)
        (void)fclose(stream);
    const bool done = import(token, key, strrchr(file, '/') + 1, false);
    EVP_PKEY_free(key);
    return done;
}

static bool import_folder(const raw_token *token, const char *folder)
{
    char pattern[600];
    glob_t found = {0};
    bool done = true;
    (void)snprintf(pattern, sizeof pattern, "%s/ae_*.key.pem", folder);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; done && i < found.gl_pathc; i++)
            done = import_file(token, found.gl_pathv[i]);
    globfree(&found);
    return done;
}

/* Imports keys of our own, all different. */
static bool import_made(const raw_token *token)
{
    static const char *const labels[] = {KEY_A, KEY_B, KEY_CASE, "cmk-case", KEY_SIGN};
    bool done = true;
    for (size_t i = 0; done && i < sizeof labels / sizeof labels[0]; i++) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        done = import(token, key, labels[i], strcmp(labels[i], KEY_SIGN) == 0);
        EVP_PKEY_free(key);
    }
    return done;
}

static bool prepare(void)
{
    raw_token token;
    if (!raw_open(&token))
        return false;
    const bool done = import_folder(&token, vectors_own()) &&
                      (vectors_shared() == NULL || import_folder(&token, vectors_shared())) &&
                      import_made(&token);
    raw_close(&token, true);
    return done;
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&cmk_open_suite, &cmk_make_suite, &cmk_host_suite,
                                               &cmk_interface_suite};
    if (!prepare())
        return EXIT_FAILURE;
    find_fault_proxy();
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
