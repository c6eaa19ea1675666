/* SPDX-License-Identifier: Apache-2.0
 *
 * Files for POSIX systems. A file is checked on the open descriptor, so that what was checked is
 * what is read; it is opened without blocking, so that a FIFO in its place holds nobody up.
 */
#include "core/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static core_status fail_errno(core_err *err, const char *path, const char *what, int error)
{
    char reason[96] = "";
    const char *text = strerror_r(error, reason, sizeof reason);
    if (error == ENOENT || error == ENOTDIR)
        return core_fail(err, ST_NOT_FOUND, "%s: no such file; check the path", path);
    return core_fail(err, ST_IO, "%s: cannot %s: %s; check the path and its rights", path, what,
                     text);
}

/* Owned by root or by this user, and none of the `forbidden` mode bits set. */
static core_status check_rights(const struct stat *s, const char *path, mode_t forbidden,
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

static core_status check_open(int fd, const char *path, core_file_kind kind, struct stat *s,
                              core_err *err)
{
    if (fstat(fd, s) != 0)
        return fail_errno(err, path, "look at it", errno);
    if (!S_ISREG(s->st_mode))
        return core_fail(err, ST_IO, "%s: not a regular file; name a file", path);
    return check_rights(s, path, kind == CORE_FILE_SECRET ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH,
                        err);
}

static core_status check_directory(const char *dir, core_err *err)
{
    struct stat s;
    if (stat(dir, &s) != 0)
        return fail_errno(err, dir, "look at it", errno);
    return check_rights(&s, dir, (s.st_mode & S_ISVTX) != 0 ? 0 : S_IWGRP | S_IWOTH, err);
}

enum { MAX_LINKS = 32 };

/* A walk along a path: `here` is resolved so far ("" is the root), `rest` is to come. */
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

/* Takes the next component from `rest` to `here`; false at the end, or where it does not fit. */
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

/* `here` is a symbolic link: its owner may point it elsewhere, so it is checked as a file is. */
static core_status walk_link(path_walk *walk, const struct stat *s, core_err *err)
{
    char target[PATH_MAX], rest[PATH_MAX];
    core_status st = check_rights(s, walk->here, 0, err);
    if (st != ST_OK)
        return st;
    const ssize_t n = readlink(walk->here, target, sizeof target - 1);
    if (n < 0)
        return fail_errno(err, walk->here, "read the link", errno);
    target[n] = '\0';
    const int length = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (++walk->links > MAX_LINKS || length < 0 || length >= (int)sizeof rest)
        return fail_errno(err, walk->here, "follow the link", ELOOP);
    memcpy(walk->rest, rest, (size_t)length + 1);
    if (target[0] == '/')
        walk->here[0] = '\0';
    else
        walk_up(walk);
    return ST_OK;
}

/* Every directory and link on the way to `path`: who may write one may put another file in the
 * module's place. Resolving the path and looking at the result alone would miss a link in the
 * middle of a chain. */
static core_status check_above(const char *path, core_err *err)
{
    path_walk walk = {.here = ""};
    struct stat s;
    const size_t length = strlen(path);
    if (!core_path_absolute(path) || length >= sizeof walk.rest)
        return core_fail(err, ST_UNSAFE_FILE, "%s: not an absolute path; name it from / on", path);
    memcpy(walk.rest, path, length + 1);
    for (;;) {
        core_status st = check_directory(walk.here[0] == '\0' ? "/" : walk.here, err);
        if (st != ST_OK || !walk_down(&walk))
            return st;
        if (lstat(walk.here, &s) != 0)
            return fail_errno(err, walk.here, "look at it", errno);
        if (S_ISLNK(s.st_mode))
            st = walk_link(&walk, &s, err);
        else if (!S_ISDIR(s.st_mode))
            return ST_OK; /* the file itself, checked on its descriptor */
        if (st != ST_OK)
            return st;
    }
}

static core_status open_checked(const char *path, core_file_kind kind, int *fd, struct stat *s,
                                core_err *err)
{
    const int nofollow = kind == CORE_FILE_SECRET ? O_NOFOLLOW : 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow);
    if (*fd < 0 && errno == ELOOP && nofollow != 0)
        return core_fail(err, ST_UNSAFE_FILE, "%s: a symbolic link; name the file itself", path);
    if (*fd < 0)
        return fail_errno(err, path, "open it", errno);
    core_status st = check_open(*fd, path, kind, s, err);
    if (st == ST_OK && kind == CORE_FILE_MODULE)
        st = check_above(path, err);
    if (st != ST_OK) {
        (void)close(*fd);
        *fd = -1;
    }
    return st;
}

core_status core_file_check(const char *path, core_file_kind kind, core_err *err)
{
    struct stat s;
    int fd = -1;
    const core_status st = open_checked(path, kind, &fd, &s, err);
    if (st == ST_OK)
        (void)close(fd);
    return st;
}

/* Up to the secret's capacity, which is one more than the file's size was. */
static core_status read_all(int fd, const char *path, core_secret *out, core_err *err)
{
    while (out->length < out->capacity) {
        const ssize_t n = read(fd, out->data + out->length, out->capacity - out->length);
        if (n == 0) {
            out->data[out->length] = '\0';
            return ST_OK;
        }
        if (n > 0)
            out->length += (size_t)n;
        else if (errno != EINTR)
            return fail_errno(err, path, "read it", errno);
    }
    return core_fail(err, ST_IO, "%s: it grew while it was read; try again", path);
}

core_status core_file_read(const char *path, core_file_kind kind, size_t limit, core_secret *out,
                           core_err *err)
{
    struct stat s = {.st_size = 0};
    int fd = -1;
    *out = (core_secret){0};
    core_status st = open_checked(path, kind, &fd, &s, err);
    if (st != ST_OK)
        return st;
    if ((uint64_t)s.st_size > limit) {
        st = core_fail(err, ST_FORMAT, "%s: longer than %zu bytes; is it the right file?", path,
                       limit);
        goto done;
    }
    st = core_secret_open(out, (size_t)s.st_size + 1);
    if (st != ST_OK) {
        st = core_fail(err, st, "%s: out of memory", path);
        goto done;
    }
    st = read_all(fd, path, out, err);
done:
    if (st != ST_OK)
        core_secret_close(out);
    (void)close(fd);
    return st;
}

FILE *core_file_append(const char *path, core_err *err)
{
    struct stat s;
    FILE *file = NULL;
    const int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
             S_IRUSR | S_IWUSR);
    if (fd < 0) {
        if (errno == ELOOP)
            (void)core_fail(err, ST_UNSAFE_FILE, "%s: a symbolic link; name the file itself", path);
        else
            (void)fail_errno(err, path, "open it", errno);
        return NULL;
    }
    if (check_open(fd, path, CORE_FILE_CONFIG, &s, err) != ST_OK)
        goto done;
    file = fdopen(fd, "ab");
    if (file == NULL)
        (void)core_fail(err, ST_NO_MEMORY, "%s: out of memory", path);
    else
        (void)setvbuf(file, NULL, _IONBF, 0);
done:
    if (file == NULL)
        (void)close(fd);
    return file;
}

bool core_file_moved(FILE *file, const char *path)
{
    struct stat open_one, named;
    if (fstat(fileno(file), &open_one) != 0 || lstat(path, &named) != 0)
        return true;
    return open_one.st_dev != named.st_dev || open_one.st_ino != named.st_ino;
}

bool core_file_torn(const char *path)
{
    struct stat s;
    char last = '\n';
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (fstat(fd, &s) != 0 || s.st_size == 0 || pread(fd, &last, 1, s.st_size - 1) != 1)
        last = '\n';
    (void)close(fd);
    return last != '\n';
}

core_status core_file_cut(const char *path, size_t length, core_err *err)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0)
        return fail_errno(err, path, "open it", errno);
    const int error = ftruncate(fd, (off_t)length) == 0 ? 0 : errno;
    (void)close(fd);
    return error == 0 ? ST_OK : fail_errno(err, path, "shorten it", error);
}

core_status core_file_create(const char *path, const void *bytes, size_t length, core_err *err)
{
    const uint8_t *p = bytes;
    int error = 0;
    const int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST)
        return core_fail(err, ST_IO, "%s: exists already and is not overwritten; remove it first",
                         path);
    if (fd < 0)
        return fail_errno(err, path, "create it", errno);
    while (length > 0 && error == 0) {
        const ssize_t n = write(fd, p, length);
        if (n > 0) {
            p += n;
            length -= (size_t)n;
        } else if (n == 0 || errno != EINTR)
            error = n == 0 ? ENOSPC : errno;
    }
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0)
        return ST_OK;
    (void)unlink(path); /* half a file is worse than none */
    return fail_errno(err, path, "write it", error);
}

core_status core_file_create_sealed(const char *path, const void *bytes, size_t length,
                                    core_err *err)
{
    (void)bytes;
    (void)length;
    return core_fail(err, ST_NOT_SUPPORTED,
                     "%s: only Windows can seal a file to the machine; here its rights protect it "
                     "(chmod 600)",
                     path);
}

void core_file_share_command(const char *path, core_str *out)
{
    core_str_addf(out, "chgrp mssql '%s' && chmod 640 '%s'", path, path);
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
