/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows: process, environment, event log and secret pages. Time is in platform_windows_clock.c,
 * files are in platform_windows_file.c, access lists in platform_windows_acl.c, paths and error
 * texts in platform_windows_text.c.
 */
#include "core/platform_windows.h"

#include <stdlib.h>
#include <string.h>
#include "core/lock.h"

uint32_t core_process_id(void)
{
    return GetCurrentProcessId();
}

/* Windows has no set-user-id: the account that starts a process with more rights (a service, an
 * elevated program) also controls its environment. */
bool core_process_privileged(void)
{
    return false;
}

/* Windows keeps the environment in UTF-16, so the UTF-8 form of a value needs static memory. Each
 * different value keeps one entry forever; there are few variables, and hosts do not change them.
 */
enum { ENV_VALUES_MAX = 8, ENV_VALUE = 1024 };

const char *core_env(const char *name)
{
    static core_mutex lock = CORE_MUTEX_INIT; /* guards `values` */
    static char values[ENV_VALUES_MAX][ENV_VALUE];
    wchar_t wide_name[64], wide[ENV_VALUE];
    char value[ENV_VALUE];
    const char *found = NULL;

    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide_name, 64) == 0)
        return NULL;
    const DWORD length = GetEnvironmentVariableW(wide_name, wide, ENV_VALUE);
    if (length == 0 || length >= ENV_VALUE ||
        WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, value, ENV_VALUE, NULL,
                            NULL) == 0)
        return NULL;
    core_mutex_lock(&lock);
    for (size_t i = 0; i < ENV_VALUES_MAX && found == NULL; i++) {
        if (values[i][0] == '\0')
            memcpy(values[i], value, strlen(value) + 1);
        if (strcmp(values[i], value) == 0)
            found = values[i];
    }
    core_mutex_unlock(&lock);
    return found;
}

static char default_config[MAX_PATH * 3];

/* %ProgramData% from the registry of the machine, not from the environment; `\ProgramData` on the
 * system drive if the registry has none. */
static BOOL CALLBACK make_default_config(PINIT_ONCE once, PVOID unused, PVOID *context)
{
    (void)once, (void)unused, (void)context;
    wchar_t folder[MAX_PATH] = L"";
    DWORD size = sizeof folder;
    if (RegGetValueW(HKEY_LOCAL_MACHINE,
                     L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList",
                     L"ProgramData", RRF_RT_REG_SZ, NULL, folder, &size) != ERROR_SUCCESS ||
        folder[0] == L'\0') {
        wchar_t windows[MAX_PATH] = L"C:";
        (void)GetSystemWindowsDirectoryW(windows, MAX_PATH);
        (void)swprintf(folder, MAX_PATH, L"%lc:\\ProgramData", windows[0]);
    }
    char narrow[MAX_PATH * 3 - 32] = "";
    (void)WideCharToMultiByte(CP_UTF8, 0, folder, -1, narrow, sizeof narrow, NULL, NULL);
    (void)snprintf(default_config, sizeof default_config, "%s\\p11ekm\\p11ekm.conf", narrow);
    return TRUE;
}

const char *core_default_config_path(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    (void)InitOnceExecuteOnce(&once, make_default_config, NULL, NULL);
    return default_config;
}

/* scripts/windows/install.ps1 registers the source with a message file of Windows, in which these
 * event ids stand for the plain text. Lines are rare, so the handle is not kept. */
void core_system_log(int severity, const char *line)
{
    static const WORD types[] = {EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE,
                                 EVENTLOG_INFORMATION_TYPE};
    const int row = severity < 0 || severity > 2 ? 2 : severity;
    wchar_t wide[1024];
    const wchar_t *strings[1] = {wide};
    if (MultiByteToWideChar(CP_UTF8, 0, line, -1, wide, 1024) == 0)
        wide[1023] = L'\0'; /* too long: truncated */
    HANDLE source = RegisterEventSourceW(NULL, L"p11ekm");
    if (source == NULL)
        return;
    (void)ReportEventW(source, types[row], 0, (DWORD)row + 1, NULL, 1, 0, strings, NULL);
    (void)DeregisterEventSource(source);
}

/* A reservation: guard page, pages, guard page. The buffer ends at the second guard page (aligned
 * to 16 bytes), so that a write beyond its end is trapped at once. */
enum { PAGE_ALIGN = 16 };

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static size_t page_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

/* Excludes pages from the dumps of Windows Error Reporting (Windows 10, Server 2019 and later). A
 * full dump made by other means still contains them. */
static void exclude_from_dumps(void *pages, size_t size)
{
    typedef HRESULT(WINAPI * exclude_fn)(const void *, DWORD);
    exclude_fn exclude = NULL;
    const HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
    const FARPROC found =
        kernel == NULL ? NULL : GetProcAddress(kernel, "WerRegisterExcludedMemoryBlock");
    memcpy(&exclude, &found, sizeof exclude);
    if (exclude != NULL)
        (void)exclude(pages, (DWORD)size);
}

static void include_in_dumps(void *pages)
{
    typedef HRESULT(WINAPI * include_fn)(const void *);
    include_fn include = NULL;
    const HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
    const FARPROC found =
        kernel == NULL ? NULL : GetProcAddress(kernel, "WerUnregisterExcludedMemoryBlock");
    memcpy(&include, &found, sizeof include);
    if (include != NULL)
        (void)include(pages);
}

void *core_pages_map(size_t size, bool *locked)
{
    const size_t page = page_size();
    const size_t inner = round_up(size, page);
    *locked = false;
    if (size == 0 || inner < size)
        return NULL;
    uint8_t *base = VirtualAlloc(NULL, inner + 2 * page, MEM_RESERVE, PAGE_NOACCESS);
    if (base == NULL)
        return NULL;
    uint8_t *pages = VirtualAlloc(base + page, inner, MEM_COMMIT, PAGE_READWRITE);
    if (pages == NULL) {
        (void)VirtualFree(base, 0, MEM_RELEASE);
        return NULL;
    }
    exclude_from_dumps(pages, inner);
    *locked = VirtualLock(pages, inner) != 0;
    return pages + (inner - round_up(size, PAGE_ALIGN));
}

void core_pages_unmap(void *pages, size_t size)
{
    if (pages == NULL)
        return;
    const size_t page = page_size();
    const size_t inner = round_up(size, page);
    uint8_t *start = (uint8_t *)pages - (inner - round_up(size, PAGE_ALIGN));
    core_wipe(start, inner);
    include_in_dumps(start);
    (void)VirtualFree(start - page, 0, MEM_RELEASE); /* this also unlocks the pages */
}

bool core_pages_wipe_on_fork(void *pages, size_t size)
{
    (void)pages;
    (void)size;
    return true;
}

/* The minimum working set of the process, which the host sets, limits VirtualLock. */
const char *core_pages_advice(void)
{
    return "encrypt the page file (fsutil behavior set EncryptPagingFile 1), or let the service's "
           "account lock pages in memory";
}

void *core_host_alloc(size_t size)
{
    return LocalAlloc(LPTR, size);
}

void core_host_free(void *block)
{
    (void)LocalFree(block);
}

bool core_sigpipe_default(void)
{
    return false;
}

void core_sigpipe_block(core_sigpipe *state)
{
    *state = (core_sigpipe){0};
}

void core_sigpipe_restore(core_sigpipe *state)
{
    state->active = false;
}
