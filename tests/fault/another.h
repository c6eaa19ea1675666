/* SPDX-License-Identifier: Apache-2.0
 *
 * Another process that uses the token: the test's own program, started anew with a verb.
 */
#ifndef FAULT_ANOTHER_H
#define FAULT_ANOTHER_H

#include <stdbool.h>

/* First thing in main: whether this is that process, which has done what it was started for; its
 * exit status in *status. */
bool another_is(int argc, char **argv, int *status);
/* "setpin", from one PIN to another, or "login" with a PIN, which may be a wrong one (to: NULL).
 * Whether it succeeded. */
bool another_does(const char *verb, const char *from, const char *to);

#endif
