/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a module on Windows, where there is no p11-kit: by its full path, and with its own folder
 * and System32 as the only places for the libraries it asks for.
 */
#include <windows.h>
#include <psapi.h>
#include <string.h>
#include "core/crypto.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform_windows.h"
#include "core/text.h"
#include "pkcs11/module/loader_private.h"

/* A module fills and reads these; with another layout every call would go astray. */
_Static_assert(sizeof(CK_ULONG) == 4 && sizeof(CK_ATTRIBUTE) == 16 && sizeof(CK_MECHANISM) == 16 &&
                   sizeof(CK_RSA_PKCS_OAEP_PARAMS) == 24 && sizeof(CK_FUNCTION_LIST) == 546,
               "Cryptoki's structures are packed on Windows");

const tok_manager *const tok_p11kit = NULL;

/* Resolved before it is checked, so that what was checked is what is loaded. */
core_status tok_module_path(const char *given, char **path, core_err *err)
{
    *path = NULL;
    if (!core_path_absolute(given))
        return core_file_check(given, CORE_FILE_MODULE, err);
    *path = core_path_real(given);
    if (*path == NULL)
        return core_fail(err, ST_MODULE_LOAD, "module \"%s\": no such file", given);
    core_status st = core_file_check(*path, CORE_FILE_MODULE, err);
    if (st != ST_OK) {
        core_free(*path);
        *path = NULL;
    }
    return st;
}

static core_status load_library(const char *path, const wchar_t *wide, HMODULE *out, core_err *err)
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

core_status tok_module_open(const char *path, tok_module *out, core_err *err)
{
    HMODULE library = NULL;
    wchar_t *wide = core_wide_path(path);

    out->get = NULL;
    if (wide == NULL)
        return core_fail(err, ST_NO_MEMORY, "module \"%s\": out of memory", path);
    core_status st = load_library(path, wide, &library, err);
    out->handle = library;
    if (st == ST_OK) {
        const FARPROC symbol = GetProcAddress(library, "C_GetFunctionList");
        memcpy(&out->get, &symbol, sizeof out->get);
    }
    core_free(wide);
    return st;
}

void tok_module_home(const char *path, const tok_module *module, CK_C_Initialize function)
{
    HMODULE where = NULL;
    const wchar_t *address = NULL;

    memcpy(&address, &function, sizeof address);
    if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                               GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                           address, &where) &&
        where != module->handle)
        core_log(CORE_LOG_WARNING, "module \"%s\": its functions lie in another library", path);
}

static void digest_of(const wchar_t *path, char hex[65])
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

void tok_module_digest(const char *path, char hex[65])
{
    wchar_t *wide = core_wide_path(path);

    hex[0] = '\0';
    if (wide != NULL)
        digest_of(wide, hex);
    core_free(wide);
}

/* True if the library is a copy of p11ekm: no other library exports this function. */
static bool is_ours(HMODULE library)
{
    return GetProcAddress(library, "p11ekm_cmk_version") != NULL;
}

/* During an upgrade without a restart, SQL Server has the old and the new copy loaded. Where the
 * process cannot be looked at, another copy may be there. */
bool tok_module_shared(void)
{
    enum { MODULES_MAX = 2048 };
    HMODULE self = NULL;
    DWORD size = 0;
    HMODULE *all = core_calloc(MODULES_MAX, sizeof *all);
    bool shared = true;

    if (all != NULL &&
        GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                               GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                           (const wchar_t *)(const void *)&tok_p11kit, &self) &&
        K32EnumProcessModules(GetCurrentProcess(), all, MODULES_MAX * sizeof *all, &size) &&
        size <= MODULES_MAX * sizeof *all) {
        shared = false;
        for (size_t i = 0; i < size / sizeof *all; i++)
            shared |= all[i] != self && is_ours(all[i]);
    }
    core_free(all);
    return shared;
}
