/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between systems, behind one face: platform_posix.c and platform_windows.c implement
 * it. Mutexes and condition variables are in core/lock.h. Paths are UTF-8.
 */
#ifndef CORE_PLATFORM_H
#define CORE_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "core/memory.h"
#include "core/status.h"
#include "core/text.h"

/* Time that never goes back, in microseconds, for durations; and the wall clock,
 * "2026-01-31T12:00:00.123456Z" (28 bytes with NUL), for records. */
uint64_t core_now_us(void);
void core_utc_text(char out[28]);
/* Today in UTC as a number yyyymmdd, for key validity dates. */
uint32_t core_utc_date(void);
void core_sleep_ms(unsigned milliseconds);
void core_thread_yield(void);

/* The process, for noticing a fork: asked at each entry, so cheap. */
uint32_t core_process_id(void);
/* Whether the process runs with raised privileges (set-user-id, capabilities): the environment is
 * not to be trusted then. */
bool core_process_privileged(void);

/* A variable of the environment, NULL where unset or the process is privileged. */
const char *core_env(const char *name);
/* The default path of the configuration. Static. */
const char *core_default_config_path(void);
/* Whether a path is absolute in the system's own terms. */
bool core_path_absolute(const char *path);

/* What a file must be like before it is believed. Of every kind: owned by root or this user, not
 * writable by others, nor is any directory on the way to it (sticky ones excepted). */
typedef enum core_file_kind {
    CORE_FILE_CONFIG,
    CORE_FILE_SECRET, /* not readable by others either; no symbolic link */
    CORE_FILE_MODULE, /* named by an absolute path */
    CORE_FILE_LOG     /* for core_file_check_as only */
} core_file_kind;

/* Checks the file. Where there is none: ST_CONFIG_MISSING, ST_PIN_SOURCE, ST_MODULE_LOAD; where it
 * cannot be looked at or is not a regular file: ST_IO, or the latter two. ST_UNSAFE_FILE with the
 * path, what is wrong and the command that mends it. */
CORE_MUST_USE core_status core_file_check(const char *path, core_file_kind kind, core_err *err);
/* Reads a whole file of at most `limit` bytes into a new secret buffer, checking the very file that
 * is read (on the open descriptor, no race). A NUL stands behind the last byte. ST_FORMAT: too
 * long. The caller closes *out. */
CORE_MUST_USE core_status core_file_read(const char *path, core_file_kind kind, size_t limit,
                                         core_secret *out, core_err *err);
/* What `missing` or unreadable means for a file of this kind, and what to do where it is missing
 * (platform_file.c). */
core_status core_file_status(core_file_kind kind, bool missing);
const char *core_file_remedy(core_file_kind kind);
/* Checks the directories and links on the way to `path`, not `path` itself where that is a file. */
CORE_MUST_USE core_status core_path_check_above(const char *path, core_err *err);
/* Makes a directory, for all to look into and this user only to write; its parent must be there.
 * Not made where others may write a directory on the way. */
CORE_MUST_USE core_status core_directory_create(const char *path, core_err *err);
/* Takes an empty directory away again. */
void core_directory_remove(const char *path);
/* The directory part of a path, to be released with core_free; NULL where it names none, or memory
 * is out. */
char *core_path_directory(const char *path);
/* Opens for appending, made for this user only where it does not exist; never follows a symbolic
 * link in the last place; refused where others may write it. Unbuffered: one fwrite is one write.
 * NULL on failure. Close with fclose. */
FILE *core_file_append(const char *path, core_err *err);
/* Whether `path` no longer names the open file: it was rotated away or removed. */
bool core_file_moved(FILE *file, const char *path);
/* The length of an open file in bytes; 0 where that cannot be told. */
uint64_t core_file_length(FILE *file);
/* Whether the last line of a file has no end; false where that cannot be told. */
bool core_file_torn(const char *path);
/* Whether something is there: a file, a directory, or what a link leads to. */
bool core_file_there(const char *path);
/* A file to lock, for this user only: made where it is missing, ST_UNSAFE_FILE where others may
 * open it. Then tries to lock it for this process, without waiting; `moved` as core_file_moved. */
#define CORE_NO_LOCK_FILE ((intptr_t)-1)
CORE_MUST_USE core_status core_lock_file_open(const char *path, intptr_t *out, core_err *err);
bool core_lock_file_try(intptr_t file);
void core_lock_file_release(intptr_t file);
bool core_lock_file_moved(intptr_t file, const char *path);
void core_lock_file_close(intptr_t file);
/* Sets `there` to whether something has this name, also a link that leads nowhere. ST_IO where the
 * system does not tell: then nobody may conclude that it is there or that it is not. */
CORE_MUST_USE core_status core_file_look(const char *path, bool *there, core_err *err);
/* ST_OK where nothing has this name; else ST_IO, also where that cannot be told. */
CORE_MUST_USE core_status core_file_absent(const char *path, core_err *err);
/* Writes a new file of this user only (of the group of administrators, where an elevated one of
 * Windows makes it). It appears with all its bytes or not at all. ST_IO where
 * something has the name already, which is left as it is, and where it cannot be written. */
CORE_MUST_USE core_status core_file_create(const char *path, const void *bytes, size_t length,
                                           core_err *err);
/* The same, but takes the place of a file, which the caller has proven to be its own. A link is
 * replaced, not followed. */
CORE_MUST_USE core_status core_file_replace(const char *path, const void *bytes, size_t length,
                                            core_err *err);
/* Who can open a sealed file, as far as sealing goes; its access list decides first. */
typedef enum core_seal_scope {
    CORE_SEAL_MACHINE, /* every account of this machine */
    CORE_SEAL_USER     /* the account that seals it, on this machine */
} core_seal_scope;
/* Writes a new file with a short secret (256 bytes at most), sealed: core_file_read opens it where
 * it is asked for a CORE_FILE_SECRET. ST_NOT_SUPPORTED but on Windows. */
CORE_MUST_USE core_status core_file_create_sealed(const char *path, const void *bytes,
                                                  size_t length, core_seal_scope scope,
                                                  core_err *err);
/* The path with links resolved, to be released with core_free; NULL when there is none. */
char *core_path_real(const char *path);

/* The system's log: syslog with the ident "p11ekm", or the Windows event log. `severity` 0 error,
 * 1 warning, 2 information. */
void core_system_log(int severity, const char *line);

/* Pages for secrets: mapped between guard pages, locked where possible, kept out of dumps. *locked
 * tells whether locking worked. NULL when out of memory. `size` is what was asked for in both. */
void *core_pages_map(size_t size, bool *locked);
void core_pages_unmap(void *pages, size_t size);
/* What an administrator can do so that more pages can be locked. */
const char *core_pages_advice(void);

/* Zeroed memory that a host will free by the system's own means: free() or, on Windows, LocalFree()
 * (ODBC drivers free what a key store gives them). NULL when out of memory. */
void *core_host_alloc(size_t size);
void core_host_free(void *block);

/* Keeps SIGPIPE from killing the host while a token's module runs: blocks it for this thread, and
 * takes back one that arrived. Does nothing on Windows. Use in pairs on one thread. */
typedef struct core_sigpipe {
    uint8_t saved[128];
    bool pending_before;
    bool active;
} core_sigpipe;
/* Whether a SIGPIPE would kill this process: its disposition is the default one. */
bool core_sigpipe_default(void);
void core_sigpipe_block(core_sigpipe *state);
void core_sigpipe_restore(core_sigpipe *state);

#endif
