/* SPDX-License-Identifier: Apache-2.0
 *
 * Measurement: variants of one operation run in alternating slices in one process, so that a
 * disturbance of the machine affects all of them. Results are medians, which a single disturbed
 * slice does not change.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VARIANTS_MAX = 4, ROUNDS_MAX = 128, PAIRS_MAX = 20000, THREADS_MAX = 16 };

/* One variant of the operation. `thread` counts from 0. False stops the measurement. */
typedef struct variant {
    const char *name;
    bool (*run)(void *context, unsigned thread);
} variant;

typedef struct result {
    double ops;      /* per second, median of the rounds */
    double cpu_us;   /* CPU microseconds per operation of the whole process, median */
    double ratio;    /* ops divided by that of the first variant in the same round, median */
    double added_us; /* cpu_us minus that of the first variant in the same round, median */
    double ratio_low, ratio_high; /* quartiles */
} result;

/* Runs `rounds` rounds with a slice of `slice_s` seconds of each variant; their order changes with
 * each round. False: an operation failed. */
bool measure(const variant *variants, size_t count, void *context, unsigned threads,
             unsigned rounds, double slice_s, result *out);

/* Runs single operations of the variants in alternation in one thread. Differences of microseconds
 * disappear in slices, but not between medians of single operations. */
typedef struct paired {
    double cpu_us;   /* CPU time of this thread per operation, median */
    double added_us; /* minus that of the first variant */
    double ratio;    /* the median of the first variant divided by this one */
} paired;
bool measure_paired(const variant *variants, size_t count, void *context, unsigned pairs,
                    paired *out);

double seconds(void);
/* Sorts `values`. */
double median(double *values, size_t count);

#endif
