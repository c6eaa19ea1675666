/* SPDX-License-Identifier: Apache-2.0
 *
 * What the text functions of core share among themselves.
 */
#ifndef CORE_TEXT_PRIVATE_H
#define CORE_TEXT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one character of `length` > 0 bytes at `text`: returns how many bytes it takes and sets
 * *code, or 0 when they are no valid UTF-8. */
size_t core_utf8_decode(const char *text, size_t length, uint32_t *code);
/* Whether a character could end a line or steer a terminal. */
bool core_utf8_unprintable(uint32_t code);
/* The largest length not above `length` that does not cut a character in two, for text that was
 * valid before it was cut there. */
size_t core_utf8_cut(const char *text, size_t length);

#endif
