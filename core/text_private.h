/* SPDX-License-Identifier: Apache-2.0
 *
 * Internal text functions of core.
 */
#ifndef CORE_TEXT_PRIVATE_H
#define CORE_TEXT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one character of `length` > 0 bytes at `text`. Returns its number of bytes and sets
 * *code; 0: not valid UTF-8. */
size_t core_utf8_decode(const char *text, size_t length, uint32_t *code);
/* True if a character could end a line or control a terminal. */
bool core_utf8_unprintable(uint32_t code);
/* The largest length up to `length` that does not split a character, for text that was valid before
 * it was truncated there. */
size_t core_utf8_cut(const char *text, size_t length);

#endif
