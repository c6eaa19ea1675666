/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests whether two classes of inputs take different times: calls in random order, Welch's t-test
 * without the slowest tenth (as dudect does). |t| above 4.5 is a difference.
 */
#ifndef BENCH_TTEST_H
#define BENCH_TTEST_H

#include <stdbool.h>

enum { TTEST_CALLS_LEAST = 100, TTEST_CALLS_MOST = 1000000 };

/* Allocates memory for `calls` calls of each row; false: out of memory. */
bool ttest_open(unsigned calls);
void ttest_close(void);

/* Prints a row and returns |t|. `call` is timed, `before` (may be NULL) is not. */
double ttest(const char *name, const char *kind, void (*before)(int class),
             void (*call)(int class));

#endif
