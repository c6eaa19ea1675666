/* SPDX-License-Identifier: Apache-2.0
 *
 * Wiping. It is a separate file because the platform files use it, and core/memory.c uses them.
 */
#include "core/memory.h"

#include <openssl/crypto.h>

void core_wipe(void *bytes, size_t length)
{
    if (bytes != NULL && length != 0)
        OPENSSL_cleanse(bytes, length);
}
