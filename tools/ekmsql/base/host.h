/* SPDX-License-Identifier: Apache-2.0
 *
 * The only functions of ekmsql that depend on the platform: shared libraries, files that are
 * written so that a crash leaves the old or the new one, folders, the clock and the terminal.
 * host_posix.c and host_windows.c implement them. Paths are UTF-8.
 */
#ifndef EKMSQL_BASE_HOST_H
#define EKMSQL_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct host_lib host_lib;
typedef void (*host_function)(void);

/* Returns NULL, with the reason of the loader in `why`, if the library cannot be loaded. */
host_lib *host_lib_open(const char *path, char *why, size_t cap);
host_function host_lib_symbol(host_lib *lib, const char *name);
void host_lib_close(host_lib *lib);

/* The caller frees *data with free(); a NUL follows the last byte. */
bool host_file_read(const char *path, uint8_t **data, size_t *len);
/* Writes a file completely or not at all: to a temporary file in the same folder, which is
 * synced and renamed; then the folder is synced. Only the owner can read it. */
bool host_file_write(const char *path, const void *data, size_t len);
bool host_file_sync(const char *path);
/* True also if the check fails: a caller that assumes a file is missing would overwrite it. */
bool host_file_exists(const char *path);
void host_file_remove(const char *path);
bool host_dir_make(const char *path);
/* Calls visit for each name in the folder, except "." and "..". */
bool host_dir_each(const char *path, void (*visit)(void *context, const char *name), void *context);

bool host_is_terminal(FILE *file);
uint64_t host_microseconds(void);
int64_t host_unix_time(void);
/* "2026-01-31 12:59:59.000" in UTC. */
void host_time_text(int64_t unix_time, char *out, size_t cap);

#endif
