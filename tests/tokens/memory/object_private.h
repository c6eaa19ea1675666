/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of the memory token and their attributes (object.c, attribute.c). mem.lock guards them,
 * except a key's value, which never changes.
 */
#ifndef TESTS_MEMORY_OBJECT_PRIVATE_H
#define TESTS_MEMORY_OBJECT_PRIVATE_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>

enum { MEM_ATTRIBUTES = 40, MEM_SECRET_MOST = 64 };

typedef struct mem_attribute {
    CK_ATTRIBUTE_TYPE type;
    CK_ULONG length;
    CK_BYTE *bytes;
} mem_attribute;

typedef struct mem_object {
    struct mem_object *next;
    CK_OBJECT_HANDLE handle;
    unsigned refs;
    CK_SESSION_HANDLE owner; /* 0: a token object */
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    EVP_PKEY *rsa;
    CK_BYTE value[MEM_SECRET_MOST];
    CK_ULONG value_len;
    mem_attribute attributes[MEM_ATTRIBUTES];
    size_t count;
} mem_object;

/* A new object from the template and the class's defaults; not yet on the token. */
CK_RV mem_object_new(CK_OBJECT_CLASS class, CK_KEY_TYPE type, const CK_ATTRIBUTE *t, CK_ULONG n,
                     mem_object **out);
bool mem_object_is(const mem_object *object, CK_ATTRIBUTE_TYPE flag);
CK_RV mem_object_put(mem_object *object, CK_ATTRIBUTE_TYPE type, const void *bytes, size_t length);
const mem_attribute *mem_object_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type);
/* Sets an attribute from a template: of a new object, or (`later`) of an existing one. Reads an
 * attribute. */
CK_RV mem_object_take(mem_object *object, const CK_ATTRIBUTE *a, bool later);
CK_RV mem_object_give(const mem_object *object, CK_ATTRIBUTE *a);
/* Puts the object on the token, for a session that may write. The token owns it then; on failure it
 * is freed. */
CK_RV mem_object_enter(CK_SESSION_HANDLE session, mem_object *object, CK_OBJECT_HANDLE *out);
void mem_object_free(mem_object *object);
/* Under the lock: finds a visible object; destroys objects; drops a reference. When a login ends,
 * handles of private objects become invalid: mem_objects_renumber gives them to other objects. */
mem_object *mem_object_find(CK_OBJECT_HANDLE handle);
void mem_objects_drop(bool (*which)(const mem_object *, CK_SESSION_HANDLE), CK_SESSION_HANDLE of);
void mem_object_unref(mem_object *object);
void mem_objects_renumber(void);
const CK_ATTRIBUTE *mem_template_find(const CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE_TYPE type);

#endif
