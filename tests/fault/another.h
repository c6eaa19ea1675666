/* SPDX-License-Identifier: Apache-2.0
 *
 * A second process that uses the token: the test's own program, started with a verb.
 */
#ifndef FAULT_ANOTHER_H
#define FAULT_ANOTHER_H

#include <stdbool.h>

/* Call first in main: true if this process is the one that another_does() started. It has then done
 * its work, and *status is its exit status. */
bool another_is(int argc, char **argv, int *status);
/* "setpin" changes the PIN `from` to `to`; "login" logs in with `from`, which may be wrong (to:
 * NULL). True if the process succeeded. */
bool another_does(const char *verb, const char *from, const char *to);

#endif
