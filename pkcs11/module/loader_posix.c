/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a module where there are dlopen and p11-kit. Never p11-kit-proxy: it brings every module
 * of the machine into the host.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/p11-kit.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/crypto.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/text.h"
#include "pkcs11/module/loader_private.h"

static core_status managed_load(const char *path, CK_FUNCTION_LIST **out, core_err *err)
{
    *out = p11_kit_module_load(path, 0);
    if (*out != NULL)
        return ST_OK;
    const char *why = p11_kit_message();
    return core_fail(err, ST_MODULE_LOAD, "module \"%s\": %s; check 'module' in the configuration",
                     path, why != NULL ? why : "p11-kit cannot load it");
}

static const tok_manager p11kit = {.name = "p11-kit",
                                   .load = managed_load,
                                   .initialize = p11_kit_module_initialize,
                                   .finalize = p11_kit_module_finalize};
const tok_manager *const tok_p11kit = &p11kit;

static core_status no_file(const char *given, core_err *err)
{
    return core_fail(err, ST_MODULE_LOAD,
                     "module \"%s\": no such file; check 'module' in the configuration", given);
}

/* Checked as it was given, for the check also looks at the links on the way. */
core_status tok_module_path(const char *given, char **path, core_err *err)
{
    *path = NULL;
    core_status st = core_file_check(given, CORE_FILE_MODULE, err);
    if (st == ST_NOT_FOUND)
        return no_file(given, err);
    if (st != ST_OK)
        return st;
    *path = core_path_real(given);
    if (*path == NULL)
        return no_file(given, err);
    return ST_OK;
}

bool tok_module_shared(void)
{
    return false;
}

core_status tok_module_open(const char *path, tok_module *out, core_err *err)
{
    out->get = NULL;
    out->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (out->handle == NULL) {
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": %s; check 'module' in the configuration", path, dlerror());
    }
    *(void **)&out->get = dlsym(out->handle, "C_GetFunctionList");
    return ST_OK;
}

void tok_module_home(const char *path, const tok_module *module, CK_C_Initialize function)
{
    Dl_info where;

    (void)module;
    if (dladdr((void *)(uintptr_t)function, &where) != 0 && where.dli_fname != NULL &&
        strcmp(where.dli_fname, path) != 0) {
        core_log(CORE_LOG_WARNING, "module \"%s\": its functions lie in \"%s\"", path,
                 where.dli_fname);
    }
}

void tok_module_digest(const char *path, char hex[65])
{
    uint8_t digest[32];
    struct stat st;
    void *map = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    hex[0] = '\0';
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
        if (core_sha256(map, (size_t)st.st_size, NULL, 0, NULL, 0, digest) == ST_OK)
            core_hex(digest, sizeof digest, hex);
        munmap(map, (size_t)st.st_size);
    }
    close(fd);
}
