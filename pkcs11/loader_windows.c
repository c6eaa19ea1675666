/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a module on Windows, where there is no p11-kit: by its full path, and with its own folder
 * and System32 as the only places for the libraries it asks for. The path is resolved before it is
 * checked, and what was checked is what is loaded.
 */
#include <windows.h>
#include <pthread.h>
#include <string.h>
#include "core/crypto.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform_windows.h"
#include "core/text.h"
#include "pkcs11/loader.h"

/* A module fills and reads these; with another layout every call would go astray. */
_Static_assert(sizeof(CK_ULONG) == 4 && sizeof(CK_ATTRIBUTE) == 16 && sizeof(CK_MECHANISM) == 16 &&
                   sizeof(CK_RSA_PKCS_OAEP_PARAMS) == 24 && sizeof(CK_FUNCTION_LIST) == 546,
               "Cryptoki's structures are packed on Windows");

/* The modules loaded so far: as many as there are different paths, for the life of the process. */
typedef struct loaded {
    struct loaded *next;
    char *path;
    tok_library library;
} loaded;
static pthread_mutex_t loaded_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list */
static loaded *loaded_list;

static void file_digest(const wchar_t *path, char hex[65])
{
    uint8_t digest[32];
    LARGE_INTEGER size = {.QuadPart = 0};
    HANDLE mapping = NULL;
    const void *bytes = NULL;

    hex[0] = '\0';
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return;
    if (GetFileSizeEx(file, &size) && size.QuadPart > 0)
        mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    if (mapping != NULL)
        bytes = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    if (bytes != NULL) {
        if (core_sha256(bytes, (size_t)size.QuadPart, NULL, 0, NULL, 0, digest) == ST_OK)
            core_hex(digest, sizeof digest, hex);
        (void)UnmapViewOfFile(bytes);
    }
    if (mapping != NULL)
        (void)CloseHandle(mapping);
    (void)CloseHandle(file);
}

/* Legal for a vendor's shim, but else the sign of a module that was tampered with. */
static void warn_if_elsewhere(const char *path, HMODULE module, const CK_FUNCTION_LIST *f)
{
    HMODULE where = NULL;
    const CK_C_Initialize initialize =
        f->C_Initialize; /* a packed member has no address of its own */
    const wchar_t *function = NULL;
    memcpy(&function, &initialize, sizeof function);
    if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                               GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                           function, &where) &&
        where != module)
        core_log(CORE_LOG_WARNING, "module \"%s\": its functions lie in another library", path);
}

static core_status open_module(const char *path, const wchar_t *wide, HMODULE *out, core_err *err)
{
    DWORD error = ERROR_SUCCESS;
    *out =
        LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (*out != NULL)
        return ST_OK;
    error = GetLastError();
    if (error == ERROR_BAD_EXE_FORMAT)
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": not a 64-bit library; name the vendor's x64 module", path);
    if (error == ERROR_MOD_NOT_FOUND)
        return core_fail(err, ST_MODULE_LOAD,
                         "module \"%s\": a library it needs is neither beside it nor in System32; "
                         "install the vendor's client, or copy the library beside the module",
                         path);
    return core_fail(err, ST_MODULE_LOAD, "module \"%s\": %s; check 'module' in the configuration",
                     path, core_win_error(error).text);
}

static core_status load(const char *path, tok_library *out, core_err *err)
{
    CK_C_GetFunctionList get = NULL;
    HMODULE module = NULL;
    FARPROC symbol = NULL;
    CK_RV rv = CKR_OK;
    core_status st = ST_NO_MEMORY;
    wchar_t *wide = core_wide_path(path);

    if (wide == NULL)
        return core_fail(err, ST_NO_MEMORY, "module \"%s\": out of memory", path);
    st = open_module(path, wide, &module, err);
    if (st != ST_OK)
        goto done;
    symbol = GetProcAddress(module, "C_GetFunctionList");
    if (symbol == NULL) {
        st = core_fail(err, ST_MODULE_LOAD,
                       "module \"%s\": it has no C_GetFunctionList, so it is no PKCS#11 module",
                       path);
        goto done;
    }
    memcpy(&get, &symbol, sizeof get);
    rv = get(&out->f);
    if (rv != CKR_OK || out->f == NULL) {
        out->f = NULL;
        st = core_fail(err, ST_MODULE_LOAD, "module \"%s\": C_GetFunctionList failed with 0x%lx",
                       path, rv);
        goto done;
    }
    warn_if_elsewhere(path, module, out->f);
    file_digest(wide, out->sha256);
    core_log(CORE_LOG_INFO, "module \"%s\" loaded, SHA-256 %s", path, out->sha256);
done:
    core_free(wide);
    return st;
}

core_status tok_library_load(const core_config *config, tok_library *out, core_err *err)
{
    core_status st = ST_OK;
    loaded *known = NULL;
    memset(out, 0, sizeof *out);
    if (config->module_loader == CORE_LOADER_P11KIT)
        return core_fail(err, ST_MODULE_LOAD,
                         "module_loader = p11-kit: there is none on Windows; use auto or direct");
    if (!core_path_absolute(config->module))
        return core_file_check(config->module, CORE_FILE_MODULE, err);
    char *path = core_path_real(config->module);
    if (path == NULL)
        return core_fail(err, ST_MODULE_LOAD, "module \"%s\": no such file", config->module);
    st = core_file_check(path, CORE_FILE_MODULE, err);
    if (st != ST_OK) {
        core_free(path);
        return st;
    }

    pthread_mutex_lock(&loaded_lock);
    for (known = loaded_list; known != NULL && strcmp(known->path, path) != 0;)
        known = known->next;
    if (known == NULL) {
        known = core_calloc(1, sizeof *known);
        st = known != NULL ? load(path, &known->library, err) : ST_NO_MEMORY;
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

CK_RV tok_library_initialize(const tok_library *library, const core_config *config, bool *own,
                             bool *serialize)
{
    /* NSS reads one pointer more than the standard's structure has. */
    struct {
        CK_C_INITIALIZE_ARGS args;
        void *spare[2];
    } init;
    memset(&init, 0, sizeof init);
    init.args.flags = CKF_OS_LOCKING_OK;
    init.args.pReserved = config->init_args;

    CK_RV rv = library->f->C_Initialize(&init);
    if (rv == CKR_CANT_LOCK) {
        *serialize = true;
        init.args.flags = 0;
        rv = library->f->C_Initialize(&init);
    }
    *own = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

CK_RV tok_library_finalize(const tok_library *library)
{
    return library->f->C_Finalize(NULL);
}
