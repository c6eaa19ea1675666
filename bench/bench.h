/* SPDX-License-Identifier: Apache-2.0
 *
 * What the benchmarks share: the ways to one token, options, and how results are told.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdio.h>
#include "measure.h"
#include "provider.h"
#include "tests/tokens/raw.h"

typedef struct bench {
    provider provider;
    raw_token raw;
    const char *library;
    unsigned rounds;
    double slice;
    unsigned long keys_max; /* 0: no search for keys */
    bool json;
    bool first; /* of the JSON array's elements */
} bench;

/* Reads the command line: [--json] [--rounds N] [--slice SECONDS] [--keys MAX] LIBRARY. */
bool bench_options(bench *b, int argc, char **argv);
/* One line, or one JSON object, of a name and numbers: pairs of (const char *, double) ended by
 * NULL. What cannot be measured is told with its reason. */
void tell(bench *b, const char *what, const char *how, ...);
void tell_skipped(bench *b, const char *what, const char *reason);

bool bench_startup(bench *b);
bool bench_crypt(bench *b);
bool bench_find(bench *b);

#endif
