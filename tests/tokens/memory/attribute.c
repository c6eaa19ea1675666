/* SPDX-License-Identifier: Apache-2.0
 *
 * The attributes of the memory token's objects in one table: which class has them, who may set them
 * and when, and which can never be read.
 */
#include "private.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
    OF_PUBLIC = 1,
    OF_PRIVATE = 2,
    OF_SECRET = 4,
    OF_BOTH = OF_PUBLIC | OF_PRIVATE, /* of RSA */
    OF_HIDDEN = OF_PRIVATE | OF_SECRET,
    OF_ALL = 7
};
typedef enum kind { FLAG, NUMBER, BYTES } kind;
typedef enum rule {
    FIXED,  /* set when the object is made */
    LATER,  /* or changed later */
    OURS,   /* set by the token only */
    MATTER, /* key material, not readable as an attribute */
} rule;

static const struct row {
    CK_ATTRIBUTE_TYPE type;
    kind kind;
    rule rule;
    unsigned of;
    unsigned set; /* classes that have it, and those for which a flag is true by default */
} rows[] = {
    {CKA_CLASS, NUMBER, FIXED, OF_ALL, 0},
    {CKA_KEY_TYPE, NUMBER, FIXED, OF_ALL, 0},
    {CKA_TOKEN, FLAG, FIXED, OF_ALL, 0},
    {CKA_PRIVATE, FLAG, FIXED, OF_ALL, OF_HIDDEN},
    {CKA_MODIFIABLE, FLAG, FIXED, OF_ALL, OF_ALL},
    {CKA_LABEL, BYTES, LATER, OF_ALL, OF_ALL},
    {CKA_ID, BYTES, LATER, OF_ALL, OF_ALL},
    {CKA_START_DATE, BYTES, LATER, OF_ALL, OF_ALL},
    {CKA_END_DATE, BYTES, LATER, OF_ALL, OF_ALL},
    {CKA_SENSITIVE, FLAG, FIXED, OF_HIDDEN, OF_HIDDEN},
    {CKA_EXTRACTABLE, FLAG, FIXED, OF_HIDDEN, 0},
    {CKA_ALWAYS_SENSITIVE, FLAG, OURS, OF_HIDDEN, 0},
    {CKA_NEVER_EXTRACTABLE, FLAG, OURS, OF_HIDDEN, 0},
    {CKA_LOCAL, FLAG, OURS, OF_ALL, 0},
    {CKA_ALWAYS_AUTHENTICATE, FLAG, OURS, OF_PRIVATE, 0},
    {CKA_ENCRYPT, FLAG, LATER, OF_PUBLIC | OF_SECRET, 0},
    {CKA_DECRYPT, FLAG, LATER, OF_HIDDEN, 0},
    {CKA_SIGN, FLAG, LATER, OF_HIDDEN, 0},
    {CKA_VERIFY, FLAG, LATER, OF_PUBLIC | OF_SECRET, 0},
    {CKA_WRAP, FLAG, LATER, OF_PUBLIC | OF_SECRET, 0},
    {CKA_UNWRAP, FLAG, LATER, OF_HIDDEN, 0},
    {CKA_MODULUS_BITS, NUMBER, FIXED, OF_PUBLIC, 0},
    {CKA_MODULUS, BYTES, FIXED, OF_BOTH, 0},
    {CKA_PUBLIC_EXPONENT, BYTES, FIXED, OF_BOTH, 0},
    {CKA_VALUE_LEN, NUMBER, FIXED, OF_SECRET, 0},
    {CKA_VALUE, BYTES, MATTER, OF_SECRET, 0},
    {CKA_PRIVATE_EXPONENT, BYTES, MATTER, OF_PRIVATE, 0},
    {CKA_PRIME_1, BYTES, MATTER, OF_PRIVATE, 0},
    {CKA_PRIME_2, BYTES, MATTER, OF_PRIVATE, 0},
    {CKA_EXPONENT_1, BYTES, MATTER, OF_PRIVATE, 0},
    {CKA_EXPONENT_2, BYTES, MATTER, OF_PRIVATE, 0},
    {CKA_COEFFICIENT, BYTES, MATTER, OF_PRIVATE, 0},
};

static unsigned class_bit(CK_OBJECT_CLASS class)
{
    return class == CKO_PUBLIC_KEY ? OF_PUBLIC : class == CKO_PRIVATE_KEY ? OF_PRIVATE : OF_SECRET;
}

static const struct row *row_of(CK_ATTRIBUTE_TYPE type, CK_OBJECT_CLASS class)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].type == type && (rows[i].of & class_bit(class)) != 0)
            return &rows[i];
    return NULL;
}

const CK_ATTRIBUTE *mem_template_find(const CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < n; i++)
        if (t[i].type == type)
            return &t[i];
    return NULL;
}

const mem_attribute *mem_object_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < object->count; i++)
        if (object->attributes[i].type == type)
            return &object->attributes[i];
    return NULL;
}

bool mem_object_is(const mem_object *object, CK_ATTRIBUTE_TYPE flag)
{
    const mem_attribute *a = mem_object_attribute(object, flag);
    return a != NULL && a->length == sizeof(CK_BBOOL) && a->bytes[0] == CK_TRUE;
}

CK_RV mem_object_put(mem_object *object, CK_ATTRIBUTE_TYPE type, const void *bytes, size_t length)
{
    mem_attribute *a = (mem_attribute *)(uintptr_t)mem_object_attribute(object, type);
    CK_BYTE *copy = malloc(length + 1);

    if (copy == NULL || (a == NULL && object->count == MEM_ATTRIBUTES)) {
        free(copy);
        return CKR_HOST_MEMORY;
    }
    if (length > 0)
        memcpy(copy, bytes, length);
    if (a == NULL)
        a = &object->attributes[object->count++];
    free(a->bytes);
    *a = (mem_attribute){type, (CK_ULONG)length, copy};
    return CKR_OK;
}

void mem_object_free(mem_object *object)
{
    if (object == NULL)
        return;
    for (size_t i = 0; i < object->count; i++)
        free(object->attributes[i].bytes);
    EVP_PKEY_free(object->rsa);
    OPENSSL_cleanse(object->value, sizeof object->value);
    free(object);
}

static CK_RV put_defaults(mem_object *object)
{
    const unsigned class = class_bit(object->class);
    CK_RV rv = mem_object_put(object, CKA_CLASS, &object->class, sizeof object->class);

    if (rv == CKR_OK)
        rv = mem_object_put(object, CKA_KEY_TYPE, &object->type, sizeof object->type);
    for (size_t i = 0; rv == CKR_OK && i < COUNT(rows); i++) {
        const CK_BBOOL on = (rows[i].set & class) != 0 ? CK_TRUE : CK_FALSE;
        if ((rows[i].of & class) == 0)
            continue;
        if (rows[i].kind == FLAG)
            rv = mem_object_put(object, rows[i].type, &on, sizeof on);
        else if (on)
            rv = mem_object_put(object, rows[i].type, "", 0);
    }
    return rv;
}

static bool fits(const struct row *row, const CK_ATTRIBUTE *a)
{
    const CK_ULONG size = row->kind == FLAG     ? sizeof(CK_BBOOL)
                          : row->kind == NUMBER ? sizeof(CK_ULONG)
                                                : a->ulValueLen;
    return a->ulValueLen == size && (size == 0 || a->pValue != NULL);
}

/* Sets an attribute from a template: of a new object, or (`later`) of an existing one. */
CK_RV mem_object_take(mem_object *object, const CK_ATTRIBUTE *a, bool later)
{
    const struct row *row = row_of(a->type, object->class);
    const mem_attribute *is = mem_object_attribute(object, a->type);

    if (row == NULL)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (!fits(row, a))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (row->rule == OURS || (later && row->rule != LATER))
        return CKR_ATTRIBUTE_READ_ONLY;
    if (row->rule == MATTER)
        return CKR_OK;
    if ((a->type == CKA_CLASS || a->type == CKA_KEY_TYPE) &&
        memcmp(a->pValue, is->bytes, is->length) != 0)
        return CKR_TEMPLATE_INCONSISTENT;
    return mem_object_put(object, a->type, a->pValue, a->ulValueLen);
}

CK_RV mem_object_new(CK_OBJECT_CLASS class, CK_KEY_TYPE type, const CK_ATTRIBUTE *t, CK_ULONG n,
                     mem_object **out)
{
    mem_object *object = calloc(1, sizeof *object);
    CK_RV rv = object != NULL ? CKR_OK : CKR_HOST_MEMORY;

    *out = NULL;
    if (rv == CKR_OK) {
        object->class = class;
        object->type = type;
        rv = put_defaults(object);
    }
    for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++)
        rv = mem_object_take(object, &t[i], false);
    if (rv == CKR_OK)
        *out = object;
    else
        mem_object_free(object);
    return rv;
}

CK_RV mem_object_give(const mem_object *object, CK_ATTRIBUTE *a)
{
    const struct row *row = row_of(a->type, object->class);
    const mem_attribute *is = mem_object_attribute(object, a->type);
    mem_attribute value = {CKA_VALUE, object->value_len, (CK_BYTE *)(uintptr_t)object->value};
    const CK_ULONG room = a->ulValueLen;
    CK_RV refused;

    if (mem_refuse_attribute(object, a->type, &refused)) {
        a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return refused;
    }
    if (row != NULL && row->rule == MATTER) {
        is = a->type == CKA_VALUE && !mem_object_is(object, CKA_SENSITIVE) &&
                     mem_object_is(object, CKA_EXTRACTABLE)
                 ? &value
                 : NULL;
    }
    a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
    if (is == NULL)
        return row != NULL && row->rule == MATTER ? CKR_ATTRIBUTE_SENSITIVE
                                                  : CKR_ATTRIBUTE_TYPE_INVALID;
    if (a->pValue != NULL && room < is->length)
        return CKR_BUFFER_TOO_SMALL;
    if (a->pValue != NULL)
        memcpy(a->pValue, is->bytes, is->length);
    a->ulValueLen = is->length;
    return CKR_OK;
}
