/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a module where there is dlopen. By default through p11-kit, which counts C_Initialize and
 * C_Finalize among all who use the module in this process, so that neither of us pulls it from
 * under the other. Directly where the configuration says so, or where the module wants
 * initialisation arguments (NSS), which p11-kit takes from files of its own only. Never
 * p11-kit-proxy: it brings every module of the machine into the host.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <p11-kit/p11-kit.h>
#include "core/crypto.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"
#include "pkcs11/loader.h"

/* The modules loaded so far: as many as there are different paths, for the life of the process. */
typedef struct loaded {
    struct loaded *next;
    char *path;
    tok_library library;
} loaded;
static pthread_mutex_t loaded_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list */
static loaded *loaded_list;

static void file_digest(const char *path, char hex[65])
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

static core_status load_direct(const char *path, CK_FUNCTION_LIST **out, core_err *err)
{
    CK_C_GetFunctionList get;
    Dl_info where;
    CK_RV rv;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": %s; check 'module' in the configuration", path, dlerror());
    }
    *(void **)&get = dlsym(handle, "C_GetFunctionList");
    if (get == NULL) {
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": it has no C_GetFunctionList, so it is no PKCS#11 module",
                         path);
    }
    rv = get(out);
    if (rv != CKR_OK || *out == NULL) {
        *out = NULL;
        return core_fail(err, ST_MODULE_LOAD, "module \"%s\": C_GetFunctionList failed with 0x%lx",
                         path, rv);
    }
    /* Legal for a vendor's shim, but else the sign of a symbol taken from another library. */
    if (dladdr((void *)(uintptr_t)(*out)->C_Initialize, &where) != 0 && where.dli_fname != NULL &&
        strcmp(where.dli_fname, path) != 0) {
        core_log(CORE_LOG_WARNING, "module \"%s\": its functions lie in \"%s\"", path,
                 where.dli_fname);
    }
    return ST_OK;
}

static bool known_local(const char *path)
{
    static const char *const names[] = {"/libsofthsm2.so", "/libsoftokn3.so"};
    const char *file = strrchr(path, '/');

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (file != NULL && strcmp(file, names[i]) == 0)
            return true;
    return false;
}

static core_status load(const core_config *config, const char *path, tok_library *out,
                        core_err *err)
{
    core_status st = ST_OK;
    out->managed = config->module_loader == CORE_LOADER_P11KIT ||
                   (config->module_loader == CORE_LOADER_AUTO && config->init_args == NULL);
    if (out->managed) {
        out->f = p11_kit_module_load(path, 0);
        if (out->f == NULL) {
            const char *why = p11_kit_message();
            return core_fail(err, ST_MODULE_LOAD,
                             "module \"%s\": %s; check 'module' in the configuration", path,
                             why != NULL ? why : "p11-kit cannot load it");
        }
    } else {
        st = load_direct(path, &out->f, err);
    }
    out->local = known_local(path);
    if (st == ST_OK) {
        file_digest(path, out->sha256);
        core_log(CORE_LOG_INFO, "module \"%s\" loaded %s, SHA-256 %s", path,
                 out->managed ? "through p11-kit" : "directly", out->sha256);
    }
    return st;
}

core_status tok_library_load(const core_config *config, tok_library *out, core_err *err)
{
    memset(out, 0, sizeof *out);
    core_status st = core_file_check(config->module, CORE_FILE_MODULE, err);
    if (st != ST_OK)
        return st;
    char *path = core_path_real(config->module);
    if (path == NULL)
        return core_fail(err, ST_MODULE_LOAD, "module \"%s\": no such file", config->module);

    pthread_mutex_lock(&loaded_lock);
    loaded *known = loaded_list;
    while (known != NULL && strcmp(known->path, path) != 0)
        known = known->next;
    if (known == NULL) {
        known = core_calloc(1, sizeof *known);
        st = known != NULL ? load(config, path, &known->library, err) : ST_NO_MEMORY;
        if (st == ST_OK) {
            known->path = path;
            path = NULL;
            known->next = loaded_list;
            loaded_list = known;
        } else {
            core_free(known);
        }
    }
    if (st == ST_OK)
        *out = known->library;
    pthread_mutex_unlock(&loaded_lock);
    core_free(path);
    return st;
}

static CK_RV initialize_direct(const CK_FUNCTION_LIST *f, char *reserved, bool *serialize)
{
    /* NSS reads one pointer more than the standard's structure has. */
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *spare[2];
    } init;
    memset(&init, 0, sizeof init);
    init.args.flags = CKF_OS_LOCKING_OK;
    init.args.pReserved = reserved;

    CK_RV rv = f->C_Initialize(&init);
    if (rv == CKR_CANT_LOCK) {
        *serialize = true;
        init.args.flags = 0;
        rv = f->C_Initialize(&init);
    }
    return rv;
}

CK_RV tok_library_initialize(const tok_library *library, const core_config *config, bool *own,
                             bool *serialize)
{
    CK_RV rv = library->managed ? p11_kit_module_initialize(library->f)
                                : initialize_direct(library->f, config->init_args, serialize);
    *own = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

CK_RV tok_library_finalize(const tok_library *library)
{
    return library->managed ? p11_kit_module_finalize(library->f) : library->f->C_Finalize(NULL);
}
