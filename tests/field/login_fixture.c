/* SPDX-License-Identifier: Apache-2.0
 *
 * See login_fixture.h.
 */
#include "tests/field/login_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"

memory_token memory;

static const uint8_t plain[] = "a database encryption key, or so";
static const uint8_t iv[16] = {7};
static char config_path[256];

bool memory_load(void)
{
    const char *module = getenv("MODULE");
    void *library = module != NULL ? dlopen(module, RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct {
        const char *name;
        void *where;
    } functions[] = {
        {"p11memory_park", (void *)&memory.park},
        {"p11memory_await", (void *)&memory.await},
        {"p11memory_go", (void *)&memory.go},
        {"p11memory_lose_sessions", (void *)&memory.lose_sessions},
        {"p11memory_lose_oldest", (void *)&memory.lose_oldest},
        {"p11memory_unplug", (void *)&memory.unplug},
        {"p11memory_limit", (void *)&memory.limit},
        {"p11memory_get", (void *)&memory.get},
        {"p11memory_set_quirks", (void *)&memory.quirks},
        {"p11memory_set_pin", (void *)&memory.set_pin},
        {"p11memory_get_tries", (void *)&memory.tries},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *found = library != NULL ? dlsym(library, functions[i].name) : NULL;
        memcpy(functions[i].where, &found, sizeof found);
        if (found == NULL)
            return false;
    }
    return true;
}

const char *fixture_config(void)
{
    return config_path;
}

void fixture_open(login_fixture *w, const char *globals)
{
    static unsigned serial;
    char text[2048];
    core_err err = {0};

    memset(w, 0, sizeof *w);
    memory.quirks(NULL);
    memory.limit(0);
    memory.unplug(0);
    memory.set_pin("1234");
    (void)snprintf(config_path, sizeof config_path, "%s/login-%u.conf", testing_dir(), ++serial);
    int length = snprintf(
        text, sizeof text, "module = %s\nmodule_loader = direct\n%s%s\n[token main]\ntoken = %s\n",
        getenv("MODULE"), strstr(globals, "log =") ? "" : "log = none\n", globals, getenv("TOKEN"));
    CU_ASSERT_EQUAL_FATAL(core_file_create(config_path, text, (size_t)length, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(config_path, &w->ctx, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(w->ctx, "main", &w->token, &err), ST_OK);
}

void fixture_close(login_fixture *w)
{
    p11memory_state state;

    if (w->key != NULL)
        tok_key_release(w->key);
    tok_token_release(w->token);
    tok_context_close(w->ctx);
    memory.get(&state);
    CU_ASSERT_EQUAL(state.sessions, 0);
}

core_status fixture_login(login_fixture *w, const char *pin, core_err *err)
{
    return tok_token_login(w->token, pin, strlen(pin), err);
}

void fixture_start(login_fixture *w)
{
    static unsigned serial;
    char name[32];
    core_err err = {0};

    (void)snprintf(name, sizeof name, "login-%u", ++serial);
    const tok_key_spec spec = {.name = name, .algorithm = CORE_ALG_AES_256, .persistent = true};
    core_status st = fixture_login(w, "1234", &err);
    if (st == ST_OK)
        st = tok_key_create(w->token, &spec, &w->key, &err);
    w->sealed_len = sizeof w->sealed;
    if (st == ST_OK)
        st = tok_encrypt(w->key, iv, sizeof iv, plain, sizeof plain, w->sealed, &w->sealed_len,
                         &err);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(st, ST_OK);
}

core_status fixture_work(login_fixture *w, core_err *err)
{
    uint8_t out[64];
    size_t length = sizeof out;
    core_status st =
        tok_decrypt(w->key, iv, sizeof iv, w->sealed, w->sealed_len, out, &length, err);
    bool right = length == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

unsigned fixture_wrong(void)
{
    p11memory_tries tries;
    memory.tries(&tries);
    return tries.wrong;
}

unsigned fixture_logins(void)
{
    p11memory_tries tries;
    memory.tries(&tries);
    return tries.all;
}
