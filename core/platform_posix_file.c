/* SPDX-License-Identifier: Apache-2.0
 *
 * Files on POSIX systems. A file is checked on its open descriptor, so the file that is checked is
 * the file that is read. It is opened without blocking, so that a FIFO cannot block the process.
 */
#include "core/platform_account.h"
#include "core/platform_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same with the status for this kind of file. */
static core_status fail_kind(core_err *err, const char *path, core_file_kind kind, const char *what,
                             int error)
{
    const bool missing = error == ENOENT || error == ENOTDIR;
    const core_status st = core_file_status(kind, missing);
    (void)core_fail_errno(err, path, what, error);
    if (missing)
        return core_fail(err, st, "%s: no such file; %s", path, core_file_remedy(kind));
    if (err != NULL)
        err->status = st;
    return st;
}

/* A PIN file, log or audit trail belongs to the account of the service, so `chown root` would lock
 * the service out. */
static core_status check_owner(const struct stat *s, const char *path, core_file_kind kind,
                               core_err *err)
{
    char name[CORE_USER_NAME_SIZE];
    if (s->st_uid == 0 || s->st_uid == geteuid() ||
        (kind != CORE_FILE_SECRET && kind != CORE_FILE_LOG))
        return ST_OK;
    core_user_name(s->st_uid, name);
    return core_fail(err, ST_UNSAFE_FILE,
                     "%s: owned by user %s, neither root nor the running user %lu; run p11ekm as "
                     "that user (sudo -u %s p11ekm ...)%s",
                     path, name, (unsigned long)geteuid(), name,
                     kind == CORE_FILE_SECRET ? ", or give a PIN file of your own by --pin-file"
                                              : "");
}

/* `st_uid` is the owner of the file, often root after a first run of p11ekm as root. The service
 * cannot write it. */
static core_status fail_append(core_err *err, const char *path, int error)
{
    struct stat s;
    char name[CORE_USER_NAME_SIZE];
    if (error == ELOOP)
        return core_fail(err, ST_UNSAFE_FILE, "%s: a symbolic link; name the file itself", path);
    if ((error != EACCES && error != EPERM) || lstat(path, &s) != 0 || s.st_uid == geteuid())
        return core_fail_errno(err, path, "open it", error);
    core_user_name(s.st_uid, name);
    return core_fail(err, ST_IO,
                     "%s: cannot open it: permission denied; it belongs to %s: chown it to the "
                     "account of the service, or remove it",
                     path, name);
}

static core_status check_open(int fd, const char *path, core_file_kind kind, struct stat *s,
                              core_err *err)
{
    if (fstat(fd, s) != 0)
        return core_fail_errno(err, path, "examine it", errno);
    if (!S_ISREG(s->st_mode))
        return core_fail(err, core_file_status(kind, false), "%s: not a regular file; name a file",
                         path);
    core_status st = check_owner(s, path, kind, err);
    if (st != ST_OK)
        return st;
    return core_check_rights(s, path,
                             kind == CORE_FILE_SECRET ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH, err);
}

static core_status open_checked(const char *path, core_file_kind kind, int *fd, struct stat *s,
                                core_err *err)
{
    const int nofollow = kind == CORE_FILE_SECRET ? O_NOFOLLOW : 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow);
    if (*fd < 0 && errno == ELOOP && nofollow != 0)
        return core_fail(err, ST_UNSAFE_FILE, "%s: a symbolic link; name the file itself", path);
    if (*fd < 0)
        return fail_kind(err, path, kind, "open it", errno);
    core_status st = check_open(*fd, path, kind, s, err);
    if (st == ST_OK && kind == CORE_FILE_MODULE && !core_path_absolute(path))
        st = core_fail(err, ST_UNSAFE_FILE, "%s: not an absolute path; name it from / on", path);
    if (st == ST_OK)
        st = core_path_check_above(path, err);
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

/* Reads until the capacity is full; it is one byte more than the size of the file was. */
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
            return core_fail_errno(err, path, "read it", errno);
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
        st = core_fail(err, ST_FORMAT, "%s: longer than %zu bytes; check that it is the right file",
                       path, limit);
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
        (void)fail_append(err, path, errno);
        return NULL;
    }
    if (check_open(fd, path, CORE_FILE_LOG, &s, err) != ST_OK)
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
    return core_lock_file_moved(fileno(file), path);
}

core_status core_lock_file_open(const char *path, intptr_t *out, core_err *err)
{
    struct stat s;
    core_status st = ST_OK;
    const int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                        S_IRUSR | S_IWUSR);
    *out = CORE_NO_LOCK_FILE;
    if (fd < 0)
        return fail_append(err, path, errno);
    if (fstat(fd, &s) == 0)
        st = check_owner(&s, path, CORE_FILE_LOG, err);
    if (st == ST_OK)
        st = check_open(fd, path, CORE_FILE_SECRET, &s, err);
    if (st == ST_OK)
        *out = fd;
    else
        (void)close(fd);
    return st;
}

bool core_lock_file_try(intptr_t file)
{
    int done = 0;
    do
        done = flock((int)file, LOCK_EX | LOCK_NB);
    while (done != 0 && errno == EINTR);
    return done == 0;
}

void core_lock_file_release(intptr_t file)
{
    (void)flock((int)file, LOCK_UN);
}

bool core_lock_file_moved(intptr_t file, const char *path)
{
    struct stat open_one, named;
    if (fstat((int)file, &open_one) != 0 || lstat(path, &named) != 0)
        return true;
    return open_one.st_dev != named.st_dev || open_one.st_ino != named.st_ino;
}

void core_lock_file_close(intptr_t file)
{
    if (file != CORE_NO_LOCK_FILE)
        (void)close((int)file);
}

uint64_t core_file_length(FILE *file)
{
    struct stat s;
    return fstat(fileno(file), &s) == 0 ? (uint64_t)s.st_size : 0;
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

core_status core_file_create_sealed(const char *path, const void *bytes, size_t length,
                                    core_seal_scope scope, core_err *err)
{
    (void)scope;
    (void)bytes;
    (void)length;
    return core_fail(
        err, ST_NOT_SUPPORTED,
        "%s: only Windows can seal a file to the machine; here its permissions protect it "
        "(chmod 600)",
        path);
}

const char *core_file_readers(void)
{
    return "by its owner only";
}

const char *core_service_account(void)
{
    return NULL;
}

void core_file_share_command(const char *path, core_str *out)
{
    core_str_addf(out, "chgrp mssql '%s' && chmod 640 '%s'", path, path);
}
