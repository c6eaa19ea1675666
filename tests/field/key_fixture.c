/* SPDX-License-Identifier: Apache-2.0
 *
 * See key_fixture.h.
 */
#include "tests/field/key_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"

key_fixture fixture;

static CK_BBOOL yes = CK_TRUE;

bool fixture_load(void)
{
    const char *real = getenv("P11COUNT_MODULE");
    const char *module = getenv("MODULE");
    void *token = real != NULL ? dlopen(real, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *fault_proxy = module != NULL ? dlopen(module, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_C_GetFunctionList get = NULL;
    const struct {
        void *library;
        const char *name;
        void *where;
    } names[] = {
        {token, "C_GetFunctionList", (void *)&get},
        {token, "p11memory_refuse_attribute", (void *)&fixture.refuse_attribute},
        {token, "p11memory_refuse_encrypt", (void *)&fixture.refuse_encrypt},
        {token, "p11memory_refuse_change", (void *)&fixture.refuse_change},
        {token, "p11memory_make_with", (void *)&fixture.make_with},
        {token, "p11memory_as_usual", (void *)&fixture.as_usual},
        {token, "p11memory_twin", (void *)&fixture.twin},
        {token, "p11memory_lose_sessions", (void *)&fixture.lose_sessions},
        {fault_proxy, "p11count_get", (void *)&fixture.calls},
        {fault_proxy, "p11count_reset", (void *)&fixture.reset_calls},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *found = names[i].library != NULL ? dlsym(names[i].library, names[i].name) : NULL;
        memcpy(names[i].where, &found, sizeof found);
        if (found == NULL)
            return false;
    }
    return get(&fixture.f) == CKR_OK;
}

void fixture_session(void)
{
    CK_SLOT_ID slot;
    CK_ULONG count = 1;

    CU_ASSERT_EQUAL_FATAL(fixture.f->C_GetSlotList(CK_TRUE, &slot, &count), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(fixture.f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
                                                   NULL, &fixture.session),
                          CKR_OK);
}

void fixture_open(const char *lines)
{
    static unsigned serial;
    char name[32], text[2048];
    const char *pin = getenv("PIN");

    (void)snprintf(name, sizeof name, "fixture-%u.conf", ++serial);
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = none\nstartup_tries = 1\n"
                          "[token main]\ntoken = %s\n%s\n",
                          getenv("MODULE"), getenv("TOKEN"), lines);
    const char *path = testing_file(name, text, (size_t)length, 0600);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(path, &fixture.ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(fixture.ctx, "main", &fixture.token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(fixture.token, pin, strlen(pin), NULL), ST_OK);
    fixture_session();
}

void fixture_close(void)
{
    CK_OBJECT_HANDLE objects[64];
    CK_ULONG count = 0;

    fixture.as_usual();
    CU_ASSERT_EQUAL(fixture.f->C_FindObjectsInit(fixture.session, NULL, 0), CKR_OK);
    CU_ASSERT_EQUAL(fixture.f->C_FindObjects(fixture.session, objects, 64, &count), CKR_OK);
    CU_ASSERT_EQUAL(fixture.f->C_FindObjectsFinal(fixture.session), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++)
        CU_ASSERT_EQUAL(fixture.f->C_DestroyObject(fixture.session, objects[i]), CKR_OK);
    (void)fixture.f->C_CloseSession(fixture.session);
    tok_token_logout(fixture.token);
    tok_token_release(fixture.token);
    tok_context_close(fixture.ctx);
    fixture.token = NULL;
}

static CK_OBJECT_HANDLE secret(const fixture_object *o, CK_KEY_TYPE type, size_t length,
                               uint8_t seed)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BBOOL private = o->private ? CK_TRUE : CK_FALSE;
    CK_BBOOL extractable = o->extractable ? CK_TRUE : CK_FALSE;
    uint8_t value[32];
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &private, 1},
        {CKA_EXTRACTABLE, &extractable, 1},
        {CKA_ENCRYPT, &yes, 1},
        {CKA_DECRYPT, &yes, 1},
        {CKA_LABEL, (void *)(uintptr_t)o->label, (CK_ULONG)o->label_len},
        {CKA_ID, (void *)(uintptr_t)o->id, (CK_ULONG)o->id_len},
        {CKA_VALUE, value, (CK_ULONG)length},
    };
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(seed + 37 * i);
    const CK_RV rv = fixture.f->C_CreateObject(fixture.session, t, sizeof t / sizeof t[0], &object);
    CU_ASSERT_EQUAL(rv, CKR_OK);
    return object;
}

CK_OBJECT_HANDLE fixture_aes(const fixture_object *o, uint8_t seed)
{
    return secret(o, CKK_AES, 32, seed);
}

CK_OBJECT_HANDLE fixture_des3(const fixture_object *o, uint8_t seed)
{
    return secret(o, CKK_DES3, 24, seed);
}

CK_OBJECT_HANDLE fixture_rsa(const fixture_object *o)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL private = o->private ? CK_TRUE : CK_FALSE;
    CK_ULONG bits = 2048;
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    CK_ATTRIBUTE a[] = {
        {CKA_TOKEN, &yes, 1},
        {CKA_MODULUS_BITS, &bits, sizeof bits},
        {CKA_ENCRYPT, &yes, 1},
        {CKA_LABEL, (void *)(uintptr_t)o->label, (CK_ULONG)o->label_len},
        {CKA_ID, (void *)(uintptr_t)o->id, (CK_ULONG)o->id_len},
    };
    CK_ATTRIBUTE b[] = {
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &private, 1},
        {CKA_DECRYPT, &yes, 1},
        {CKA_LABEL, (void *)(uintptr_t)o->label, (CK_ULONG)o->label_len},
        {CKA_ID, (void *)(uintptr_t)o->id, (CK_ULONG)o->id_len},
    };
    CU_ASSERT_EQUAL(fixture.f->C_GenerateKeyPair(fixture.session, &mechanism, a, 5, b, 5,
                                                 &public_key, &private_key),
                    CKR_OK);
    return private_key;
}

tok_key *fixture_make(const char *name, core_algorithm algorithm)
{
    const tok_key_spec spec = {name, algorithm, 0, true, false};
    core_err err = {0};
    tok_key *key = NULL;

    core_status st = tok_key_create(fixture.token, &spec, &key, &err);
    if (st != ST_OK)
        fprintf(stderr, "create \"%s\": %s: %s\n", name, core_status_name(st), err.text);
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
    return key;
}

core_status fixture_round_trip(tok_key *key)
{
    static const uint8_t plain[] = "what was encrypted";
    const bool rsa = tok_key_info_of(key)->rsa;
    uint8_t iv[16] = {0}, in[512], out[512];
    const size_t iv_len = rsa ? 0 : tok_key_info_of(key)->algorithm == CORE_ALG_3DES ? 8 : 16;
    size_t in_len = sizeof in, out_len = sizeof out;

    core_status st =
        tok_encrypt(key, rsa ? NULL : iv, iv_len, plain, sizeof plain, in, &in_len, NULL);
    if (st == ST_OK)
        st = tok_decrypt(key, rsa ? NULL : iv, iv_len, in, in_len, out, &out_len, NULL);
    if (st == ST_OK && (out_len != sizeof plain || memcmp(out, plain, sizeof plain) != 0))
        st = ST_FAILURE;
    return st;
}

core_status fixture_use(const char *name)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(fixture.token, name, &key, NULL);

    if (st == ST_OK)
        st = fixture_round_trip(key);
    tok_key_release(key);
    return st;
}
