/* SPDX-License-Identifier: Apache-2.0
 *
 * host.h for POSIX systems.
 */
#include "tools/ekmsql/base/host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

host_lib *host_lib_open(const char *path, char *why, size_t cap)
{
    /* RTLD_NOW, so that a library with a missing dependency fails here and not in a call. */
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL) {
        snprintf(why, cap, "%s", dlerror());
    }
    return lib;
}

host_function host_lib_symbol(host_lib *lib, const char *name)
{
    host_function function = NULL;
    void *symbol = dlsym(lib, name);
    /* ISO C has no cast from void * to a function pointer; POSIX promises the same representation.
     */
    memcpy(&function, &symbol, sizeof function);
    return function;
}

void host_lib_close(host_lib *lib)
{
    dlclose(lib);
}

bool host_file_read(const char *path, uint8_t **data, size_t *len)
{
    bool ok = false;
    uint8_t *bytes = NULL;
    *data = NULL;
    *len = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    struct stat st;
    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
        goto done;
    }
    size_t size = (size_t)st.st_size;
    bytes = malloc(size + 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) {
        goto done;
    }
    bytes[size] = 0;
    *data = bytes;
    *len = size;
    bytes = NULL;
    ok = true;
done:
    free(bytes);
    fclose(file);
    return ok;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0;
}

/* Returns -1 if it cannot be opened. */
static int open_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL || slash == path ? strdup(slash == NULL ? "." : "/")
                                                  : strndup(path, (size_t)(slash - path));
    if (folder == NULL) {
        return -1;
    }
    int fd = open(folder, O_RDONLY | O_CLOEXEC);
    free(folder);
    return fd;
}

/* Renames the temporary file `temporary` to `path`. After the rename the file is written; a caller
 * that treated a later failure as "not written" would discard the data that the name now refers
 * to. So everything that can fail is done before. If syncing the folder fails, only a power
 * failure could bring the old file back. */
static bool rename_synced(const char *temporary, const char *path)
{
    int folder = open_folder_of(path);
    if (folder < 0) {
        return false;
    }
    bool ok = rename(temporary, path) == 0;
    if (ok) {
        (void)fsync(folder);
    }
    (void)close(folder);
    return ok;
}

bool host_file_write(const char *path, const void *data, size_t len)
{
    bool ok = false;
    size_t cap = strlen(path) + 5;
    char *temporary = malloc(cap);
    if (temporary == NULL) {
        return false;
    }
    snprintf(temporary, cap, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        goto done;
    }
    ok = write_all(fd, data, len);
    ok = close(fd) == 0 && ok;
    ok = ok && rename_synced(temporary, path);
    if (!ok) {
        unlink(temporary);
    }
done:
    free(temporary);
    return ok;
}

bool host_file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

bool host_file_exists(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void host_file_remove(const char *path)
{
    unlink(path);
}

bool host_dir_make(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool host_dir_each(const char *path, void (*visit)(void *context, const char *name), void *context)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(context, entry->d_name);
        }
    }
    closedir(dir);
    return true;
}

bool host_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

uint64_t host_microseconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t host_unix_time(void)
{
    return (int64_t)time(NULL);
}

void host_time_text(int64_t unix_time, char *out, size_t cap)
{
    time_t t = (time_t)unix_time;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, cap, "%Y-%m-%d %H:%M:%S.000", &tm) == 0) {
        snprintf(out, cap, "?");
    }
}
