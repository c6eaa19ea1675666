/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that behave as on real tokens: unreadable or missing attributes, keys that may not be
 * used, objects that cannot be changed. Guarded by mem.lock, like the objects.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>

enum { QUIRKS = 16 };

typedef enum quirk_kind { NONE, ATTRIBUTE, USE, CHANGE } quirk_kind;

static struct quirk {
    quirk_kind kind;
    char label[64]; /* "": all objects */
    CK_OBJECT_CLASS class;
    CK_ULONG what; /* an attribute or a mem_kind */
    CK_RV rv;
} quirks[QUIRKS];

static bool is_labelled(const mem_object *object, const char *label)
{
    const mem_attribute *a = mem_object_attribute(object, CKA_LABEL);

    return label[0] == '\0' ||
           (a != NULL && a->length == strlen(label) && memcmp(a->bytes, label, a->length) == 0);
}

static const struct quirk *find(const mem_object *object, quirk_kind kind, CK_ULONG what)
{
    for (size_t i = 0; i < QUIRKS; i++) {
        const struct quirk *q = &quirks[i];
        if (q->kind == kind && (q->what == MEM_ANY || q->what == what) &&
            (q->class == MEM_ANY || q->class == object->class) && is_labelled(object, q->label))
            return q;
    }
    return NULL;
}

bool mem_refuse_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type, CK_RV *rv)
{
    const struct quirk *q = find(object, ATTRIBUTE, type);

    *rv = q != NULL ? q->rv : CKR_OK;
    return q != NULL;
}

CK_RV mem_refuse_use(const mem_object *object, mem_kind kind)
{
    const struct quirk *q = find(object, USE, (CK_ULONG)kind);
    return q != NULL ? q->rv : CKR_OK;
}

bool mem_refuse_change(const mem_object *object, CK_RV *rv)
{
    const struct quirk *q = find(object, CHANGE, 0);

    *rv = q != NULL ? q->rv : CKR_OK;
    return q != NULL;
}

static void add(quirk_kind kind, const char *label, CK_OBJECT_CLASS class, CK_ULONG what, CK_RV rv)
{
    mem_lock();
    for (size_t i = 0; i < QUIRKS; i++) {
        if (quirks[i].kind != NONE)
            continue;
        quirks[i] = (struct quirk){.kind = kind, .class = class, .what = what, .rv = rv};
        (void)snprintf(quirks[i].label, sizeof quirks[i].label, "%s", label != NULL ? label : "");
        break;
    }
    mem_unlock();
}

void p11memory_refuse_attribute(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type,
                                CK_RV rv)
{
    add(ATTRIBUTE, label, class, type, rv);
}

void p11memory_refuse_encrypt(const char *label, CK_RV rv)
{
    add(USE, label, CKO_SECRET_KEY, MEM_ENCRYPT, rv);
}

void p11memory_refuse_change(const char *label, CK_RV rv)
{
    add(CHANGE, label, MEM_ANY, 0, rv);
}

void p11memory_as_usual(void)
{
    mem_lock();
    memset(quirks, 0, sizeof quirks);
    mem_unlock();
}
