/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules that do not start: without a function list or with gaps in it, without locks, with a
 * C_Initialize that fails. Each is loaded from a copy of the gate module, because a library is
 * loaded once in a process, and through p11-kit as well as directly.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/field/gate_module.h"

static const char *const loaders[] = {"p11-kit", "direct"};
enum { LOADERS = 2 };

static char module_path[256], config_path[256], log_path[256];

/* A new copy of the module, and a configuration that names it. */
static bool copy_module(void)
{
    static unsigned serial;
    size_t length = 0;
    char *bytes = testing_read(getenv("MODULE"), &length);

    (void)snprintf(module_path, sizeof module_path, "%s/module-%u.so", testing_dir(), ++serial);
    const bool done = bytes != NULL && core_file_create(module_path, bytes, length, NULL) == ST_OK;
    free(bytes);
    return done;
}

static const char *config(const char *loader)
{
    char text[2048];

    (void)snprintf(config_path, sizeof config_path, "%s/loader.conf", testing_dir());
    (void)snprintf(log_path, sizeof log_path, "%s/loader.log", testing_dir());
    (void)remove(config_path);
    (void)remove(log_path);
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = %s\nstartup_tries = 1\nlog = %s\n"
                          "[token main]\ntoken = %s\n",
                          module_path, loader, log_path, getenv("TOKEN"));
    CU_ASSERT_EQUAL(core_file_create(config_path, text, (size_t)length, NULL), ST_OK);
    return config_path;
}

static bool logged(const char *text)
{
    size_t length = 0;
    char *log = testing_read(log_path, &length);
    const bool found = log != NULL && strstr(log, text) != NULL;
    free(log);
    return found;
}

static gate_knobs *knobs_of_copy(void)
{
    void *library = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    return library != NULL ? dlsym(library, "p11gate") : NULL;
}

/* Finds the token and uses it. */
static core_status use(tok_context *ctx, core_err *err)
{
    const char *pin = getenv("PIN");
    tok_token *token = NULL;
    tok_key *key = NULL;
    core_status st = tok_token_find(ctx, "main", &token, err);

    if (st != ST_OK)
        return st;
    st = tok_token_login(token, pin, strlen(pin), err);
    if (st == ST_OK) {
        st = tok_key_by_name(token, "none", &key, err);
        tok_token_logout(token);
    }
    tok_token_release(token);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static core_status open_with(const char *holes, const char *loader, core_err *err)
{
    tok_context *ctx = NULL;

    CU_ASSERT_FATAL(copy_module());
    if (holes != NULL)
        setenv("P11GATE_NULL", holes, 1);
    core_status st = tok_context_open(config(loader), &ctx, err);
    if (st == ST_OK) {
        st = use(ctx, err);
        tok_context_close(ctx);
    }
    unsetenv("P11GATE_NULL");
    return st;
}

static void module_without_list_is_refused(void)
{
    for (unsigned i = 0; i < LOADERS; i++) {
        core_err err = {0};
        CU_ASSERT_EQUAL(open_with("list", loaders[i], &err), ST_MODULE_LOAD);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "C_GetFunctionList"));
        CU_ASSERT(logged("MODULE_LOAD"));
    }
}

static void module_without_needed_function_is_refused_by_its_name(void)
{
    static const char *const needed[] = {"C_Login", "C_OpenSession", "C_FindObjects"};

    for (unsigned i = 0; i < LOADERS * 3; i++) {
        core_err err = {0};
        CU_ASSERT_EQUAL(open_with(needed[i / LOADERS], loaders[i % LOADERS], &err), ST_MODULE_LOAD);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, needed[i / LOADERS]));
    }
}

static void module_without_optional_functions_works(void)
{
    for (unsigned i = 0; i < LOADERS; i++) {
        core_err err = {0};
        core_status st = open_with("C_GetInfo,C_GetSessionInfo,C_SetAttributeValue,"
                                   "C_WaitForSlotEvent,C_GetMechanismInfo,C_WrapKey",
                                   loaders[i], &err);
        if (st != ST_OK)
            printf("%s ", err.text);
        CU_ASSERT_EQUAL(st, ST_OK);
        CU_ASSERT(logged("lacks C_GetInfo, C_GetMechanismInfo, C_GetSessionInfo, "
                         "C_SetAttributeValue, C_WrapKey"));
    }
}

static void module_without_locks_is_serialized(void)
{
    for (unsigned i = 0; i < LOADERS; i++) {
        tok_context *ctx = NULL;
        tok_context *second = NULL;
        core_err err = {0};

        CU_ASSERT_FATAL(copy_module());
        gate_knobs *knobs = knobs_of_copy();
        atomic_store(&knobs->no_locks, true);
        CU_ASSERT_EQUAL_FATAL(tok_context_open(config(loaders[i]), &ctx, &err), ST_OK);
        CU_ASSERT_EQUAL(use(ctx, &err), ST_OK);
        CU_ASSERT(tok_context_serialized(ctx));
        CU_ASSERT_EQUAL(logged("it cannot be initialized through p11-kit (CKR_CANT_LOCK)"), i == 0);
        tok_context_close(ctx);
        CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 1);
        /* Once more: the loader of the library has changed permanently. */
        CU_ASSERT_EQUAL_FATAL(tok_context_open(config(loaders[i]), &second, &err), ST_OK);
        CU_ASSERT_EQUAL(use(second, &err), ST_OK);
        CU_ASSERT(tok_context_serialized(second));
        tok_context_close(second);
    }
}

/* The first message of a new process names the cause, and so do those during the following
 * back-off. */
static void failing_initialize_is_told_with_its_code(void)
{
    for (unsigned i = 0; i < LOADERS; i++) {
        tok_context *ctx = NULL;
        core_err err = {0};

        CU_ASSERT_FATAL(copy_module());
        gate_knobs *knobs = knobs_of_copy();
        atomic_store(&knobs->initialize, CKR_FUNCTION_FAILED);
        CU_ASSERT_EQUAL_FATAL(tok_context_open(config(loaders[i]), &ctx, &err), ST_OK);
        for (int n = 0; n < 3; n++) {
            memset(&err, 0, sizeof err);
            CU_ASSERT_EQUAL(use(ctx, &err), ST_MODULE_INIT);
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "C_Initialize: CKR_FUNCTION_FAILED 0x6"));
        }
        CU_ASSERT_EQUAL(core_status_code(ST_MODULE_INIT), 2053);
        CU_ASSERT(logged("C_Initialize: CKR_FUNCTION_FAILED 0x6"));
        atomic_store(&knobs->initialize, CKR_OK);
        core_status st = ST_MODULE_INIT;
        for (int n = 0; st != ST_OK && n < 100; n++, core_sleep_ms(50))
            st = use(ctx, &err);
        CU_ASSERT_EQUAL(st, ST_OK);
        tok_context_close(ctx);
    }
}

static void missing_module_is_told_as_such(void)
{
    for (unsigned i = 0; i < LOADERS; i++) {
        tok_context *ctx = NULL;
        core_err err = {0};

        (void)snprintf(module_path, sizeof module_path, "%s/no-such-module.so", testing_dir());
        CU_ASSERT_EQUAL(tok_context_open(config(loaders[i]), &ctx, &err), ST_MODULE_LOAD);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no such file"));
        CU_ASSERT_EQUAL(core_status_code(err.status), 2052);
        CU_ASSERT(logged("MODULE_LOAD"));
    }
}

/* Two paths of one library: one gate. */
static void library_with_two_paths_is_one(void)
{
    tok_context *ctx = NULL;
    tok_context *second = NULL;
    char link_to[300];
    core_err err = {0};

    CU_ASSERT_FATAL(copy_module());
    gate_knobs *knobs = knobs_of_copy();
    CU_ASSERT_EQUAL_FATAL(tok_context_open(config("direct"), &ctx, &err), ST_OK);
    (void)snprintf(link_to, sizeof link_to, "%s.hard", module_path);
    CU_ASSERT_EQUAL(link(module_path, link_to), 0);
    memcpy(module_path, link_to, strlen(link_to) + 1);
    (void)snprintf(config_path, sizeof config_path, "%s", testing_path("second.conf"));
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = none\n[token main]\n"
                          "token = %s\n",
                          module_path, getenv("TOKEN"));
    (void)remove(config_path);
    CU_ASSERT_EQUAL(core_file_create(config_path, text, (size_t)length, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(config_path, &second, &err), ST_OK);
    tok_context_close(ctx);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 0);
    CU_ASSERT_EQUAL(use(second, &err), ST_OK);
    tok_context_close(second);
    CU_ASSERT_EQUAL(atomic_load(&knobs->finalised), 1);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"module_without_list_is_refused", module_without_list_is_refused},
        {"module_without_needed_function_is_refused_by_its_name",
         module_without_needed_function_is_refused_by_its_name},
        {"module_without_optional_functions_works", module_without_optional_functions_works},
        {"module_without_locks_is_serialized", module_without_locks_is_serialized},
        {"failing_initialize_is_told_with_its_code", failing_initialize_is_told_with_its_code},
        {"missing_module_is_told_as_such", missing_module_is_told_as_such},
        {"library_with_two_paths_is_one", library_with_two_paths_is_one},
        {NULL, NULL},
    };
    static const test_suite suite = {.name = "loader", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
