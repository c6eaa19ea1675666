/* SPDX-License-Identifier: Apache-2.0
 *
 * See fault_proxy.h.
 */
#include "tests/fault/fault_proxy.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/platform.h"
#include "testing.h"

bool fault_proxy_load(fault_proxy *c)
{
    const char *module = getenv("MODULE");
    void *library = module ? dlopen(module, RTLD_NOW | RTLD_LOCAL) : NULL;

    if (!library)
        return false;
    *(void **)&c->get = dlsym(library, "p11count_get");
    *(void **)&c->violations = dlsym(library, "p11count_violations");
    *(void **)&c->reset = dlsym(library, "p11count_reset");
    *(void **)&c->log = dlsym(library, "p11count_log");
    *(void **)&c->plan = dlsym(library, "p11count_plan");
    return c->get && c->violations && c->reset && c->log && c->plan;
}

const char *fault_proxy_config(const char *name, const char *more)
{
    char text[2048];
    const char *init = getenv("INIT_ARGS");
    bool args = init && *init;
    const char *path = testing_path(name);
    int length = snprintf(
        text, sizeof text,
        "module = %s\n%s%s%s%s%s\n"
        "session_wait_ms = 2000\nstartup_tries = 1\n%s\n[token main]\ntoken = %s\n",
        getenv("MODULE"), strstr(more, "module_loader") ? "" : "module_loader = direct\n",
        strncmp(more, "log = ", 6) == 0 ? "" : "log = none\n", args ? "init_args = \"" : "",
        args ? init : "", args ? "\"" : "", more, getenv("TOKEN"));
    (void)remove(path);
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

bool fault_proxy_second_token(const char *label)
{
    char script[512];
    int status = 1;
    const char *source = getenv("P11EKM_SOURCE_DIR"), *dir = getenv("TOKEN_DIR");

    if (source == NULL || dir == NULL)
        return false;
    (void)snprintf(script, sizeof script, "%s/scripts/make-softhsm-token", source);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)execl(script, script, dir, label, getenv("PIN"), (char *)NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
