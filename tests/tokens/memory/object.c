/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token's objects: creation and destruction, reading and changing attributes, and the
 * search.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

mem_object *mem_object_find(CK_OBJECT_HANDLE handle)
{
    mem_object *o = mem.objects;
    while (o != NULL && o->handle != handle)
        o = o->next;
    return o != NULL && (mem.logged_in || !mem_object_is(o, CKA_PRIVATE)) ? o : NULL;
}

void mem_object_unref(mem_object *object)
{
    if (--object->refs == 0)
        mem_object_free(object);
}

void mem_objects_drop(bool (*which)(const mem_object *, CK_SESSION_HANDLE), CK_SESSION_HANDLE of)
{
    for (mem_object **at = &mem.objects; *at != NULL;) {
        mem_object *o = *at;
        if (!which(o, of)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        mem_object_unref(o);
    }
}

void mem_objects_renumber(void)
{
    CK_OBJECT_HANDLE *free_one = NULL, first = 0;

    for (mem_object *o = mem.objects; o != NULL; o = o->next) {
        if (!mem_object_is(o, CKA_PRIVATE))
            continue;
        if (free_one == NULL)
            first = o->handle;
        else
            *free_one = o->handle;
        free_one = &o->handle;
    }
    if (free_one != NULL)
        *free_one = first;
}

CK_RV mem_object_enter(CK_SESSION_HANDLE session, mem_object *object, CK_OBJECT_HANDLE *out)
{
    const bool lasts = mem_object_is(object, CKA_TOKEN);
    CK_RV rv = CKR_OK;

    mem_lock();
    const mem_session *s = mem_session_find(session);
    if (s == NULL)
        rv = CKR_SESSION_HANDLE_INVALID;
    else if (lasts && !s->writes)
        rv = CKR_SESSION_READ_ONLY;
    else if (!mem.logged_in && mem_object_is(object, CKA_PRIVATE))
        rv = CKR_USER_NOT_LOGGED_IN;
    if (rv == CKR_OK) {
        object->owner = lasts ? 0 : session;
        object->handle = ++mem.last_object;
        rv = mem_quirk_enter(object);
    }
    if (rv == CKR_OK) {
        *out = object->handle;
        object->refs = 1;
        object->next = mem.objects;
        mem.objects = object;
    }
    mem_unlock();
    if (rv != CKR_OK)
        mem_object_free(object);
    return rv;
}

static bool has_handle(const mem_object *object, CK_OBJECT_HANDLE handle)
{
    return object->handle == handle;
}

/* Finds a session and an object that is visible in it. */
static CK_RV both(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, bool change,
                  mem_object **object)
{
    const mem_session *s = mem_session_find(session);

    *object = mem_object_find(handle);
    if (s == NULL)
        return CKR_SESSION_HANDLE_INVALID;
    if (*object == NULL)
        return CKR_OBJECT_HANDLE_INVALID;
    return change && !s->writes && (*object)->owner == 0 ? CKR_SESSION_READ_ONLY : CKR_OK;
}

CK_RV mem_C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    mem_object *object;

    mem_lock();
    CK_RV rv = both(session, handle, true, &object);
    if (rv == CKR_OK)
        mem_objects_drop(has_handle, handle);
    mem_unlock();
    return rv;
}

CK_RV mem_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *t,
                              CK_ULONG n)
{
    mem_object *object;

    mem_lock();
    CK_RV rv = both(session, handle, false, &object);
    const bool there = rv == CKR_OK;
    for (CK_ULONG i = 0; there && i < n; i++) {
        const CK_RV one = mem_object_give(object, &t[i]);
        rv = rv == CKR_OK ? one : rv;
    }
    mem_unlock();
    return rv;
}

CK_RV mem_C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *t,
                              CK_ULONG n)
{
    mem_object *object;

    mem_lock();
    CK_RV rv = both(session, handle, true, &object);
    const bool stays = rv == CKR_OK && mem_refuse_change(object, &rv);
    for (CK_ULONG i = 0; rv == CKR_OK && !stays && i < n; i++)
        rv = mem_object_take(object, &t[i], true);
    mem_unlock();
    return rv;
}

/* --- search --- */

static bool matches(const mem_object *object, const CK_ATTRIBUTE *t, CK_ULONG n)
{
    for (CK_ULONG i = 0; i < n; i++) {
        const mem_attribute *is = mem_object_attribute(object, t[i].type);
        if (is == NULL || is->length != t[i].ulValueLen ||
            (is->length > 0 && memcmp(is->bytes, t[i].pValue, is->length) != 0))
            return false;
    }
    return true;
}

static CK_RV find_all(mem_session *s, const CK_ATTRIBUTE *t, CK_ULONG n)
{
    size_t room = 1;

    if (s->found != NULL)
        return CKR_OPERATION_ACTIVE;
    for (const mem_object *o = mem.objects; o != NULL; o = o->next)
        room++;
    s->found = calloc(room, sizeof *s->found);
    if (s->found == NULL)
        return CKR_HOST_MEMORY;
    s->found_count = s->found_next = 0;
    for (const mem_object *o = mem.objects; o != NULL; o = o->next)
        if ((mem.logged_in || !mem_object_is(o, CKA_PRIVATE)) && matches(o, t, n))
            s->found[s->found_count++] = o->handle;
    return CKR_OK;
}

CK_RV mem_C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *t, CK_ULONG n)
{
    mem_lock();
    mem_session *s = mem_session_find(session);
    const CK_RV rv = s != NULL ? find_all(s, t, n) : CKR_SESSION_HANDLE_INVALID;
    mem_unlock();
    return rv;
}

CK_RV mem_C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *out, CK_ULONG room,
                        CK_ULONG *n)
{
    CK_RV rv = CKR_OK;

    *n = 0;
    mem_lock();
    mem_session *s = mem_session_find(session);
    if (s == NULL)
        rv = CKR_SESSION_HANDLE_INVALID;
    else if (s->found == NULL)
        rv = CKR_OPERATION_NOT_INITIALIZED;
    while (rv == CKR_OK && *n < room && s->found_next < s->found_count)
        out[(*n)++] = s->found[s->found_next++];
    mem_unlock();
    return rv;
}

CK_RV mem_C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    CK_RV rv = CKR_OK;

    mem_lock();
    mem_session *s = mem_session_find(session);
    if (s == NULL)
        rv = CKR_SESSION_HANDLE_INVALID;
    else if (s->found == NULL)
        rv = CKR_OPERATION_NOT_INITIALIZED;
    if (rv == CKR_OK) {
        free(s->found);
        s->found = NULL;
    }
    mem_unlock();
    return rv;
}
