/* SPDX-License-Identifier: Apache-2.0
 *
 * host.h for Windows. A provider is loaded only if its Authenticode signature is valid, as in SQL
 * Server. The digest is always checked; the chain up to a trusted root is checked if
 * WinVerifyTrust does so (that of Wine does not).
 */
#include "tools/ekmsql/base/host.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <wintrust.h>
#include <softpub.h>

/* Makes the output the same bytes as on other systems. */
__attribute__((constructor)) static void binary_streams(void)
{
    (void)_setmode(_fileno(stdin), _O_BINARY);
    (void)_setmode(_fileno(stdout), _O_BINARY);
    (void)_setmode(_fileno(stderr), _O_BINARY);
    (void)SetConsoleOutputCP(CP_UTF8);
}

/* The caller frees the result; NULL if the text is not UTF-8 or there is no memory. */
static wchar_t *wide(const char *text)
{
    const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *out = units > 0 ? calloc((size_t)units, sizeof *out) : NULL;
    if (out != NULL) {
        (void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, out, units);
    }
    return out;
}

static void explain(DWORD error, char *why, size_t cap)
{
    wchar_t text[200] = L"";
    if (FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                           FORMAT_MESSAGE_MAX_WIDTH_MASK,
                       NULL, error, 0, text, 200, NULL) == 0 ||
        WideCharToMultiByte(CP_UTF8, 0, text, -1, why, (int)cap, NULL, NULL) == 0) {
        snprintf(why, cap, "error 0x%lx", error);
    }
}

static bool signature_holds(const wchar_t *path, char *why, size_t cap)
{
    static const struct {
        LONG code;
        const char *text;
    } causes[] = {
        {TRUST_E_NOSIGNATURE, "it is not signed"},
        {TRUST_E_BAD_DIGEST, "it was changed after it was signed"},
        {TRUST_E_SUBJECT_NOT_TRUSTED, "its signer is not trusted"},
        {CERT_E_UNTRUSTEDROOT, "its signer's root certificate is not in LocalMachine\\Root"},
        {CERT_E_CHAINING, "its signer's certificate chain cannot be built"},
        {CERT_E_EXPIRED, "its signer's certificate has expired and there is no time stamp"},
        {CERT_E_WRONG_USAGE, "its signer's certificate is not for code signing"},
    };
    GUID action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    WINTRUST_FILE_INFO file = {.cbStruct = sizeof file, .pcwszFilePath = path};
    WINTRUST_DATA data = {.cbStruct = sizeof data,
                          .dwUIChoice = WTD_UI_NONE,
                          .fdwRevocationChecks = WTD_REVOKE_NONE,
                          .dwUnionChoice = WTD_CHOICE_FILE,
                          .pFile = &file,
                          .dwStateAction = WTD_STATEACTION_IGNORE,
                          .dwProvFlags = WTD_CACHE_ONLY_URL_RETRIEVAL};
    const LONG result = WinVerifyTrust(INVALID_HANDLE_VALUE, &action, &data);
    if (result == ERROR_SUCCESS) {
        return true;
    }
    snprintf(why, cap, "Authenticode signature: error 0x%08lx", (unsigned long)result);
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        if (causes[i].code == result) {
            snprintf(why, cap, "Authenticode signature: %s", causes[i].text);
        }
    }
    return false;
}

host_lib *host_lib_open(const char *path, char *why, size_t cap)
{
    HMODULE module = NULL;
    wchar_t relative[MAX_PATH], full[MAX_PATH] = L"";
    snprintf(why, cap, "not a path");
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, relative, MAX_PATH) == 0 ||
        GetFullPathNameW(relative, MAX_PATH, full, NULL) == 0) {
        return NULL;
    }
    if (GetFileAttributesW(full) == INVALID_FILE_ATTRIBUTES) {
        explain(GetLastError(), why, cap);
        return NULL;
    }
    if (!signature_holds(full, why, cap)) {
        return NULL;
    }
    module =
        LoadLibraryExW(full, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (module == NULL) {
        explain(GetLastError(), why, cap);
    }
    return (host_lib *)(void *)module;
}

host_function host_lib_symbol(host_lib *lib, const char *name)
{
    host_function function = NULL;
    const FARPROC symbol = GetProcAddress((HMODULE)(void *)lib, name);
    memcpy(&function, &symbol, sizeof function);
    return function;
}

void host_lib_close(host_lib *lib)
{
    (void)FreeLibrary((HMODULE)(void *)lib);
}

static HANDLE open_file(const char *path, DWORD access, DWORD how)
{
    wchar_t *name = wide(path);
    if (name == NULL) {
        return INVALID_HANDLE_VALUE;
    }
    HANDLE file = CreateFileW(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, how, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    free(name);
    return file;
}

bool host_file_read(const char *path, uint8_t **data, size_t *len)
{
    LARGE_INTEGER size = {.QuadPart = 0};
    uint8_t *bytes = NULL;
    DWORD got = 0;
    bool ok = false;
    *data = NULL;
    *len = 0;
    HANDLE file = open_file(path, GENERIC_READ, OPEN_EXISTING);
    if (file == INVALID_HANDLE_VALUE) {
        return false;
    }
    if (!GetFileSizeEx(file, &size) || size.QuadPart >= UINT32_MAX) {
        goto done;
    }
    bytes = malloc((size_t)size.QuadPart + 1);
    if (bytes == NULL || !ReadFile(file, bytes, (DWORD)size.QuadPart, &got, NULL) ||
        got != (DWORD)size.QuadPart) {
        goto done;
    }
    bytes[got] = 0;
    *data = bytes;
    *len = got;
    bytes = NULL;
    ok = true;
done:
    free(bytes);
    (void)CloseHandle(file);
    return ok;
}

static bool replace_file(const char *from, const char *to)
{
    wchar_t *old_name = wide(from), *new_name = wide(to);
    const bool ok =
        old_name != NULL && new_name != NULL &&
        MoveFileExW(old_name, new_name, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) != 0;
    free(old_name);
    free(new_name);
    return ok;
}

bool host_file_write(const char *path, const void *data, size_t len)
{
    bool ok = false;
    DWORD written = 0;
    HANDLE file = INVALID_HANDLE_VALUE;
    size_t cap = strlen(path) + 5;
    char *temporary = len < UINT32_MAX ? malloc(cap) : NULL;
    if (temporary == NULL) {
        return false;
    }
    snprintf(temporary, cap, "%s.new", path);
    file = open_file(temporary, GENERIC_WRITE, CREATE_ALWAYS);
    if (file == INVALID_HANDLE_VALUE) {
        goto done;
    }
    ok = WriteFile(file, data, (DWORD)len, &written, NULL) && written == (DWORD)len &&
         FlushFileBuffers(file);
    (void)CloseHandle(file);
    ok = ok && replace_file(temporary, path);
    if (!ok) {
        host_file_remove(temporary);
    }
done:
    free(temporary);
    return ok;
}

/* A folder needs no sync: the journal of the file system keeps renames in order. */
bool host_file_sync(const char *path)
{
    HANDLE file = open_file(path, GENERIC_WRITE, OPEN_EXISTING);
    if (file == INVALID_HANDLE_VALUE) {
        return false;
    }
    const bool ok = FlushFileBuffers(file) != 0;
    (void)CloseHandle(file);
    return ok;
}

bool host_file_exists(const char *path)
{
    wchar_t *name = wide(path);
    const bool there =
        name == NULL || GetFileAttributesW(name) != INVALID_FILE_ATTRIBUTES ||
        (GetLastError() != ERROR_FILE_NOT_FOUND && GetLastError() != ERROR_PATH_NOT_FOUND);
    free(name);
    return there;
}

void host_file_remove(const char *path)
{
    wchar_t *name = wide(path);
    if (name != NULL) {
        (void)DeleteFileW(name);
    }
    free(name);
}

bool host_dir_make(const char *path)
{
    wchar_t *name = wide(path);
    const bool ok =
        name != NULL && (CreateDirectoryW(name, NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
    free(name);
    return ok;
}

bool host_dir_each(const char *path, void (*visit)(void *context, const char *name), void *context)
{
    WIN32_FIND_DATAW found;
    char name[MAX_PATH * 3];
    HANDLE search = INVALID_HANDLE_VALUE;
    size_t cap = strlen(path) + 3;
    char *pattern = malloc(cap);
    if (pattern == NULL) {
        return false;
    }
    snprintf(pattern, cap, "%s/*", path);
    wchar_t *wide_pattern = wide(pattern);
    free(pattern);
    if (wide_pattern != NULL) {
        search = FindFirstFileW(wide_pattern, &found);
    }
    free(wide_pattern);
    if (search == INVALID_HANDLE_VALUE) {
        return false;
    }
    do {
        if (WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, sizeof name, NULL, NULL) !=
                0 &&
            strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            visit(context, name);
        }
    } while (FindNextFileW(search, &found));
    (void)FindClose(search);
    return true;
}

bool host_is_terminal(FILE *file)
{
    return _isatty(_fileno(file)) != 0;
}

uint64_t host_microseconds(void)
{
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    const uint64_t t = (uint64_t)ticks.QuadPart, f = (uint64_t)frequency.QuadPart;
    return t / f * 1000000 + t % f * 1000000 / f;
}

/* Seconds between 1601, the epoch of Windows, and 1970. */
#define EPOCH_DISTANCE 11644473600LL

int64_t host_unix_time(void)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    const uint64_t ticks = (uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime;
    return (int64_t)(ticks / 10000000) - EPOCH_DISTANCE;
}

void host_time_text(int64_t unix_time, char *out, size_t cap)
{
    const uint64_t ticks = (uint64_t)(unix_time + EPOCH_DISTANCE) * 10000000;
    const FILETIME file_time = {(DWORD)ticks, (DWORD)(ticks >> 32)};
    SYSTEMTIME t;
    if (!FileTimeToSystemTime(&file_time, &t)) {
        snprintf(out, cap, "?");
        return;
    }
    snprintf(out, cap, "%04u-%02u-%02u %02u:%02u:%02u.000", t.wYear, t.wMonth, t.wDay, t.wHour,
             t.wMinute, t.wSecond);
}
