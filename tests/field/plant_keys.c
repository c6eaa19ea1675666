/* SPDX-License-Identifier: Apache-2.0
 *
 * Plants key objects on a token without its PIN, as any program with access to its module can:
 * CKA_PRIVATE is FALSE. Some have their own values, some are copies of the public attributes of a
 * key of ours.
 *
 *   plant_keys PROTECTOR PLANNED [public]
 *
 * PROTECTOR is the label of an existing key, PLANNED that of one that will be made. `public` plants
 * public key objects, too. Prints one line with the number of objects planted.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "tests/tokens/raw.h"

enum { MOST = 512, PARTS = 8 };

typedef struct number {
    CK_BYTE bytes[MOST];
    CK_ULONG length;
} number;

/* The planted values: an RSA key of our own, and the attributes of the protector's public
 * object. */
static struct plan {
    raw_token token;
    number own[PARTS];
    number modulus, id;
} plan;

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static const CK_BYTE exponents[3][3] = {{1}, {3}, {1, 0, 1}};
static const CK_ULONG exponent_lengths[3] = {1, 1, 3};

static const struct {
    const char *name;
    CK_ATTRIBUTE_TYPE type;
} parts[PARTS] = {
    {OSSL_PKEY_PARAM_RSA_N, CKA_MODULUS},
    {OSSL_PKEY_PARAM_RSA_E, CKA_PUBLIC_EXPONENT},
    {OSSL_PKEY_PARAM_RSA_D, CKA_PRIVATE_EXPONENT},
    {OSSL_PKEY_PARAM_RSA_FACTOR1, CKA_PRIME_1},
    {OSSL_PKEY_PARAM_RSA_FACTOR2, CKA_PRIME_2},
    {OSSL_PKEY_PARAM_RSA_EXPONENT1, CKA_EXPONENT_1},
    {OSSL_PKEY_PARAM_RSA_EXPONENT2, CKA_EXPONENT_2},
    {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, CKA_COEFFICIENT},
};

static bool make_own(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    bool good = key != NULL;

    for (size_t i = 0; good && i < PARTS; i++) {
        BIGNUM *n = NULL;
        good = EVP_PKEY_get_bn_param(key, parts[i].name, &n) == 1;
        plan.own[i].length = good ? (CK_ULONG)BN_bn2bin(n, plan.own[i].bytes) : 0;
        BN_clear_free(n);
    }
    EVP_PKEY_free(key);
    return good;
}

static bool read_protector(const char *label)
{
    const CK_OBJECT_HANDLE object = raw_find(&plan.token, CKO_PUBLIC_KEY, label);
    CK_ATTRIBUTE a[] = {{CKA_MODULUS, plan.modulus.bytes, MOST}, {CKA_ID, plan.id.bytes, MOST}};

    if (object == 0 ||
        plan.token.f->C_GetAttributeValue(plan.token.session, object, a, 2) != CKR_OK)
        return false;
    plan.modulus.length = a[0].ulValueLen;
    plan.id.length = a[1].ulValueLen;
    return true;
}

static unsigned create(CK_ATTRIBUTE *t, CK_ULONG count)
{
    CK_OBJECT_HANDLE object;
    const CK_RV rv = plan.token.f->C_CreateObject(plan.token.session, t, count, &object);

    if (rv != CKR_OK)
        fprintf(stderr, "C_CreateObject: 0x%lx\n", rv);
    return rv == CKR_OK;
}

/* An RSA object; copy: with the protector's modulus and id. */
static unsigned plant_rsa(bool public, const char *label, bool copy, size_t exponent)
{
    CK_OBJECT_CLASS class = public ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_ATTRIBUTE t[9 + PARTS] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &no, 1},
        {CKA_LABEL, (void *)(uintptr_t)label, (CK_ULONG)strlen(label)},
        {CKA_ID, plan.id.bytes, copy ? plan.id.length : 0},
        {public ? CKA_ENCRYPT : CKA_DECRYPT, &yes, 1},
        {public ? CKA_WRAP : CKA_UNWRAP, &yes, 1},
        {public ? CKA_VERIFY : CKA_SIGN, &yes, 1},
    };
    CK_ULONG count = 9;

    for (size_t i = 0; i < (public ? 2U : (size_t)PARTS); i++)
        t[count++] = (CK_ATTRIBUTE){parts[i].type, plan.own[i].bytes, plan.own[i].length};
    if (copy)
        t[9] = (CK_ATTRIBUTE){CKA_MODULUS, plan.modulus.bytes, plan.modulus.length};
    t[10] = (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponents[exponent],
                           exponent_lengths[exponent]};
    return create(t, count);
}

static unsigned plant_aes(const char *label, bool copy)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BYTE value[32] = {7};
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &no, 1},
        {CKA_LABEL, (void *)(uintptr_t)label, (CK_ULONG)strlen(label)},
        {CKA_ID, plan.id.bytes, copy ? plan.id.length : 0},
        {CKA_ENCRYPT, &yes, 1},
        {CKA_DECRYPT, &yes, 1},
        {CKA_VALUE, value, sizeof value},
    };
    return create(t, sizeof t / sizeof t[0]);
}

int main(int argc, char **argv)
{
    unsigned planted = 0;

    if (argc < 3 || !raw_open_public(&plan.token) || !make_own() || !read_protector(argv[1]))
        return 1;
    for (size_t e = 0; e < 3; e++) {
        for (unsigned copy = 0; copy < 2; copy++) {
            for (int name = 1; name <= 2; name++) {
                planted += plant_rsa(false, argv[name], copy, e);
                planted += argc > 3 ? plant_rsa(true, argv[name], copy, e) : 0;
            }
        }
    }
    for (unsigned copy = 0; copy < 2; copy++)
        for (int name = 1; name <= 2; name++)
            for (unsigned i = 0; i < 2; i++)
                planted += plant_aes(argv[name], copy);
    for (unsigned i = 0; argc > 3 && i < 8; i++)
        planted += plant_rsa(true, argv[1], true, i % 2);
    printf("%u objects planted\n", planted);
    raw_close(&plan.token, true);
    return 0;
}
