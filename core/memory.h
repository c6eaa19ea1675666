/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory. All ordinary allocations use these functions, so that tests can make each one fail.
 * Secret buffers are page-locked, excluded from core dumps, between guard pages, and wiped before
 * they are released.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

/* For a function that is seldom called: kept out of its callers, which then have less to save and
 * restore. */
#if defined(__GNUC__)
#define CORE_COLD __attribute__((cold, noinline))
#else
#define CORE_COLD
#endif

/* `count` * `size` zeroed bytes, or NULL (also if the product overflows or is 0). */
void *core_calloc(size_t count, size_t size);
/* Changes the size of a block. New bytes are not zeroed. On NULL the old block is unchanged. */
void *core_realloc(void *block, size_t size);
void core_free(void *block);
/* A copy of a string, or of `length` bytes followed by a NUL; NULL: out of memory. Release with
 * core_free. */
char *core_strdup(const char *text);
char *core_strndup(const char *text, size_t length);

/* For tests: called before each allocation (also of secrets); false makes it fail. NULL removes the
 * hook. Not thread-safe; set it while no other thread allocates. */
void core_set_alloc_hook(bool (*hook)(size_t size));

/* Overwrites with zeros in a way that no compiler removes. NULL or 0 bytes do nothing. */
void core_wipe(void *bytes, size_t length);
/* True if two buffers of `length` bytes are equal. The time depends on `length` only. */
bool core_equal_ct(const void *a, const void *b, size_t length);

/* A secret buffer of `capacity` bytes, of which `length` are in use. A zeroed structure is empty.
 * If the system refuses to lock pages (RLIMIT_MEMLOCK), the memory is used nevertheless, and
 * core_secret_unlocked() counts it for p11ekm doctor. */
typedef struct core_secret {
    uint8_t *data;
    size_t length;
    size_t capacity;
} core_secret;

/* Makes *secret an empty buffer of at least `capacity` bytes (1 to 16 MiB). ST_NO_MEMORY. Release
 * an earlier buffer in *secret first. Each buffer is a separate mapping, so do not open one on a
 * hot path. */
CORE_MUST_USE core_status core_secret_open(core_secret *secret, size_t capacity);
/* The same, with a copy of `length` bytes. */
CORE_MUST_USE core_status core_secret_copy(core_secret *secret, const void *bytes, size_t length);
/* Wipes the bytes and sets the length to 0, but keeps the memory. */
void core_secret_clear(core_secret *secret);
/* Wipes and releases the buffer and zeroes *secret. Allowed on an empty one. */
void core_secret_close(core_secret *secret);
/* The number of secret buffers that the system refused to lock since the process started. */
unsigned core_secret_unlocked(void);
/* Their total size in bytes. */
size_t core_secret_unlocked_bytes(void);

#endif
