/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a module: by default through p11-kit, which counts C_Initialize and C_Finalize of all
 * components of the process, so that no component finalises a module that another one uses. The
 * module is loaded directly if there is no p11-kit, if the configuration says so, or if the module
 * needs initialisation arguments (NSS), which p11-kit takes only from its own files. In every case
 * the module is also opened directly, so that its function list is checked before p11-kit uses it.
 */
#include <stdatomic.h>
#include <string.h>
#include "core/lock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/module/loader_private.h"
#include "pkcs11/module/module_private.h"

/* The modules loaded so far: as many as there are different paths, for the life of the process. */
typedef struct loaded {
    struct loaded *next;
    char *path;
    void *handle; /* the system's: the same for all paths that lead to one library */
    tok_library library;
} loaded;
static core_lock loaded_lock = CORE_LOCK_INIT; /* guards the list */
static loaded *loaded_list CORE_GUARDED_BY(loaded_lock);

/* The manager (p11-kit) holds its own locks, also during the module's C_Initialize and C_Finalize.
 * A child that is forked then would wait for these locks forever, so it must not call the manager.
 * Upper half: the process id; lower half: the number of its threads that are in the manager. */
static _Atomic uint64_t manager_users;

static bool manager_enter(const char *path)
{
    const uint64_t self = (uint64_t)core_process_id() << 32;
    uint64_t seen = atomic_load(&manager_users);

    do {
        if ((seen & UINT32_MAX) != 0 && (seen & ~(uint64_t)UINT32_MAX) != self) {
            core_log(
                CORE_LOG_ERROR,
                "module \"%s\": this process was forked while %s was at work in its parent and "
                "cannot use it; let children exec, or set module_loader = direct",
                path, tok_p11kit->name);
            return false;
        }
    } while (
        !atomic_compare_exchange_weak(&manager_users, &seen, self | ((seen & UINT32_MAX) + 1)));
    return true;
}

static void manager_leave(void)
{
    atomic_fetch_sub(&manager_users, 1);
}

static core_status load_managed(const char *path, CK_FUNCTION_LIST **out, core_err *err)
{
    if (!manager_enter(path))
        return core_fail(err, ST_MODULE_LOAD, "module \"%s\": forked while %s was at work", path,
                         tok_p11kit->name);
    core_status st = tok_p11kit->load(path, out, err);
    manager_leave();
    return st;
}

static core_status open_module(const char *path, tok_module *module, CK_FUNCTION_LIST **out,
                               core_err *err)
{
    *out = NULL;
    core_status st = tok_module_open(path, module, err);

    if (st != ST_OK)
        return st;
    if (module->get == NULL) {
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": it has no C_GetFunctionList, so it is no PKCS#11 module",
                         path);
    }
    const CK_RV rv = module->get(out);
    if (rv != CKR_OK || *out == NULL) {
        *out = NULL;
        return core_fail(
            err, ST_MODULE_LOAD,
            "module \"%s\": C_GetFunctionList %s (0x%lx); ask its vendor, or name another module",
            path, rv == CKR_OK ? "answers CKR_OK, but gives no list" : "failed", (unsigned long)rv);
    }
    return tok_table_check(path, *out, err);
}

static loaded *loaded_by_handle_locked(const void *handle) CORE_REQUIRES(loaded_lock)
{
    loaded *known = loaded_list;
    while (known != NULL && known->handle != handle)
        known = known->next;
    return known;
}

static core_status load_locked(const core_config *config, const char *path, loaded *l,
                               core_err *err) CORE_REQUIRES(loaded_lock)
{
    const bool wanted = config->module_loader == CORE_LOADER_P11KIT ||
                        (config->module_loader == CORE_LOADER_AUTO && config->init_args == NULL);
    tok_library *out = &l->library;
    tok_module module = {0};
    core_status st = open_module(path, &module, &out->direct, err);

    l->handle = module.handle;
    const loaded *known = st == ST_OK ? loaded_by_handle_locked(l->handle) : NULL;
    if (known != NULL)
        *out = known->library;
    if (st != ST_OK || known != NULL)
        return st;
    CK_FUNCTION_LIST *own = out->direct;
    out->managed = tok_p11kit != NULL && wanted;
    st = tok_table_complete(path, own, &out->direct, err);
    out->f = out->direct;
    if (st == ST_OK && out->managed)
        st = load_managed(path, &out->f, err);
    if (st == ST_OK && out->managed)
        st = tok_table_complete(path, own, &out->f, err);
    if (st != ST_OK)
        return st;
    out->gate = tok_gate_make();
    if (out->gate == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    if (!out->managed)
        tok_module_home(path, &module, out->direct->C_Initialize);
    tok_module_known(path, out);
    tok_module_digest(path, out->sha256);
    core_log(CORE_LOG_INFO, "module \"%s\" loaded %s%s, SHA-256 %s", path,
             out->managed ? "through " : "directly", out->managed ? tok_p11kit->name : "",
             out->sha256);
    return ST_OK;
}

/* A library has one loader in the process; what a later configuration wants else is not done. */
static void tell_loader(const core_config *config, const tok_library *library)
{
    if ((config->module_loader == CORE_LOADER_DIRECT && library->managed) ||
        (config->module_loader == CORE_LOADER_P11KIT && !library->managed)) {
        core_log(CORE_LOG_WARNING,
                 "module \"%s\": it was loaded %s for another configuration of this process, and "
                 "stays so; give both the same module_loader",
                 config->module, library->managed ? "through p11-kit" : "directly");
    }
}

/* Takes over `*path` where it is the first of its name. */
static core_status load_once_locked(const core_config *config, char **path, tok_library *out,
                                    core_err *err) CORE_REQUIRES(loaded_lock)
{
    loaded *known = loaded_list;

    while (known != NULL && strcmp(known->path, *path) != 0)
        known = known->next;
    if (known == NULL) {
        known = core_calloc(1, sizeof *known);
        if (known == NULL)
            return core_fail(err, ST_NO_MEMORY, "out of memory");
        core_status st = load_locked(config, *path, known, err);
        if (st != ST_OK) {
            core_free(known);
            return st;
        }
        known->path = *path;
        *path = NULL;
        known->next = loaded_list;
        loaded_list = known;
    }
    *out = known->library;
    tell_loader(config, out);
    return ST_OK;
}

void tok_library_unmanage(tok_library *library)
{
    library->f = library->direct;
    library->managed = false;
    core_lock_acquire(&loaded_lock);
    for (loaded *l = loaded_list; l != NULL; l = l->next)
        if (l->library.gate == library->gate)
            l->library = *library;
    core_lock_release(&loaded_lock);
}

core_status tok_library_load(const core_config *config, tok_library *out, core_err *err)
{
    char *path = NULL;

    memset(out, 0, sizeof *out);
    if (config->module_loader == CORE_LOADER_P11KIT && tok_p11kit == NULL)
        return core_fail(err, ST_MODULE_LOAD,
                         "module_loader = p11-kit: there is none on Windows; use auto or direct");
    core_status st = tok_module_path(config->module, &path, err);
    if (st != ST_OK)
        return st;
    core_lock_acquire(&loaded_lock);
    st = load_once_locked(config, &path, out, err);
    core_lock_release(&loaded_lock);
    core_free(path);
    return st;
}

static CK_RV initialize_direct(const CK_FUNCTION_LIST *f, char *reserved, bool *serialize)
{
    /* NSS reads one pointer more than the standard's structure has. */
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *reserved[2];
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

static CK_RV managed(const tok_library *library, const char *path,
                     CK_RV (*call)(CK_FUNCTION_LIST *f))
{
    if (!manager_enter(path))
        return CKR_FUNCTION_FAILED;
    CK_RV rv = call(library->f);
    manager_leave();
    return rv;
}

CK_RV tok_library_initialize(const tok_library *library, const core_config *config, bool *own,
                             bool *serialize)
{
    tok_check_no_lock();
    CK_RV rv = library->managed ? managed(library, config->module, tok_p11kit->initialize)
                                : initialize_direct(library->f, config->init_args, serialize);
    *own = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

CK_RV tok_library_finalize(const tok_library *library, const core_config *config)
{
    tok_check_no_lock();
    return library->managed ? managed(library, config->module, tok_p11kit->finalize)
                            : library->f->C_Finalize(NULL);
}
