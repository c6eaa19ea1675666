/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths on Windows: how files are opened, who may write a directory in a path, and creation of
 * directories.
 */
#include "core/platform_windows_path.h"

#include <string.h>

core_status core_fail_windows(core_err *err, const char *path, const char *what, DWORD error)
{
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND)
        return core_fail(err, ST_IO, "%s: no such file; check the path", path);
    if (error == ERROR_DISK_FULL || error == ERROR_HANDLE_DISK_FULL)
        return core_fail(err, ST_IO, "%s: cannot %s: %s; make room", path, what,
                         core_win_error(error).text);
    if (error == ERROR_ACCESS_DENIED && !core_account_elevated())
        return core_fail(err, ST_IO,
                         "%s: cannot %s: %s; an administrator needs an elevated prompt, another "
                         "account an entry of its own: icacls \"%s\" shows them",
                         path, what, core_win_error(error).text, path);
    return core_fail(err, ST_IO, "%s: cannot %s: %s; check the path and its permissions", path,
                     what, core_win_error(error).text);
}

/* Opened with the rights of the process: an impersonated client has none to these files. */
HANDLE core_open_path(const char *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *security,
                      DWORD how, DWORD flags, DWORD *error)
{
    HANDLE file = INVALID_HANDLE_VALUE;
    wchar_t *wide = core_wide_path(path);
    *error = ERROR_INVALID_NAME;
    if (wide == NULL)
        return file;
    HANDLE client = NULL;
    *error = ERROR_CANT_OPEN_ANONYMOUS;
    if (core_impersonation_pause(&client)) {
        file = CreateFileW(wide, access, share, security, how, flags, NULL);
        *error = GetLastError();
        core_impersonation_resume(client);
    }
    core_free(wide);
    return file;
}

static core_status check_directory(const char *path, PSID user, ACCESS_MASK forbidden,
                                   core_err *err)
{
    DWORD error = 0;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    HANDLE dir = core_open_path(path, READ_CONTROL, CORE_SHARE_ALL, NULL, OPEN_EXISTING,
                                FILE_FLAG_BACKUP_SEMANTICS, &error);
    if (dir == INVALID_HANDLE_VALUE)
        return core_fail_windows(err, path, "examine it", error);
    core_status st = core_acl_read(dir, path, &descriptor, err);
    if (st == ST_OK)
        st = core_acl_check_descriptor(descriptor, user, path, forbidden, err);
    (void)LocalFree(descriptor);
    (void)CloseHandle(dir);
    return st;
}

/* Checks the directories above `real`. In the directory of the PKCS#11 module (`new_files`) a new
 * file is a risk: the module may load it as a library. In all others only the right to rename or
 * replace a component is; every user may create folders in C:\. */
static core_status check_directories(const char *real, PSID user, bool new_files, core_err *err)
{
    core_status st = ST_OK;
    ACCESS_MASK forbidden = CORE_MAY_REPLACE | FILE_DELETE_CHILD | (new_files ? CORE_MAY_WRITE : 0);
    char *dir = core_strdup(real);
    if (dir == NULL)
        return core_fail(err, ST_NO_MEMORY, "%s: out of memory", real);
    for (char *slash = strrchr(dir, '\\'); slash != NULL && slash > dir + 1 && st == ST_OK;
         slash = strrchr(dir, '\\')) {
        const bool root = slash == dir + 2 && dir[1] == ':';
        slash[root ? 1 : 0] = '\0';
        st = check_directory(dir, user, forbidden, err);
        forbidden = CORE_MAY_REPLACE | FILE_DELETE_CHILD;
        if (root)
            break;
    }
    core_free(dir);
    return st;
}

core_status core_check_above(const char *path, PSID user, bool new_files, core_err *err)
{
    char *real = core_path_real(path);
    if (real == NULL)
        return core_fail_windows(err, path, "resolve it", GetLastError());
    const core_status st = check_directories(real, user, new_files, err);
    core_free(real);
    return st;
}

core_status core_path_check_above(const char *path, core_err *err)
{
    return core_check_above(path, NULL, false, err);
}

/* All users may list it; the files in it have access lists of their own. */
core_status core_directory_create(const char *path, core_err *err)
{
    SECURITY_ATTRIBUTES security = {sizeof security, core_acl_directory(), FALSE};
    wchar_t *wide = core_wide_path(path);
    core_status st = ST_NO_MEMORY;
    if (security.lpSecurityDescriptor == NULL || wide == NULL)
        st = core_fail(err, ST_NO_MEMORY, "%s: out of memory", path);
    else if (CreateDirectoryW(wide, &security))
        st = ST_OK;
    else
        st = core_fail_windows(err, path, "create the directory", GetLastError());
    if (st == ST_OK) {
        st = core_check_above(path, NULL, false, err);
        if (st != ST_OK)
            (void)RemoveDirectoryW(wide);
    }
    core_free(wide);
    if (security.lpSecurityDescriptor != NULL)
        (void)LocalFree(security.lpSecurityDescriptor);
    return st;
}

void core_directory_remove(const char *path)
{
    wchar_t *wide = core_wide_path(path);
    if (wide != NULL)
        (void)RemoveDirectoryW(wide);
    core_free(wide);
}

/* NULL for a file in the root of a drive, which always exists. */
char *core_path_directory(const char *path)
{
    const char *slash = strrchr(path, '/'), *end = strrchr(path, '\\');
    if (end == NULL || (slash != NULL && slash > end))
        end = slash;
    return end == NULL || end == path || end[-1] == ':' ? NULL
                                                        : core_strndup(path, (size_t)(end - path));
}

char *core_path_real(const char *path)
{
    DWORD error = 0;
    char *real = NULL;
    wchar_t *wide = NULL;
    HANDLE file = core_open_path(path, FILE_READ_ATTRIBUTES, CORE_SHARE_ALL, NULL, OPEN_EXISTING,
                                 FILE_FLAG_BACKUP_SEMANTICS, &error);
    if (file == INVALID_HANDLE_VALUE) {
        SetLastError(error);
        return NULL;
    }
    const DWORD units = GetFinalPathNameByHandleW(file, NULL, 0, VOLUME_NAME_DOS);
    wide = units == 0 ? NULL : core_calloc((size_t)units + 1, sizeof *wide);
    if (wide != NULL && GetFinalPathNameByHandleW(file, wide, units, VOLUME_NAME_DOS) != 0)
        real = core_utf8_path(wide);
    error = GetLastError();
    core_free(wide);
    (void)CloseHandle(file);
    SetLastError(error);
    return real;
}
