/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: the ordinary kind through one seam (so that tests can fail each allocation), and secret
 * buffers: page-locked, left out of core dumps, between guard pages, wiped before they are
 * released.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"

/* `count` * `size` zeroed bytes, or NULL (also when the product overflows or is 0). */
void *core_calloc(size_t count, size_t size);
/* Grows or shrinks; what is new is not zeroed. NULL leaves the old block as it was. */
void *core_realloc(void *block, size_t size);
void core_free(void *block);
/* A copy of a string, or of `length` bytes with a NUL behind them; NULL when out of memory. */
char *core_strdup(const char *text);
char *core_strndup(const char *text, size_t length);

/* Test seam: called before each allocation (of secrets, too); false makes it fail. NULL: none.
 * Not thread-safe; set it while no other thread allocates. */
void core_set_alloc_hook(bool (*hook)(size_t size));

/* Overwrites with zeros in a way no compiler removes. NULL or 0 bytes do nothing. */
void core_wipe(void *bytes, size_t length);
/* Whether two buffers hold the same bytes, in time that depends on `length` only. */
bool core_equal_ct(const void *a, const void *b, size_t length);

/* A secret: `data` has room for `capacity` bytes, of which `length` are in use. Zeroed means empty.
 * Where the system refuses to lock pages (RLIMIT_MEMLOCK) the memory is used all the same, and
 * core_secret_unlocked() counts it for p11ekm doctor. */
typedef struct core_secret {
    uint8_t *data;
    size_t length;
    size_t capacity;
} core_secret;

/* Makes *secret an empty buffer of at least `capacity` (1 to 16 MiB) bytes. ST_NO_MEMORY. A buffer
 * it held before must have been released. A mapping of its own each: not for hot paths. */
CORE_MUST_USE core_status core_secret_open(core_secret *secret, size_t capacity);
/* The same, with a copy of `length` bytes in it. */
CORE_MUST_USE core_status core_secret_copy(core_secret *secret, const void *bytes, size_t length);
/* Wipes and empties it, but keeps the memory. */
void core_secret_clear(core_secret *secret);
/* Wipes and releases; *secret is zeroed. Safe on an empty one. */
void core_secret_close(core_secret *secret);
/* How many secret buffers the system refused to lock since the process started. */
unsigned core_secret_unlocked(void);
/* The bytes in them. */
size_t core_secret_unlocked_bytes(void);

#endif
