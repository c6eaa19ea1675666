/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring: variants of one operation run in slices, by turns, in one process, so that whatever
 * disturbs the machine disturbs all of them; and medians, which a disturbed slice does not move.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VARIANTS_MAX = 4, ROUNDS_MAX = 128, PAIRS_MAX = 20000, THREADS_MAX = 16 };

/* One way to do the operation. `thread` counts from 0. False stops the measurement. */
typedef struct variant {
    const char *name;
    bool (*run)(void *context, unsigned thread);
} variant;

typedef struct result {
    double ops;                   /* per second, median over the rounds */
    double cpu_us;                /* CPU microseconds an operation, of the whole process, median */
    double ratio;                 /* ops against the first variant's in the same round, median */
    double added_us;              /* cpu_us less the first variant's in the same round, median */
    double ratio_low, ratio_high; /* quartiles */
} result;

/* `rounds` times a slice of `slice_s` seconds of each variant, the order turning each round. False
 * when an operation failed. */
bool measure(const variant *variants, size_t count, void *context, unsigned threads,
             unsigned rounds, double slice_s, result *out);

/* The same operation of each variant by turns, one by one in one thread: what differs by
 * microseconds is lost in slices, but not between medians of single operations. */
typedef struct paired {
    double cpu_us;   /* of this thread, median of the operations */
    double added_us; /* less the first variant's */
    double ratio;    /* the first variant's median time against this one's */
} paired;
bool measure_paired(const variant *variants, size_t count, void *context, unsigned pairs,
                    paired *out);

double seconds(void);
/* Sorts. */
double median(double *values, size_t count);

#endif
