/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/field/rsa_fixture.h"
#include <dlfcn.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include "core/crypto.h"

fault_proxy fixture_proxy;
static const uint8_t plain[] = "a database encryption key, or so";

void fixture_begin(fixture *w, const char *lines)
{
    const char *pin = getenv("PIN");
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *f = NULL;

    *w = (fixture){0};
    CU_ASSERT_EQUAL_FATAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL_FATAL(
        tok_context_open(fault_proxy_config("field.conf", lines), &w->ctx, &w->err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w->ctx, "main", &w->token, &w->err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(w->token, pin, strlen(pin), &w->err), ST_OK);
    void *library = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(library);
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    CU_ASSERT_EQUAL_FATAL(get(&f), CKR_OK);
    w->f = f;
    CU_ASSERT_EQUAL_FATAL(f->C_OpenSession(tok_token_info_of(w->token)->slot,
                                           CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                           &w->attacker),
                          CKR_OK);
    fixture_proxy.reset();
}

void fixture_end(fixture *w)
{
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(w->f->C_CloseSession(w->attacker), CKR_OK);
    tok_token_logout(w->token);
    tok_token_release(w->token);
    tok_context_close(w->ctx);
    CU_ASSERT_EQUAL(fixture_proxy.violations(), 0);
}

tok_key *fixture_make(fixture *w, const char *name)
{
    const tok_key_spec spec = {name, CORE_ALG_RSA_2048,
                               TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_WRAP | TOK_CAN_UNWRAP,
                               true, false};
    tok_key *key = NULL;

    CU_ASSERT_EQUAL_FATAL(tok_key_create(w->token, &spec, &key, &w->err), ST_OK);
    return key;
}

tok_key *fixture_find(fixture *w, const char *name)
{
    tok_key *key = NULL;
    const core_status st = tok_key_by_name(w->token, name, &key, &w->err);
    return st == ST_OK ? key : NULL;
}

/* --- what an attacker does --- */

static CK_OBJECT_CLASS class_public = CKO_PUBLIC_KEY, class_private = CKO_PRIVATE_KEY;
static CK_KEY_TYPE type_rsa = CKK_RSA;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

CK_RV fixture_plant(const fixture *w, const tok_key_info *like, const uint8_t *exponent,
                    CK_ULONG exponent_len)
{
    uint8_t own[FIXTURE_BLOCK];
    CK_OBJECT_HANDLE object;

    CU_ASSERT_EQUAL_FATAL(core_random(own, sizeof own), ST_OK);
    own[0] |= 0x80;
    own[sizeof own - 1] |= 1;
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class_public, sizeof class_public},
        {CKA_KEY_TYPE, &type_rsa, sizeof type_rsa},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_VERIFY, &yes, sizeof yes},
        {CKA_MODULUS, like != NULL ? (void *)(uintptr_t)like->modulus : own, sizeof own},
        {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponent, exponent_len},
        {CKA_LABEL, (void *)(uintptr_t)(like != NULL ? like->name : "own"),
         like != NULL ? (CK_ULONG)strlen(like->name) : 3},
        {CKA_ID, like != NULL ? (void *)(uintptr_t)like->id : own,
         like != NULL ? (CK_ULONG)like->id_len : 16},
    };
    return w->f->C_CreateObject(w->attacker, t, sizeof t / sizeof t[0], &object);
}

unsigned fixture_publics(const fixture *w, const tok_key *key, bool destroy)
{
    const tok_key_info *info = tok_key_info_of(key);
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class_public, sizeof class_public},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_MODULUS, (void *)(uintptr_t)info->modulus, (CK_ULONG)info->modulus_len},
    };
    CK_OBJECT_HANDLE objects[64];
    CK_ULONG count = 0;

    CU_ASSERT_EQUAL(w->f->C_FindObjectsInit(w->attacker, t, 3), CKR_OK);
    CU_ASSERT_EQUAL(w->f->C_FindObjects(w->attacker, objects, 64, &count), CKR_OK);
    CU_ASSERT_EQUAL(w->f->C_FindObjectsFinal(w->attacker), CKR_OK);
    if (destroy && count > 0)
        CU_ASSERT_EQUAL(w->f->C_DestroyObject(w->attacker, objects[0]), CKR_OK);
    return (unsigned)count;
}

CK_OBJECT_HANDLE fixture_private(const fixture *w, const char *name)
{
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class_private, sizeof class_private},
        {CKA_LABEL, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)},
    };
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;

    CU_ASSERT_EQUAL(w->f->C_FindObjectsInit(w->attacker, t, 2), CKR_OK);
    CU_ASSERT_EQUAL(w->f->C_FindObjects(w->attacker, &object, 1, &count), CKR_OK);
    CU_ASSERT_EQUAL(w->f->C_FindObjectsFinal(w->attacker), CKR_OK);
    return count > 0 ? object : 0;
}

/* --- OpenSSL keys --- */

EVP_PKEY *fixture_pair(const uint8_t *exponent, size_t exponent_len)
{
    EVP_PKEY *pair = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)exponent_len, NULL);

    CU_ASSERT_FATAL(EVP_PKEY_keygen_init(ctx) == 1 &&
                    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, FIXTURE_BLOCK * 8) == 1 &&
                    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 &&
                    EVP_PKEY_keygen(ctx, &pair) == 1);
    BN_free(e);
    EVP_PKEY_CTX_free(ctx);
    return pair;
}

CK_RV fixture_import(const fixture *w, EVP_PKEY *pair, const char *name)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *part;
    } parts[] = {
        {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
        {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
        {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
        {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
        {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
        {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
        {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    enum { PARTS = sizeof parts / sizeof parts[0], FIXED = 9 };
    uint8_t bytes[PARTS][FIXTURE_BLOCK];
    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE t[FIXED + PARTS] = {
        {CKA_CLASS, &class_private, sizeof class_private},
        {CKA_KEY_TYPE, &type_rsa, sizeof type_rsa},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_UNWRAP, &yes, sizeof yes},
        {CKA_LABEL, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)},
        {CKA_ID, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)},
    };

    for (size_t i = 0; i < PARTS; i++) {
        BIGNUM *n = NULL;
        CU_ASSERT_EQUAL_FATAL(EVP_PKEY_get_bn_param(pair, parts[i].part, &n), 1);
        t[FIXED + i] = (CK_ATTRIBUTE){parts[i].type, bytes[i], (CK_ULONG)BN_bn2bin(n, bytes[i])};
        BN_free(n);
    }
    return w->f->C_CreateObject(w->attacker, t, FIXED + PARTS, &object);
}

/* --- what came of it --- */

bool fixture_reads(const uint8_t *cipher, size_t length)
{
    static const char *const hashes[] = {"SHA1", "SHA256"};
    bool reads = false;

    for (size_t i = 0; i < 2; i++) {
        uint8_t block[FIXTURE_BLOCK], out[FIXTURE_BLOCK];
        size_t out_len = sizeof out;
        memcpy(block, cipher, sizeof block);
        reads |= length == sizeof block && core_oaep_open(hashes[i], block, sizeof block,
                                                          sizeof block, out, &out_len) == ST_OK;
    }
    return reads;
}

void fixture_seal(const tok_key *key, const char *hash, uint8_t out[FIXTURE_BLOCK])
{
    const tok_key_info *info = tok_key_info_of(key);
    size_t length = FIXTURE_BLOCK;
    EVP_PKEY *public =
        core_rsa_public(info->modulus, info->modulus_len, info->exponent, info->exponent_len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(public);
    CU_ASSERT_EQUAL_FATAL(
        core_rsa_encrypt(public, RSA_PKCS1_OAEP_PADDING, hash, plain, sizeof plain, out, &length),
        ST_OK);
    core_rsa_free(public);
}

core_status fixture_opens(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK])
{
    uint8_t out[FIXTURE_BLOCK];
    size_t length = sizeof out;
    core_status st = tok_decrypt(key, NULL, 0, cipher, FIXTURE_BLOCK, out, &length, &w->err);

    return st != ST_OK                                                       ? st
           : length == sizeof plain && memcmp(out, plain, sizeof plain) == 0 ? ST_OK
                                                                             : ST_FAILURE;
}

core_status fixture_round_trip(fixture *w, tok_key *key, uint8_t cipher[FIXTURE_BLOCK])
{
    size_t length = FIXTURE_BLOCK;

    w->err = (core_err){0};
    core_status st = tok_encrypt(key, NULL, 0, plain, sizeof plain, cipher, &length, &w->err);
    return st == ST_OK ? fixture_opens(w, key, cipher) : st;
}

core_padding fixture_padding(fixture *w, tok_key *key, const uint8_t cipher[FIXTURE_BLOCK])
{
    for (core_padding p = CORE_PAD_OAEP_SHA256; p <= CORE_PAD_OAEP_SHA1; p++) {
        uint8_t out[FIXTURE_BLOCK];
        size_t length = sizeof out;
        if (tok_rsa_decrypt(key, p, cipher, FIXTURE_BLOCK, out, &length, &w->err) == ST_OK)
            return p;
    }
    return CORE_PAD_COUNT;
}
