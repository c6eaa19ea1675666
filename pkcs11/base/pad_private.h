/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: PKCS#7 padding in software, for tokens that offer only CBC without padding.
 * The check takes constant time and tells the caller only whether the padding is valid.
 */
#ifndef PKCS11_PAD_PRIVATE_H
#define PKCS11_PAD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends PKCS#7 padding to `length` bytes of data, up to the next multiple of `block` bytes (8 or
 * 16). `data` has a capacity of length + block bytes. Returns the padded length. */
size_t tok_pkcs7_pad(uint8_t *data, size_t length, size_t block);
/* Returns the length of the data without its padding, or SIZE_MAX if the padding is invalid or
 * `length` is not a multiple of `block`. */
size_t tok_pkcs7_unpad(const uint8_t *data, size_t length, size_t block);

#endif
