/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: paddings done here, for tokens that do only the raw operation. In constant
 * time: what a padding looks like is known to the caller only as good or bad.
 */
#ifndef PKCS11_PAD_PRIVATE_H
#define PKCS11_PAD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills out[in_len .. ] with PKCS#7 padding to a multiple of `block` (8 or 16). The padded length.
 */
size_t tok_pkcs7_pad(uint8_t *data, size_t length, size_t block);
/* The length without the padding of `length` bytes (a multiple of `block`), or SIZE_MAX where it is
 * bad. */
size_t tok_pkcs7_unpad(const uint8_t *data, size_t length, size_t block);

#endif
