/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether two classes of inputs take different times: calls in random order, Welch's t-test without
 * the slowest tenth (as dudect does). |t| above 4.5 is a difference.
 */
#ifndef BENCH_TTEST_H
#define BENCH_TTEST_H

#include <stdbool.h>

enum { TTEST_CALLS_LEAST = 100, TTEST_CALLS_MOST = 1000000 };

/* Room for that many calls of each row; false when there is none. */
bool ttest_open(unsigned calls);
void ttest_close(void);

/* Prints a row and returns |t|: `call` is timed, `before` (NULL: none) is not. */
double ttest(const char *name, const char *kind, void (*before)(int class),
             void (*call)(int class));

#endif
