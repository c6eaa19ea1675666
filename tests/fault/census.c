/* SPDX-License-Identifier: Apache-2.0
 *
 * See census.h.
 */
#include "tests/fault/census.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/tokens/raw.h"

static unsigned long hash(const uint8_t *bytes, size_t length)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < length; i++)
        h = (h ^ bytes[i]) * 0x100000001b3U;
    return (unsigned long)h;
}

/* Uses the key on a fixed block: the attributes alone would not show that the key's value
 * changed. */
static CK_RV use(const raw_token *t, CK_OBJECT_HANDLE key, CK_OBJECT_CLASS class, uint8_t *out,
                 CK_ULONG *length)
{
    static CK_BYTE block[16];
    CK_BYTE iv[16] = {0};
    CK_MECHANISM sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_MECHANISM encrypt = {CKM_AES_CBC, iv, sizeof iv};
    CK_RV rv;

    if (class == CKO_PRIVATE_KEY) {
        rv = t->f->C_SignInit(t->session, &sign, key);
        return rv == CKR_OK ? t->f->C_Sign(t->session, block, sizeof block, out, length) : rv;
    }
    rv = t->f->C_EncryptInit(t->session, &encrypt, key);
    return rv == CKR_OK ? t->f->C_Encrypt(t->session, block, sizeof block, out, length) : rv;
}

static bool look(const raw_token *t, CK_OBJECT_HANDLE object, census *out)
{
    CK_OBJECT_CLASS class = 0;
    uint8_t bytes[1024];
    CK_ULONG length = sizeof bytes;
    CK_ATTRIBUTE of[] = {{CKA_CLASS, &class, sizeof class},
                         {CKA_LABEL, out->keys[out->count].label, sizeof out->keys[0].label - 1}};
    CK_ATTRIBUTE modulus = {CKA_MODULUS, bytes, sizeof bytes};

    if (t->f->C_GetAttributeValue(t->session, object, of, 2) != CKR_OK)
        return false;
    if (class == CKO_PUBLIC_KEY) {
        if (t->f->C_GetAttributeValue(t->session, object, &modulus, 1) != CKR_OK)
            return false;
        length = modulus.ulValueLen;
    } else if (use(t, object, class, bytes, &length) != CKR_OK) {
        length = 0; /* a key that may not be used is told by its name */
    }
    out->keys[out->count].class = class;
    out->keys[out->count++].print = hash(bytes, length);
    return true;
}

static bool take(census *out)
{
    raw_token t;
    CK_OBJECT_HANDLE objects[CENSUS_KEYS];
    CK_ULONG count = 0;
    const char *real = getenv("P11COUNT_MODULE");

    memset(out, 0, sizeof *out);
    if (real != NULL && setenv("MODULE", real, 1) != 0)
        return false;
    if (!raw_open(&t) || t.f->C_FindObjectsInit(t.session, NULL, 0) != CKR_OK ||
        t.f->C_FindObjects(t.session, objects, CENSUS_KEYS, &count) != CKR_OK ||
        t.f->C_FindObjectsFinal(t.session) != CKR_OK)
        return false;
    for (CK_ULONG i = 0; i < count; i++)
        if (!look(&t, objects[i], out))
            return false;
    raw_close(&t, true);
    return true;
}

bool census_take(census *out)
{
    int status = 1;
    census *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return false;
    pid_t child = fork();
    if (child == 0)
        _exit(take(shared) ? 0 : 1);
    bool good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    *out = *shared;
    (void)munmap(shared, sizeof *shared);
    return good;
}

static bool has(const census *c, unsigned long class, unsigned long print)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->keys[i].class == class && c->keys[i].print == print)
            return true;
    return false;
}

size_t census_lost(const census *old, const census *now)
{
    size_t lost = 0;

    for (size_t i = 0; i < old->count; i++)
        lost += !has(now, old->keys[i].class, old->keys[i].print);
    return lost;
}

bool census_names(const census *c, const char *label)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->keys[i].label, label) == 0)
            return true;
    return false;
}

bool census_same(const census *a, const census *b)
{
    if (a->count != b->count || census_lost(a, b) != 0)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!census_names(b, a->keys[i].label))
            return false;
    return true;
}
