/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and creates files on Windows. The bytes of a new file are written to a temporary file in
 * the same directory, which is renamed when all of them are on the disk. The name therefore never
 * refers to an incomplete file, and an existing file or link of that name is neither written nor
 * followed.
 */
#include "core/platform_windows_path.h"

#include <string.h>

HANDLE core_open_private(const char *path, core_acl_maker maker, DWORD access, DWORD share,
                         DWORD how, DWORD *error)
{
    SECURITY_ATTRIBUTES security = {sizeof security, core_acl_new(maker), FALSE};
    *error = ERROR_NOT_ENOUGH_MEMORY;
    if (security.lpSecurityDescriptor == NULL)
        return INVALID_HANDLE_VALUE;
    HANDLE file = core_open_path(path, access, share, &security, how, CORE_OPEN_FLAGS, error);
    (void)LocalFree(security.lpSecurityDescriptor);
    return file;
}

static core_status fail_exists(core_err *err, const char *path)
{
    return core_fail(
        err, ST_IO,
        "%s: exists already and is not overwritten; name another file, or remove it first", path);
}

core_status core_file_look(const char *path, bool *there, core_err *err)
{
    *there = false;
    wchar_t *wide = core_wide_path(path);
    if (wide == NULL)
        return core_fail_windows(err, path, "examine it", ERROR_INVALID_NAME);
    const DWORD attributes = GetFileAttributesW(wide); /* of a link, those of the link itself */
    const DWORD error = GetLastError();
    core_free(wide);
    *there = attributes != INVALID_FILE_ATTRIBUTES;
    return *there || error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND
               ? ST_OK
               : core_fail_windows(err, path, "examine it", error);
}

core_status core_file_absent(const char *path, core_err *err)
{
    bool there = false;
    const core_status st = core_file_look(path, &there, err);
    return there ? fail_exists(err, path) : st;
}

/* Returns ERROR_SUCCESS, or the error of the failure; then no temporary file remains. */
static DWORD write_temporary(const char *temporary, const void *bytes, size_t length)
{
    DWORD error = ERROR_SUCCESS, written = 0;
    HANDLE file = core_open_private(temporary, CORE_ACL_ADMINISTRATORS, GENERIC_WRITE | DELETE, 0,
                                    CREATE_NEW, &error);
    if (file == INVALID_HANDLE_VALUE)
        return error;
    error = ERROR_SUCCESS;
    if (!WriteFile(file, bytes, (DWORD)length, &written, NULL))
        error = GetLastError();
    else if (written != length)
        error = ERROR_DISK_FULL;
    else if (!FlushFileBuffers(file))
        error = GetLastError();
    if (error != ERROR_SUCCESS) {
        FILE_DISPOSITION_INFO remove = {TRUE};
        (void)SetFileInformationByHandle(file, FileDispositionInfo, &remove, sizeof remove);
    }
    (void)CloseHandle(file);
    return error;
}

/* Renames the temporary file; `flags` of MoveFileEx tell whether an existing file may be replaced.
 */
static DWORD give_name(const char *temporary, const char *path, DWORD flags)
{
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    HANDLE client = NULL;
    wchar_t *from = core_wide_path(temporary), *to = core_wide_path(path);
    if (from != NULL && to != NULL && core_impersonation_pause(&client)) {
        error =
            MoveFileExW(from, to, flags | MOVEFILE_WRITE_THROUGH) ? ERROR_SUCCESS : GetLastError();
        if (error != ERROR_SUCCESS)
            (void)DeleteFileW(from);
        core_impersonation_resume(client);
    }
    core_free(from);
    core_free(to);
    return error;
}

static core_status write_file(const char *path, const void *bytes, size_t length, DWORD flags,
                              core_err *err)
{
    core_str temporary = {0};
    if (length > UINT32_MAX)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s: more than 4 GiB to write; split it", path);
    core_str_addf(&temporary, "%s.new-%lx-%llx", path, (unsigned long)core_process_id(),
                  (unsigned long long)core_now_us());
    DWORD error = temporary.failed ? ERROR_NOT_ENOUGH_MEMORY
                                   : write_temporary(core_str_get(&temporary), bytes, length);
    if (error == ERROR_SUCCESS)
        error = give_name(core_str_get(&temporary), path, flags);
    core_str_free(&temporary);
    if (error == ERROR_SUCCESS)
        return ST_OK;
    if (error == ERROR_PATH_NOT_FOUND)
        return core_fail(err, ST_IO, "%s: no such directory; make it first", path);
    return error == ERROR_ALREADY_EXISTS || error == ERROR_FILE_EXISTS
               ? fail_exists(err, path)
               : core_fail_windows(err, path, "write it", error);
}

core_status core_file_create(const char *path, const void *bytes, size_t length, core_err *err)
{
    const core_status st = core_file_absent(path, err);
    return st == ST_OK ? write_file(path, bytes, length, 0, err) : st;
}

core_status core_file_replace(const char *path, const void *bytes, size_t length, core_err *err)
{
    return write_file(path, bytes, length, MOVEFILE_REPLACE_EXISTING, err);
}
