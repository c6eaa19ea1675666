/* SPDX-License-Identifier: Apache-2.0
 *
 * Files on Windows. A file is checked on its open handle, so the file that is checked is the file
 * that is read. Only disk files are read, and the server of a pipe does not learn our identity.
 */
#include "core/platform_windows_path.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

static const ACCESS_MASK may_read = FILE_READ_DATA | GENERIC_READ;

/* The same with the status for this kind of file. */
static core_status fail_kind(core_err *err, const char *path, core_file_kind kind, const char *what,
                             DWORD error)
{
    const bool missing = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    const core_status st = core_file_status(kind, missing);
    (void)core_fail_windows(err, path, what, error);
    if (missing)
        return core_fail(err, st, "%s: no such file; %s", path, core_file_remedy(kind));
    if (err != NULL)
        err->status = st;
    return st;
}

/* A link of any kind, also a junction. Other reparse points (deduplicated or cloud files) are
 * files. */
static bool is_link(HANDLE file)
{
    FILE_ATTRIBUTE_TAG_INFO info;
    return GetFileInformationByHandleEx(file, FileAttributeTagInfo, &info, sizeof info) &&
           (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
           IsReparseTagNameSurrogate(info.ReparseTag);
}

ACCESS_MASK core_forbidden(core_file_kind kind)
{
    return CORE_MAY_REPLACE | CORE_MAY_WRITE | (kind == CORE_FILE_SECRET ? may_read : 0);
}

static core_status check_open(HANDLE file, const char *path, core_file_kind kind, core_err *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    if (GetFileType(file) != FILE_TYPE_DISK || !GetFileInformationByHandle(file, &info) ||
        (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
        return core_fail(err, core_file_status(kind, false), "%s: not a regular file; name a file",
                         path);
    return core_acl_check(file, path, core_forbidden(kind), err);
}

static core_status open_checked(const char *path, core_file_kind kind, HANDLE *file, core_err *err)
{
    DWORD error = 0;
    core_status st = ST_OK;
    *file = core_open_path(path, FILE_READ_DATA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE,
                           CORE_SHARE_ALL, NULL, OPEN_EXISTING, CORE_OPEN_FLAGS, &error);
    if (*file == INVALID_HANDLE_VALUE)
        return fail_kind(err, path, kind, "open it", error);
    if (is_link(*file)) {
        (void)CloseHandle(*file);
        *file = INVALID_HANDLE_VALUE;
        if (kind == CORE_FILE_SECRET)
            return core_fail(err, ST_UNSAFE_FILE, "%s: a link; name the file itself", path);
        *file =
            core_open_path(path, FILE_READ_DATA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE,
                           CORE_SHARE_ALL, NULL, OPEN_EXISTING,
                           CORE_OPEN_FLAGS & ~(DWORD)FILE_FLAG_OPEN_REPARSE_POINT, &error);
        if (*file == INVALID_HANDLE_VALUE)
            return fail_kind(err, path, kind, "open it", error);
    }
    st = check_open(*file, path, kind, err);
    if (st == ST_OK && kind == CORE_FILE_MODULE && !core_path_absolute(path))
        st = core_fail(err, ST_UNSAFE_FILE, "%s: not an absolute path; name it from the drive on",
                       path);
    if (st == ST_OK)
        st = core_check_above(path, NULL, kind == CORE_FILE_MODULE, err);
    if (st != ST_OK) {
        (void)CloseHandle(*file);
        *file = INVALID_HANDLE_VALUE;
    }
    return st;
}

core_status core_file_check(const char *path, core_file_kind kind, core_err *err)
{
    HANDLE file = INVALID_HANDLE_VALUE;
    const core_status st = open_checked(path, kind, &file, err);
    if (st == ST_OK)
        (void)CloseHandle(file);
    return st;
}

/* Reads until the capacity is full; it is one byte more than the size of the file was. */
static core_status read_all(HANDLE file, const char *path, core_secret *out, core_err *err)
{
    while (out->length < out->capacity) {
        DWORD n = 0;
        if (!ReadFile(file, out->data + out->length, (DWORD)(out->capacity - out->length), &n,
                      NULL))
            return core_fail_windows(err, path, "read it", GetLastError());
        if (n == 0) {
            out->data[out->length] = '\0';
            return ST_OK;
        }
        out->length += n;
    }
    return core_fail(err, ST_IO, "%s: it grew while it was read; try again", path);
}

enum { SEAL_EXTRA = 2048 }; /* bytes that sealing may add */

static core_status too_long(const char *path, size_t limit, core_err *err)
{
    return core_fail(err, ST_FORMAT, "%s: longer than %zu bytes; check that it is the right file",
                     path, limit);
}

/* A secret sealed to a user is opened with the account of the process, not with that of an
 * impersonated client. */
static core_status open_seal(const char *path, core_secret *file, core_err *err)
{
    HANDLE client = NULL;
    if (!core_impersonation_pause(&client))
        return core_fail(
            err, ST_IO, "%s: cannot end the impersonation of a client to open it; report it", path);
    const core_status st = core_seal_open(path, file, err);
    core_impersonation_resume(client);
    return st;
}

core_status core_file_read(const char *path, core_file_kind kind, size_t limit, core_secret *out,
                           core_err *err)
{
    HANDLE file = INVALID_HANDLE_VALUE;
    LARGE_INTEGER size = {.QuadPart = 0};
    size_t capacity = 0;
    *out = (core_secret){0};
    core_status st = open_checked(path, kind, &file, err);
    if (st != ST_OK)
        return st;
    if (!GetFileSizeEx(file, &size)) {
        st = core_fail_windows(err, path, "examine it", GetLastError());
        goto done;
    }
    capacity = limit + (kind == CORE_FILE_SECRET ? SEAL_EXTRA : 0);
    if ((uint64_t)size.QuadPart > capacity) {
        st = too_long(path, limit, err);
        goto done;
    }
    st = core_secret_open(out, (size_t)size.QuadPart + 1);
    if (st != ST_OK) {
        st = core_fail(err, st, "%s: out of memory", path);
        goto done;
    }
    st = read_all(file, path, out, err);
    if (st == ST_OK && kind == CORE_FILE_SECRET && core_seal_marked(out))
        st = open_seal(path, out, err);
    if (st == ST_OK && out->length > limit)
        st = too_long(path, limit, err);
done:
    if (st != ST_OK)
        core_secret_close(out);
    (void)CloseHandle(file);
    return st;
}

/* With FILE_APPEND_DATA and without FILE_WRITE_DATA, Windows appends each write. */
FILE *core_file_append(const char *path, core_err *err)
{
    DWORD error = 0;
    int fd = -1;
    FILE *out = NULL;
    HANDLE file =
        core_open_private(path, CORE_ACL_ACCOUNT,
                          FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE,
                          CORE_SHARE_ALL, OPEN_ALWAYS, &error);
    if (file == INVALID_HANDLE_VALUE) {
        (void)core_fail_windows(err, path, "open it", error);
        return NULL;
    }
    if (is_link(file)) {
        (void)core_fail(err, ST_UNSAFE_FILE, "%s: a link; name the file itself", path);
        goto done;
    }
    if (check_open(file, path, CORE_FILE_CONFIG, err) != ST_OK)
        goto done;
    fd = _open_osfhandle((intptr_t)file, _O_APPEND | _O_BINARY | _O_NOINHERIT);
    out = fd < 0 ? NULL : _fdopen(fd, "ab");
    if (out == NULL)
        (void)core_fail(err, ST_NO_MEMORY, "%s: out of memory", path);
    else
        (void)setvbuf(out, NULL, _IONBF, 0);
done:
    if (out == NULL && fd >= 0)
        (void)_close(fd); /* this also closes the handle */
    else if (out == NULL)
        (void)CloseHandle(file);
    return out;
}

core_status core_lock_file_open(const char *path, intptr_t *out, core_err *err)
{
    DWORD error = 0;
    core_status st = ST_OK;
    HANDLE file = core_open_private(path, CORE_ACL_ACCOUNT, GENERIC_READ | GENERIC_WRITE,
                                    CORE_SHARE_ALL, OPEN_ALWAYS, &error);
    *out = CORE_NO_LOCK_FILE;
    if (file == INVALID_HANDLE_VALUE)
        return core_fail_windows(err, path, "open it", error);
    if (is_link(file))
        st = core_fail(err, ST_UNSAFE_FILE, "%s: a link; remove it", path);
    else
        st = check_open(file, path, CORE_FILE_SECRET, err);
    if (st == ST_OK)
        *out = (intptr_t)file;
    else
        (void)CloseHandle(file);
    return st;
}

bool core_lock_file_try(intptr_t file)
{
    OVERLAPPED from = {.Offset = 0};
    return LockFileEx((HANDLE)file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
                      &from) != 0;
}

void core_lock_file_release(intptr_t file)
{
    OVERLAPPED from = {.Offset = 0};
    (void)UnlockFileEx((HANDLE)file, 0, 1, 0, &from);
}

void core_lock_file_close(intptr_t file)
{
    if (file != CORE_NO_LOCK_FILE)
        (void)CloseHandle((HANDLE)file);
}

bool core_file_moved(FILE *file, const char *path)
{
    return core_lock_file_moved(_get_osfhandle(_fileno(file)), path);
}

bool core_lock_file_moved(intptr_t file, const char *path)
{
    BY_HANDLE_FILE_INFORMATION open_one, named;
    DWORD error = 0;
    HANDLE other = core_open_path(path, FILE_READ_ATTRIBUTES, CORE_SHARE_ALL, NULL, OPEN_EXISTING,
                                  FILE_FLAG_OPEN_REPARSE_POINT, &error);
    if (other == INVALID_HANDLE_VALUE)
        return true;
    const bool known = GetFileInformationByHandle((HANDLE)file, &open_one) &&
                       GetFileInformationByHandle(other, &named);
    (void)CloseHandle(other);
    return !known || open_one.dwVolumeSerialNumber != named.dwVolumeSerialNumber ||
           open_one.nFileIndexHigh != named.nFileIndexHigh ||
           open_one.nFileIndexLow != named.nFileIndexLow;
}

uint64_t core_file_length(FILE *file)
{
    LARGE_INTEGER size = {.QuadPart = 0};
    return GetFileSizeEx((HANDLE)_get_osfhandle(_fileno(file)), &size) ? (uint64_t)size.QuadPart
                                                                       : 0;
}

bool core_file_torn(const char *path)
{
    DWORD error = 0, got = 0;
    LARGE_INTEGER back = {.QuadPart = -1};
    char last = '\n';
    HANDLE file = core_open_path(path, FILE_READ_DATA | SYNCHRONIZE, CORE_SHARE_ALL, NULL,
                                 OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, &error);
    if (file == INVALID_HANDLE_VALUE)
        return false;
    if (!SetFilePointerEx(file, back, NULL, FILE_END) || !ReadFile(file, &last, 1, &got, NULL) ||
        got != 1)
        last = '\n';
    (void)CloseHandle(file);
    return last != '\n';
}
