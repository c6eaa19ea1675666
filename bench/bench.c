/* SPDX-License-Identifier: Apache-2.0
 *
 * Options and output of the benchmarks.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void tell(bench *b, const char *what, const char *how, ...)
{
    va_list args;
    const char *name;

    if (b->json)
        printf("%s\n  {\"what\": \"%s\", \"variant\": \"%s\"", b->first ? "" : ",", what, how);
    else
        printf("%-36s %-16s", what, how);
    b->first = false;
    va_start(args, how);
    while ((name = va_arg(args, const char *)) != NULL) {
        double value = va_arg(args, double);

        if (b->json)
            printf(", \"%s\": %.4f", name, value);
        else
            printf("  %s %.*f", name, value >= 1000 || value == (double)(long)value ? 0 : 3, value);
    }
    va_end(args);
    printf(b->json ? "}" : "\n");
    (void)fflush(stdout);
}

void tell_skipped(bench *b, const char *what, const char *reason)
{
    if (b->json)
        printf("%s\n  {\"what\": \"%s\", \"skipped\": \"%s\"}", b->first ? "" : ",", what, reason);
    else
        printf("%-36s SKIPPED: %s\n", what, reason);
    b->first = false;
}

bool bench_options(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--json") == 0)
            b->json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && more)
            b->rounds = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--slice") == 0 && more)
            b->slice = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--keys") == 0 && more)
            b->keys_max = strtoul(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && !b->library)
            b->library = argv[i];
        else
            return false;
    }
    return b->library && b->rounds >= 1 && b->rounds <= ROUNDS_MAX && b->slice > 0 &&
           b->keys_max <= 10000;
}
