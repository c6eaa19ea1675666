/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the benchmarks: access to one token through the provider and through PKCS#11 directly,
 * options, and output.
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
    unsigned long keys_max; /* 0: skip the search for keys */
    bool json;
    bool first; /* no element of the JSON array has been written */
} bench;

/* Parses the command line: [--json] [--rounds N] [--slice SECONDS] [--keys MAX] LIBRARY. False:
 * invalid. */
bool bench_options(bench *b, int argc, char **argv);
/* Prints one line, or one JSON object, with a name and numbers: pairs of (const char *, double)
 * that end with NULL. tell_skipped prints the reason why something cannot be measured. */
void tell(bench *b, const char *what, const char *how, ...);
void tell_skipped(bench *b, const char *what, const char *reason);

bool bench_startup(bench *b);
bool bench_crypt(bench *b);
bool bench_find(bench *b);

#endif
