/* SPDX-License-Identifier: Apache-2.0
 *
 * See other.h.
 */
#include "tests/field/other.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "testing.h"

const char *field_config(const char *more, const char **log)
{
    char text[2048];

    *log = testing_path("field.log");
    (void)remove(*log);
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = %s\nlog_level = info\n"
                          "audit = none\nsession_wait_ms = 2000\nstartup_tries = 1\n"
                          "[token main]\ntoken = %s\n%s",
                          getenv("MODULE"), *log, getenv("TOKEN"), more);
    return testing_file("field.conf", text, (size_t)length, 0600);
}

bool other_open(other *o)
{
    const char *real = getenv("P11COUNT_MODULE");
    void *library = dlopen(real ? real : getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_SLOT_ID slot = 0;
    CK_ULONG one = 1;
    CK_C_GetFunctionList list = NULL;

    *o = (other){0};
    if (!library)
        return false;
    *(void **)&list = dlsym(library, "C_GetFunctionList");
    *(void **)&o->all_uses = dlsym(library, "p11memory_all_uses");
    *(void **)&o->next_handle = dlsym(library, "p11memory_next_handle");
    *(void **)&o->swap_handles = dlsym(library, "p11memory_swap_handles");
    return list && o->all_uses && o->next_handle && o->swap_handles && list(&o->f) == CKR_OK &&
           o->f->C_GetSlotList(CK_TRUE, &slot, &one) == CKR_OK &&
           o->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                               &o->session) == CKR_OK;
}

void other_close(other *o)
{
    if (o->session != 0)
        (void)o->f->C_CloseSession(o->session);
    o->session = 0;
}

static CK_ULONG find(const other *o, CK_ATTRIBUTE *match, CK_ULONG count, CK_OBJECT_HANDLE *out,
                     CK_ULONG room)
{
    CK_ULONG got = 0;

    if (o->f->C_FindObjectsInit(o->session, match, count) != CKR_OK)
        return 0;
    (void)o->f->C_FindObjects(o->session, out, room, &got);
    (void)o->f->C_FindObjectsFinal(o->session);
    return got;
}

CK_OBJECT_HANDLE other_find(const other *o, CK_OBJECT_CLASS object_class, const char *label)
{
    CK_OBJECT_HANDLE found = 0;
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &object_class, sizeof object_class},
                            {CKA_LABEL, (void *)(uintptr_t)label, (CK_ULONG)strlen(label)}};

    return find(o, match, 2, &found, 1) == 1 ? found : 0;
}

bool other_flag(const other *o, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool on)
{
    CK_BBOOL value = on ? CK_TRUE : CK_FALSE;
    CK_ATTRIBUTE a = {type, &value, sizeof value};

    return o->f->C_SetAttributeValue(o->session, object, &a, 1) == CKR_OK;
}

bool other_text(const other *o, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const char *text)
{
    CK_ATTRIBUTE a = {type, (void *)(uintptr_t)text, (CK_ULONG)strlen(text)};

    return o->f->C_SetAttributeValue(o->session, object, &a, 1) == CKR_OK;
}

unsigned other_count(const other *o)
{
    CK_OBJECT_HANDLE found[256];

    return (unsigned)find(o, NULL, 0, found, 256);
}
