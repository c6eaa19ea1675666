/* SPDX-License-Identifier: Apache-2.0
 *
 * Initialization vectors from a buffer of random bytes: one call of the generator costs more than
 * all else that an encryption of a short value needs of us, so it is made for many IVs at a time.
 * The bytes are in locked memory until they are used, are used once, and are wiped then.
 *
 * A child of a fork never gets a byte that its parent may use: the kernel empties the page in the
 * child, and an empty page says that there is no buffer. Where the system offers no such page, and
 * in a child, each call asks the generator.
 */
#include <string.h>
#include <openssl/rand.h>
#include "core/crypto_private.h"
#include "core/lock.h"
#include "core/platform.h"

/* A page of memory. */
typedef struct iv_buffer {
    uint32_t ready; /* 0 in a child of a fork */
    uint32_t left;  /* bytes that were not used yet: the first ones */
    uint8_t bytes[4096 - 2 * sizeof(uint32_t)];
} iv_buffer;

static struct {
    core_lock lock;   /* guards all below, and what is in the page */
    bool tried;       /* to open it */
    core_secret page; /* an iv_buffer; empty: there is none */
} ivs = {.lock = CORE_LOCK_INIT};

static void open_locked(void)
{
    core_secret page;
    ivs.tried = true;
    if (core_secret_open(&page, sizeof(iv_buffer)) != ST_OK)
        return;
    if (!core_pages_wipe_on_fork(page.data, page.capacity)) {
        core_secret_close(&page);
        return;
    }
    ((iv_buffer *)(void *)page.data)->ready = 1;
    ivs.page = page;
}

/* `length` unused bytes, valid and to be wiped while the lock is held; NULL: there is no buffer, or
 * the generator failed. */
static uint8_t *take_locked(OSSL_LIB_CTX *ctx, size_t length)
{
    if (!ivs.tried)
        open_locked();
    iv_buffer *buffer = (iv_buffer *)(void *)ivs.page.data;
    if (buffer == NULL || buffer->ready == 0)
        return NULL;
    if (buffer->left < length) {
        buffer->left = 0;
        if (RAND_priv_bytes_ex(ctx, buffer->bytes, sizeof buffer->bytes, 0) != 1)
            return NULL;
        buffer->left = sizeof buffer->bytes;
    }
    buffer->left -= (uint32_t)length;
    return buffer->bytes + buffer->left;
}

bool core_crypto_iv_take(OSSL_LIB_CTX *ctx, uint8_t *out, size_t length)
{
    core_lock_acquire(&ivs.lock);
    uint8_t *bytes = take_locked(ctx, length);
    if (bytes != NULL) {
        memcpy(out, bytes, length);
        core_wipe(bytes, length);
    }
    core_lock_release(&ivs.lock);
    return bytes != NULL;
}

void core_crypto_iv_close(void)
{
    core_lock_acquire(&ivs.lock);
    core_secret_close(&ivs.page);
    ivs.tried = false;
    core_lock_release(&ivs.lock);
}
