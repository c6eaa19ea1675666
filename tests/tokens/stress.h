/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the parts of stress_ekm: counts of every exported function, and the work with the key
 * store.
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <stdbool.h>

/* stress_calls.c: every call of the 17 exports is counted by its result (the linker's --wrap).
 * Prints one line for each function; returns the number of functions that were never called. */
unsigned stress_calls_print(void);

/* stress_cmk.c: the C API of the key store on the same token. */
bool stress_cmk_key(void); /* makes the column master keys, without the library */
bool stress_cmk_open(void);
void stress_cmk_close(void);
bool stress_cmk_wraps(unsigned round);
bool stress_cmk_signs(unsigned round);
unsigned stress_cmk_print(void);

#endif
