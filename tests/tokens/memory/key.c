/* SPDX-License-Identifier: Apache-2.0
 *
 * Creation of keys on the memory token: generated or imported (unwrapped ones: wrap.c).
 */
#include "private.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>

bool mem_length_fits(CK_KEY_TYPE type, CK_ULONG length)
{
    return type == CKK_AES    ? length == 16 || length == 24 || length == 32
           : type == CKK_DES3 ? length == 24
                              : length >= 1 && length <= MEM_SECRET_MOST;
}

/* The attributes that the token sets by itself. */
static CK_RV put_history(mem_object *object, bool local)
{
    const CK_BBOOL yes = CK_TRUE;
    const CK_BBOOL here = local ? CK_TRUE : CK_FALSE;
    CK_RV rv = mem_object_put(object, CKA_LOCAL, &here, sizeof here);

    if (rv == CKR_OK && local && mem_object_is(object, CKA_SENSITIVE))
        rv = mem_object_put(object, CKA_ALWAYS_SENSITIVE, &yes, sizeof yes);
    if (rv == CKR_OK && local && object->class != CKO_PUBLIC_KEY &&
        !mem_object_is(object, CKA_EXTRACTABLE))
        rv = mem_object_put(object, CKA_NEVER_EXTRACTABLE, &yes, sizeof yes);
    return rv;
}

CK_RV mem_secret_enter(CK_SESSION_HANDLE session, CK_KEY_TYPE type, const CK_BYTE *value,
                       CK_ULONG length, const CK_ATTRIBUTE *t, CK_ULONG tn, CK_OBJECT_HANDLE *out)
{
    mem_object *object = NULL;
    CK_RV rv;

    if (!mem_length_fits(type, length))
        return value == NULL ? CKR_KEY_SIZE_RANGE : CKR_ATTRIBUTE_VALUE_INVALID;
    rv = mem_object_new(CKO_SECRET_KEY, type, t, tn, &object);
    if (rv != CKR_OK)
        return rv;
    object->value_len = length;
    if (value != NULL)
        memcpy(object->value, value, length);
    else if (RAND_priv_bytes(object->value, (int)length) != 1)
        rv = CKR_FUNCTION_FAILED;
    if (rv == CKR_OK && type != CKK_DES3)
        rv = mem_object_put(object, CKA_VALUE_LEN, &length, sizeof length);
    if (rv == CKR_OK)
        rv = put_history(object, value == NULL);
    if (rv != CKR_OK) {
        mem_object_free(object);
        return rv;
    }
    return mem_object_enter(session, object, out);
}

static CK_RV rsa_enter(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, EVP_PKEY *key, bool local,
                       const CK_ATTRIBUTE *t, CK_ULONG tn, CK_OBJECT_HANDLE *out)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E};
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT};
    const CK_ULONG bits = (CK_ULONG)EVP_PKEY_get_bits(key);
    mem_object *object = NULL;
    CK_RV rv = mem_object_new(class, CKK_RSA, t, tn, &object);

    for (size_t i = 0; rv == CKR_OK && i < COUNT(names); i++) {
        CK_BYTE bytes[1024];
        BIGNUM *n = NULL;
        rv = EVP_PKEY_get_bn_param(key, names[i], &n) == 1 ? CKR_OK : CKR_FUNCTION_FAILED;
        if (rv == CKR_OK)
            rv = mem_object_put(object, types[i], bytes, (size_t)BN_bn2bin(n, bytes));
        BN_free(n);
    }
    if (rv == CKR_OK && class == CKO_PUBLIC_KEY)
        rv = mem_object_put(object, CKA_MODULUS_BITS, &bits, sizeof bits);
    if (rv == CKR_OK)
        rv = put_history(object, local);
    if (rv != CKR_OK) {
        mem_object_free(object);
        return rv;
    }
    (void)EVP_PKEY_up_ref(key);
    object->rsa = key;
    return mem_object_enter(session, object, out);
}

CK_RV mem_template_number(const CK_ATTRIBUTE *t, CK_ULONG tn, CK_ATTRIBUTE_TYPE type, CK_ULONG *out)
{
    const CK_ATTRIBUTE *a = mem_template_find(t, tn, type);

    if (a == NULL)
        return CKR_TEMPLATE_INCOMPLETE;
    if (a->pValue == NULL || a->ulValueLen != sizeof *out)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(out, a->pValue, sizeof *out);
    return CKR_OK;
}

/* --- made --- */

CK_RV mem_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG tn,
                        CK_OBJECT_HANDLE *out)
{
    const mem_mechanism *how = mem_mechanism_find(m->mechanism);
    CK_ULONG length = 24;
    CK_RV rv = CKR_OK;

    if (how == NULL || (how->flags & CKF_GENERATE) == 0)
        return CKR_MECHANISM_INVALID;
    if (how->key != CKK_DES3)
        rv = mem_template_number(t, tn, CKA_VALUE_LEN, &length);
    return rv == CKR_OK ? mem_secret_enter(session, how->key, NULL, length, t, tn, out) : rv;
}

CK_RV mem_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_ATTRIBUTE *t,
                            CK_ULONG tn, CK_ATTRIBUTE *t2, CK_ULONG tn2, CK_OBJECT_HANDLE *out,
                            CK_OBJECT_HANDLE *out2)
{
    static const CK_BYTE f4[] = {1, 0, 1};
    const CK_ATTRIBUTE *e = mem_template_find(t, tn, CKA_PUBLIC_EXPONENT);
    CK_ULONG bits = 0;
    CK_RV rv = mem_template_number(t, tn, CKA_MODULUS_BITS, &bits);

    if (m->mechanism != CKM_RSA_PKCS_KEY_PAIR_GEN)
        return CKR_MECHANISM_INVALID;
    if (rv != CKR_OK)
        return rv;
    if (bits < 1024 || bits > 4096 || bits % 8 != 0)
        return CKR_KEY_SIZE_RANGE;
    if (e != NULL && (e->ulValueLen != sizeof f4 || memcmp(e->pValue, f4, sizeof f4) != 0))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    if (key == NULL)
        return CKR_FUNCTION_FAILED;
    rv = rsa_enter(session, CKO_PUBLIC_KEY, key, true, t, tn, out);
    if (rv == CKR_OK) {
        rv = rsa_enter(session, CKO_PRIVATE_KEY, key, true, t2, tn2, out2);
        if (rv != CKR_OK)
            (void)mem_C_DestroyObject(session, *out);
    }
    EVP_PKEY_free(key);
    return rv;
}

/* --- imported --- */

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
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
enum { PARTS = COUNT(parts), PUBLIC_PARTS = 2 };

static EVP_PKEY *rsa_of(const CK_ATTRIBUTE *t, CK_ULONG tn, bool private)
{
    BIGNUM *numbers[PARTS] = {NULL};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    bool good = build != NULL && ctx != NULL;

    for (size_t i = 0; good && i < (private ? PARTS : PUBLIC_PARTS); i++) {
        const CK_ATTRIBUTE *a = mem_template_find(t, tn, parts[i].type);
        numbers[i] = a != NULL ? BN_bin2bn(a->pValue, (int)a->ulValueLen, NULL) : NULL;
        good = numbers[i] != NULL && OSSL_PARAM_BLD_push_BN(build, parts[i].name, numbers[i]) == 1;
    }
    params = good ? OSSL_PARAM_BLD_to_param(build) : NULL;
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    for (size_t i = 0; i < PARTS; i++)
        BN_clear_free(numbers[i]);
    return key;
}

CK_RV mem_C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *t, CK_ULONG tn,
                         CK_OBJECT_HANDLE *out)
{
    const CK_ATTRIBUTE *value = mem_template_find(t, tn, CKA_VALUE);
    CK_ULONG class = 0;
    CK_ULONG type = 0;
    CK_RV rv = mem_template_number(t, tn, CKA_CLASS, &class);

    if (rv == CKR_OK)
        rv = mem_template_number(t, tn, CKA_KEY_TYPE, &type);
    if (rv != CKR_OK)
        return rv;
    if (class == CKO_SECRET_KEY &&
        (type == CKK_AES || type == CKK_DES3 || type == CKK_GENERIC_SECRET)) {
        if (value == NULL || value->pValue == NULL)
            return CKR_TEMPLATE_INCOMPLETE;
        return mem_secret_enter(session, type, value->pValue, value->ulValueLen, t, tn, out);
    }
    if (type != CKK_RSA || (class != CKO_PUBLIC_KEY && class != CKO_PRIVATE_KEY))
        return CKR_TEMPLATE_INCONSISTENT;
    EVP_PKEY *key = rsa_of(t, tn, class == CKO_PRIVATE_KEY);
    if (key == NULL)
        return CKR_TEMPLATE_INCOMPLETE;
    rv = rsa_enter(session, class, key, false, t, tn, out);
    EVP_PKEY_free(key);
    return rv;
}
