/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths on POSIX systems: who may write a file or a directory in its path, and creation of
 * directories.
 */
#include "core/platform_posix.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

core_status core_fail_errno(core_err *err, const char *path, const char *what, int error)
{
    char reason[96] = "";
    const char *text = strerror_r(error, reason, sizeof reason);
    if (error == ENOENT || error == ENOTDIR)
        return core_fail(err, ST_IO, "%s: no such file; check the path", path);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return core_fail(err, ST_IO, "%s: cannot %s: %s; make room", path, what, text);
    return core_fail(err, ST_IO, "%s: cannot %s: %s; check the path and its permissions", path,
                     what, text);
}

/* ST_OK if root or this user owns the file, and none of the `forbidden` mode bits is set. */
core_status core_check_rights(const struct stat *s, const char *path, mode_t forbidden,
                              core_err *err)
{
    if (s->st_uid != 0 && s->st_uid != geteuid())
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: owned by user %lu, neither root nor the running user %lu; "
                         "chown root '%s'",
                         path, (unsigned long)s->st_uid, (unsigned long)geteuid(), path);
    if ((s->st_mode & forbidden & (S_IWGRP | S_IWOTH)) != 0)
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: group or world may write it (mode %04o); chmod go-w '%s'", path,
                         (unsigned)(s->st_mode & 07777), path);
    if ((s->st_mode & forbidden) != 0)
        return core_fail(err, ST_UNSAFE_FILE, "%s: others may read it (mode %04o); chmod 600 '%s'",
                         path, (unsigned)(s->st_mode & 07777), path);
    return ST_OK;
}

static core_status check_directory(const char *dir, core_err *err)
{
    struct stat s;
    if (stat(dir, &s) != 0)
        return core_fail_errno(err, dir, "examine it", errno);
    return core_check_rights(&s, dir, (s.st_mode & S_ISVTX) != 0 ? 0 : S_IWGRP | S_IWOTH, err);
}

enum { MAX_LINKS = 32 };

/* The state of a walk along a path: `here` is the resolved part ("" is the root), `rest` the
 * remaining part. */
typedef struct path_walk {
    char here[PATH_MAX];
    char rest[PATH_MAX];
    unsigned links;
} path_walk;

static void walk_up(path_walk *walk)
{
    char *slash = strrchr(walk->here, '/');
    if (slash != NULL)
        *slash = '\0';
}

/* Moves the next component from `rest` to `here`; false at the end, or if it does not fit. */
static bool walk_down(path_walk *walk)
{
    const char *name = walk->rest + strspn(walk->rest, "/");
    const size_t length = strcspn(name, "/"), used = strlen(walk->here);
    if (length == 0 || used + length + 2 > sizeof walk->here)
        return false;
    if (length == 2 && memcmp(name, "..", 2) == 0)
        walk_up(walk);
    else if (length != 1 || name[0] != '.') {
        walk->here[used] = '/';
        memcpy(walk->here + used + 1, name, length);
        walk->here[used + 1 + length] = '\0';
    }
    memmove(walk->rest, name + length, strlen(name + length) + 1);
    return true;
}

/* `here` is a symbolic link. Its owner may change its target, so it is checked like a file. */
static core_status walk_link(path_walk *walk, const struct stat *s, core_err *err)
{
    char target[PATH_MAX], rest[PATH_MAX];
    core_status st = core_check_rights(s, walk->here, 0, err);
    if (st != ST_OK)
        return st;
    const ssize_t n = readlink(walk->here, target, sizeof target - 1);
    if (n < 0)
        return core_fail_errno(err, walk->here, "read the link", errno);
    target[n] = '\0';
    const int length = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (++walk->links > MAX_LINKS || length < 0 || length >= (int)sizeof rest)
        return core_fail_errno(err, walk->here, "follow the link", ELOOP);
    memcpy(walk->rest, rest, (size_t)length + 1);
    if (target[0] == '/')
        walk->here[0] = '\0';
    else
        walk_up(walk);
    return ST_OK;
}

/* A relative path begins with the current directory, which is checked too. */
static core_status walk_start(path_walk *walk, const char *path, core_err *err)
{
    char here[PATH_MAX] = "";
    walk->here[0] = '\0';
    walk->links = 0;
    if (!core_path_absolute(path) && getcwd(here, sizeof here) == NULL)
        return core_fail_errno(err, path, "find the current directory", errno);
    const int n = snprintf(walk->rest, sizeof walk->rest, "%s/%s", here, path);
    return n > 0 && n < (int)sizeof walk->rest
               ? ST_OK
               : core_fail(err, ST_UNSAFE_FILE, "%s: its path is too long; shorten it", path);
}

/* Checks every directory and link in the path: an account that may write one of them can replace
 * the file. Checking only the resolved path would miss a link in the middle of a chain. */
core_status core_path_check_above(const char *path, core_err *err)
{
    path_walk walk;
    struct stat s;
    const core_status begun = walk_start(&walk, path, err);
    if (begun != ST_OK)
        return begun;
    for (;;) {
        core_status st = check_directory(walk.here[0] == '\0' ? "/" : walk.here, err);
        if (st != ST_OK || !walk_down(&walk))
            return st;
        if (lstat(walk.here, &s) != 0)
            return core_fail_errno(err, walk.here, "examine it", errno);
        if (S_ISLNK(s.st_mode))
            st = walk_link(&walk, &s, err);
        else if (!S_ISDIR(s.st_mode))
            return ST_OK; /* the file itself, which is checked on its descriptor */
        if (st != ST_OK)
            return st;
    }
}

/* The directory is accessible to its owner only until it has been checked, then readable by all
 * whatever the umask. The files in it have permissions of their own. */
core_status core_directory_create(const char *path, core_err *err)
{
    if (mkdir(path, S_IRWXU) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? core_fail(err, ST_IO,
                               "%s: its parent directory does not exist; make that first", path)
                   : core_fail_errno(err, path, "create the directory", errno);
    core_status st = core_path_check_above(path, err);
    if (st == ST_OK && chmod(path, S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) != 0)
        st = core_fail_errno(err, path, "set its permissions", errno);
    if (st != ST_OK)
        (void)rmdir(path);
    return st;
}

void core_directory_remove(const char *path)
{
    (void)rmdir(path);
}

char *core_path_directory(const char *path)
{
    const char *end = strrchr(path, '/');
    return end == NULL || end == path ? NULL : core_strndup(path, (size_t)(end - path));
}

char *core_path_real(const char *path)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return NULL;
    char *copy = core_strdup(real);
    free(real);
    return copy;
}
