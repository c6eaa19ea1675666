/* SPDX-License-Identifier: Apache-2.0
 *
 * See gate_fixture.h.
 */
#include "tests/field/gate_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "pkcs11/group/group_private.h"
#include "tests/fault/fault_proxy.h"

gate_knobs *knobs;
CK_FUNCTION_LIST *module;

static const uint8_t plain[] = "sixteen bytes";
static const uint8_t iv[16] = {7};

bool gate_load(void)
{
    CK_C_GetFunctionList get = NULL;
    void *library = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return false;
    knobs = dlsym(library, "p11gate");
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    return knobs != NULL && get != NULL && get(&module) == CKR_OK &&
           fault_proxy_second_token("other");
}

void gate_reset(void)
{
    memset(knobs, 0, sizeof *knobs);
}

int gate_sessions(void)
{
    return atomic_load(&knobs->opened) - atomic_load(&knobs->closed);
}

void gate_open(gate_fixture *w, const char *label, const char *globals)
{
    static unsigned serial;
    char path[256];
    char text[2048];
    core_err err = {0};

    memset(w, 0, sizeof *w);
    (void)snprintf(path, sizeof path, "%s/gate-%u.conf", testing_dir(), ++serial);
    int length =
        snprintf(text, sizeof text,
                 "module = %s\nstartup_tries = 1\nsession_wait_ms = 4000\n%s%s\n"
                 "[token main]\ntoken = %s\n",
                 getenv("MODULE"), strstr(globals, "log =") ? "" : "log = none\n", globals, label);
    CU_ASSERT_EQUAL_FATAL(core_file_create(path, text, (size_t)length, NULL), ST_OK);
    core_status st = tok_context_open(path, &w->ctx, &err);
    if (st != ST_OK)
        printf("%s: ", err.text);
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
}

void gate_login(gate_fixture *w, const char *label, const char *globals)
{
    const char *pin = getenv("PIN");

    gate_open(w, label, globals);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w->ctx, "main", &w->token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(w->token, pin, strlen(pin), NULL), ST_OK);
}

void gate_start(gate_fixture *w, const char *label, const char *globals)
{
    static unsigned serial;
    char name[32];
    tok_key_spec spec = {.name = name, .algorithm = CORE_ALG_AES_256, .persistent = true};

    gate_login(w, label, globals);
    (void)snprintf(name, sizeof name, "gate-%u", ++serial);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w->token, &spec, &w->key, NULL), ST_OK);
    w->sealed_len = sizeof w->sealed;
    CU_ASSERT_EQUAL_FATAL(
        tok_encrypt(w->key, iv, sizeof iv, plain, sizeof plain, w->sealed, &w->sealed_len, NULL),
        ST_OK);
}

void gate_close(gate_fixture *w)
{
    if (w->key != NULL)
        CU_ASSERT_EQUAL(tok_key_destroy(w->key, NULL), ST_OK);
    tok_key_release(w->key);
    if (w->token != NULL)
        tok_token_logout(w->token);
    tok_token_release(w->token);
    tok_context_close(w->ctx);
}

void gate_import(gate_fixture *w, const char *label)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE value[32] = {0x42};
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE t[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
        {CKA_VALUE, value, sizeof value},
    };
    CU_ASSERT_EQUAL(
        module->C_CreateObject(w->token->login_session, t, sizeof t / sizeof t[0], &object),
        CKR_OK);
}

core_status gate_work(gate_fixture *w, core_err *err)
{
    uint8_t out[64];
    size_t length = sizeof out;
    core_status st =
        tok_decrypt(w->key, iv, sizeof iv, w->sealed, w->sealed_len, out, &length, err);
    const bool right = length == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

core_status gate_search(gate_fixture *w, core_err *err)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(w->token, "there is no such key", &key, err);
    tok_key_release(key);
    return st;
}

static void *call_run(void *arg)
{
    gate_call *call = arg;
    core_err err = {0};

    call->st = gate_work(call->w, &err);
    if (call->st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    return NULL;
}

void gate_hold(gate_call *call, gate_fixture *w)
{
    const int held = atomic_load(&knobs->held);

    *call = (gate_call){.w = w, .st = ST_FAILURE};
    atomic_store(&knobs->hold, true);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&call->thread, NULL, call_run, call), 0);
    for (int i = 0; atomic_load(&knobs->held) == held && i < 2000; i++)
        core_sleep_ms(5);
    CU_ASSERT(atomic_load(&knobs->held) > held);
}

core_status gate_release(gate_call *call)
{
    atomic_store(&knobs->hold, false);
    pthread_join(call->thread, NULL);
    return call->st;
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&gate_shared_suite, &gate_outage_suite,
                                               &gate_lock_suite};

    if (!gate_load()) {
        printf("SKIPPED: no two SoftHSM tokens with the gate module\n");
        return 77;
    }
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
