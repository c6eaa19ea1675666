/* SPDX-License-Identifier: Apache-2.0
 *
 * Behaviors of real tokens that a test switches on: every RSA key has all uses, a new object gets a
 * handle that was freed.
 */
#include "private.h"

static bool all_uses; /* guarded by mem.lock, like the next */
static CK_ATTRIBUTE_TYPE made_flag = MEM_ANY;
static CK_BBOOL made_value;
static CK_OBJECT_HANDLE next_handle; /* 0: none requested */

CK_RV mem_quirk_enter(mem_object *object)
{
    static const CK_ATTRIBUTE_TYPE uses[] = {CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP};
    const CK_BBOOL yes = CK_TRUE;
    CK_RV rv = CKR_OK;

    if (next_handle != 0) {
        object->handle = next_handle;
        next_handle = 0;
    }
    for (size_t i = 0; all_uses && object->class == CKO_PRIVATE_KEY && i < COUNT(uses); i++)
        rv = rv == CKR_OK ? mem_object_put(object, uses[i], &yes, sizeof yes) : rv;
    if (rv == CKR_OK && made_flag != MEM_ANY &&
        (object->class == CKO_PRIVATE_KEY || object->class == CKO_SECRET_KEY))
        rv = mem_object_put(object, made_flag, &made_value, sizeof made_value);
    return rv;
}

void p11memory_make_with(CK_ATTRIBUTE_TYPE flag, CK_BBOOL value)
{
    mem_lock();
    made_flag = flag;
    made_value = value;
    mem_unlock();
}

void p11memory_all_uses(int on)
{
    mem_lock();
    all_uses = on != 0;
    mem_unlock();
}

void p11memory_next_handle(CK_OBJECT_HANDLE handle)
{
    mem_lock();
    next_handle = handle;
    mem_unlock();
}

void p11memory_swap_handles(CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b)
{
    mem_lock();
    for (mem_object *o = mem.objects; o != NULL; o = o->next)
        if (o->handle == a || o->handle == b)
            o->handle = o->handle == a ? b : a;
    mem_unlock();
}
