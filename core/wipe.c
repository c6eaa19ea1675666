/* SPDX-License-Identifier: Apache-2.0
 *
 * Wiping. It is a separate file because the platform files use it, and core/memory.c uses them.
 */
#include "core/memory.h"

#include <string.h>

/* The compiler must assume that another function stands here, so it does not remove the call. The
 * memset of libc writes whole vectors; OPENSSL_cleanse writes 8 bytes at a time. */
static void *(*const volatile wipe_function)(void *, int, size_t) = memset;

void core_wipe(void *bytes, size_t length)
{
    if (bytes != NULL && length != 0)
        (void)wipe_function(bytes, 0, length);
}
