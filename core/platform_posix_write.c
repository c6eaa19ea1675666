/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates files on POSIX systems. The bytes are written to a temporary file in the same directory,
 * which is renamed when all of them are on the disk. The name therefore never refers to an
 * incomplete file, and an existing file or link of that name is neither written nor followed.
 */
#include "core/platform_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static core_status fail_exists(core_err *err, const char *path)
{
    return core_fail(
        err, ST_IO,
        "%s: exists already and is not overwritten; name another file, or remove it first", path);
}

core_status core_file_look(const char *path, bool *there, core_err *err)
{
    struct stat s;
    *there = lstat(path, &s) == 0;
    return *there || errno == ENOENT || errno == ENOTDIR
               ? ST_OK
               : core_fail_errno(err, path, "examine it", errno);
}

core_status core_file_absent(const char *path, core_err *err)
{
    bool there = false;
    const core_status st = core_file_look(path, &there, err);
    return there ? fail_exists(err, path) : st;
}

/* Returns 0, or the errno of the failure. */
static int write_all(int fd, const uint8_t *p, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(fd, p, length);
        if (n > 0) {
            p += n;
            length -= (size_t)n;
        } else if (n == 0 || errno != EINTR)
            return n == 0 ? ENOSPC : errno;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* Creates the temporary file with mode 0600. Returns 0, or the errno of the failure; then no file
 * remains. */
static int write_temporary(const char *path, const void *bytes, size_t length, char *temporary,
                           size_t size)
{
    const int n = snprintf(temporary, size, "%s.new-XXXXXX", path);
    if (n < 0 || (size_t)n >= size)
        return ENAMETOOLONG;
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write_all(fd, bytes, length);
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error != 0)
        (void)unlink(temporary);
    return error;
}

/* Renames a file unless the name exists (EEXIST). Some file systems have no such rename; a hard
 * link has the same effect there. */
static int rename_to_new(const char *temporary, const char *path)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (link(temporary, path) != 0)
        return errno;
    (void)unlink(temporary);
    return 0;
}

static int rename_over(const char *temporary, const char *path)
{
    return rename(temporary, path) == 0 ? 0 : errno;
}

static core_status write_file(const char *path, const void *bytes, size_t length,
                              int (*give_name)(const char *, const char *), core_err *err)
{
    char temporary[PATH_MAX];
    int error = write_temporary(path, bytes, length, temporary, sizeof temporary);
    if (error == ENOENT || error == ENOTDIR)
        return core_fail(err, ST_IO, "%s: no such directory; make it first", path);
    if (error != 0)
        return core_fail_errno(err, path, "write it", error);
    error = give_name(temporary, path);
    if (error == 0)
        return ST_OK;
    (void)unlink(temporary);
    return error == EEXIST ? fail_exists(err, path) : core_fail_errno(err, path, "write it", error);
}

core_status core_file_create(const char *path, const void *bytes, size_t length, core_err *err)
{
    const core_status st = core_file_absent(path, err);
    return st == ST_OK ? write_file(path, bytes, length, rename_to_new, err) : st;
}

core_status core_file_replace(const char *path, const void *bytes, size_t length, core_err *err)
{
    return write_file(path, bytes, length, rename_over, err);
}
