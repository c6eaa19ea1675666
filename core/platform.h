/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions that differ between systems, implemented by platform_posix*.c and
 * platform_windows*.c. Mutexes and condition variables are in core/lock.h. Paths are UTF-8.
 */
#ifndef CORE_PLATFORM_H
#define CORE_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "core/memory.h"
#include "core/status.h"
#include "core/text.h"

/* core_now_us: monotonic time in microseconds, for durations. core_utc_text: the wall clock for
 * records, "2026-01-31T12:00:00.123456Z" (28 bytes with NUL). */
uint64_t core_now_us(void);
void core_utc_text(char out[28]);
/* Today in UTC as a number yyyymmdd, for the validity dates of keys. */
uint32_t core_utc_date(void);
void core_sleep_ms(unsigned milliseconds);
void core_thread_yield(void);

/* The id of the process. Every entry compares it to detect a fork, so it is fast. */
uint32_t core_process_id(void);
/* True if the process has raised privileges (set-user-id, capabilities) and must not trust the
 * environment. */
bool core_process_privileged(void);

/* A variable of the environment; NULL if it is unset or the process is privileged. Static or
 * environment memory. */
const char *core_env(const char *name);
/* The default path of the configuration. Static. */
const char *core_default_config_path(void);
/* True if the path is absolute on this system. */
bool core_path_absolute(const char *path);

/* The requirements for a file before it is used. For every kind: root or this user owns it, other
 * accounts cannot write it, and the same holds for every directory in its path (except sticky
 * ones). */
typedef enum core_file_kind {
    CORE_FILE_CONFIG,
    CORE_FILE_SECRET, /* other accounts cannot read it either; not a symbolic link */
    CORE_FILE_MODULE, /* named by an absolute path */
    CORE_FILE_LOG     /* for core_file_check_as only */
} core_file_kind;

/* Checks a file. It is missing: ST_CONFIG_MISSING, ST_PIN_SOURCE or ST_MODULE_LOAD by its kind. It
 * cannot be examined or is not a regular file: ST_IO, ST_PIN_SOURCE or ST_MODULE_LOAD.
 * ST_UNSAFE_FILE: the text names the path, the defect and the command that corrects it. */
CORE_MUST_USE core_status core_file_check(const char *path, core_file_kind kind, core_err *err);
/* Reads a file of at most `limit` bytes into a new secret buffer, with a NUL after the last byte.
 * The checks are made on the open descriptor, so the file that is checked is the file that is read.
 * ST_FORMAT: too long. The caller closes *out. */
CORE_MUST_USE core_status core_file_read(const char *path, core_file_kind kind, size_t limit,
                                         core_secret *out, core_err *err);
/* The status of a missing or unreadable file of this kind, and the next step for a missing one
 * (platform_file.c). Static. */
core_status core_file_status(core_file_kind kind, bool missing);
const char *core_file_remedy(core_file_kind kind);
/* Checks the directories and links in the path, but not `path` itself if it is a file. */
CORE_MUST_USE core_status core_path_check_above(const char *path, core_err *err);
/* Creates a directory that all users may read and only this user may write; its parent must exist.
 * Fails if other accounts may write a directory in the path. */
CORE_MUST_USE core_status core_directory_create(const char *path, core_err *err);
/* Removes an empty directory. */
void core_directory_remove(const char *path);
/* The directory part of a path; NULL: it has none, or memory is out. Release with core_free. */
char *core_path_directory(const char *path);
/* Opens a file for appending. A new file is accessible to this user only. The last component must
 * not be a symbolic link, and other accounts must not be able to write the file. Unbuffered: one
 * fwrite is one write. NULL on failure. Close with fclose. */
FILE *core_file_append(const char *path, core_err *err);
/* True if `path` no longer names the open file, because it was rotated or removed. */
bool core_file_moved(FILE *file, const char *path);
/* The length of an open file in bytes; 0 if it is not known. */
uint64_t core_file_length(FILE *file);
/* True if the last line of a file has no line end; false if it is not known. */
bool core_file_torn(const char *path);
/* True if the path exists: a file, a directory, or a link with an existing target. */
bool core_file_there(const char *path);
/* A lock file, accessible to this user only. `open` creates it if it is missing; ST_UNSAFE_FILE if
 * other accounts may open it. `try` locks it for this process without waiting. `moved` is as
 * core_file_moved. */
#define CORE_NO_LOCK_FILE ((intptr_t)-1)
CORE_MUST_USE core_status core_lock_file_open(const char *path, intptr_t *out, core_err *err);
bool core_lock_file_try(intptr_t file);
void core_lock_file_release(intptr_t file);
bool core_lock_file_moved(intptr_t file, const char *path);
void core_lock_file_close(intptr_t file);
/* Sets `there` to whether the name exists, also for a link without a target. ST_IO if the system
 * does not tell; the name may then exist or not. */
CORE_MUST_USE core_status core_file_look(const char *path, bool *there, core_err *err);
/* ST_OK if the name does not exist; else ST_IO, also if that is not known. */
CORE_MUST_USE core_status core_file_absent(const char *path, core_err *err);
/* Writes a new file that only this user can access. (An elevated administrator on Windows creates
 * it for the group Administrators.) The file appears complete or not at all. ST_IO: the name
 * exists, and that file is unchanged, or the file cannot be written. */
CORE_MUST_USE core_status core_file_create(const char *path, const void *bytes, size_t length,
                                           core_err *err);
/* The same, but replaces an existing file. The caller has checked that it may be replaced. A link
 * is replaced, not followed. */
CORE_MUST_USE core_status core_file_replace(const char *path, const void *bytes, size_t length,
                                            core_err *err);
/* The accounts that can unseal a sealed file. The access list of the file applies first. */
typedef enum core_seal_scope {
    CORE_SEAL_MACHINE, /* every account of this machine */
    CORE_SEAL_USER     /* the account that seals it, on this machine */
} core_seal_scope;
/* Writes a new file with a sealed secret of at most 256 bytes. core_file_read unseals it for
 * CORE_FILE_SECRET. ST_NOT_SUPPORTED except on Windows. */
CORE_MUST_USE core_status core_file_create_sealed(const char *path, const void *bytes,
                                                  size_t length, core_seal_scope scope,
                                                  core_err *err);
/* The path with links resolved; NULL: it does not exist. Release with core_free. */
char *core_path_real(const char *path);

/* Writes to syslog (ident "p11ekm") or the Windows event log. 0 error, 1 warning, 2 information. */
void core_system_log(int severity, const char *line);

/* Pages for secrets: mapped between guard pages, locked if possible, excluded from dumps. *locked:
 * locking succeeded. NULL: out of memory. `size` is the same number of bytes in both calls.
 * core_pages_unmap wipes the pages. */
void *core_pages_map(size_t size, bool *locked);
void core_pages_unmap(void *pages, size_t size);
/* Such pages read as zeros in the child of a fork. False: not possible. Windows (no fork): true. */
CORE_MUST_USE bool core_pages_wipe_on_fork(void *pages, size_t size);
/* How an administrator can let more pages be locked. Static. */
const char *core_pages_advice(void);

/* Zeroed memory that the host frees with free() or, on Windows, LocalFree(): ODBC drivers free the
 * results of a key store in this way. NULL: out of memory. */
void *core_host_alloc(size_t size);
void core_host_free(void *block);

/* Prevents SIGPIPE from killing the host while a PKCS#11 module runs: `block` blocks it for this
 * thread; `restore` discards one that arrived and restores the mask. Does nothing on Windows. Call
 * both on the same thread. */
typedef struct core_sigpipe {
    bool blocked_before;
    bool pending_before;
    bool active;
} core_sigpipe;
/* True if SIGPIPE would kill this process. */
bool core_sigpipe_default(void);
void core_sigpipe_block(core_sigpipe *state);
void core_sigpipe_restore(core_sigpipe *state);

#endif
