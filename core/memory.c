/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation with a test hook, and secret buffers on locked pages of the platform.
 */
#include "core/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "core/platform.h"

enum { SECRET_MAX = 16 * 1024 * 1024 };

static bool (*alloc_hook)(size_t size);
static atomic_uint unlocked;
static atomic_size_t unlocked_bytes;

static bool may_allocate(size_t size)
{
    return size != 0 && (alloc_hook == NULL || alloc_hook(size));
}

void *core_calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return may_allocate(count * size) ? calloc(count, size) : NULL;
}

void *core_realloc(void *block, size_t size)
{
    return may_allocate(size) ? realloc(block, size) : NULL;
}

void core_free(void *block)
{
    free(block);
}

char *core_strndup(const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = core_calloc(length + 1, 1);
    if (copy != NULL && length != 0)
        memcpy(copy, text, length);
    return copy;
}

char *core_strdup(const char *text)
{
    return core_strndup(text, strlen(text));
}

void core_set_alloc_hook(bool (*hook)(size_t size))
{
    alloc_hook = hook;
}

bool core_equal_ct(const void *a, const void *b, size_t length)
{
    return length == 0 || CRYPTO_memcmp(a, b, length) == 0;
}

core_status core_secret_open(core_secret *secret, size_t capacity)
{
    *secret = (core_secret){0};
    if (capacity == 0 || capacity > SECRET_MAX || !may_allocate(capacity))
        return ST_NO_MEMORY;
    bool locked = false;
    uint8_t *data = core_pages_map(capacity, &locked);
    if (data == NULL)
        return ST_NO_MEMORY;
    if (!locked) {
        atomic_fetch_add(&unlocked, 1);
        atomic_fetch_add(&unlocked_bytes, capacity);
    }
    secret->data = data;
    secret->capacity = capacity;
    return ST_OK;
}

core_status core_secret_copy(core_secret *secret, const void *bytes, size_t length)
{
    const core_status st = core_secret_open(secret, length == 0 ? 1 : length);
    if (st != ST_OK)
        return st;
    if (length != 0)
        memcpy(secret->data, bytes, length);
    secret->length = length;
    return ST_OK;
}

void core_secret_clear(core_secret *secret)
{
    core_wipe(secret->data, secret->capacity);
    secret->length = 0;
}

void core_secret_close(core_secret *secret)
{
    if (secret->data != NULL) {
        core_secret_clear(secret);
        core_pages_unmap(secret->data, secret->capacity);
    }
    *secret = (core_secret){0};
}

unsigned core_secret_unlocked(void)
{
    return atomic_load(&unlocked);
}

size_t core_secret_unlocked_bytes(void)
{
    return atomic_load(&unlocked_bytes);
}
