/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_ekm: what the provider costs over Cryptoki itself, on one token, in one run.
 *
 *   bench_ekm [--json] [--rounds N] [--slice SECONDS] [--keys MAX] LIBRARY
 *
 * LIBRARY is libp11ekm.so; the token comes from the environment (scripts/bench sets it up). Ratios
 * and CPU time are what to look at: operations a second belong to the machine and the moment.
 */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "tests/tokens/token_conf.h"

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

static bool read_options(bench *b, int argc, char **argv)
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

static bool run(bench *b)
{
    bool good;

    if (!bench_startup(b) || !provider_open(&b->provider))
        return false;
    /* The provider has logged in; the raw side joins the same login. */
    good = raw_open(&b->raw) && bench_crypt(b);
    good = (b->keys_max == 0 || (b->raw.session && bench_find(b))) && good;
    raw_close(&b->raw, false);
    provider_close(&b->provider);
    return good;
}

int main(int argc, char **argv)
{
    static bench b = {.rounds = 31, .slice = 0.1, .keys_max = 1000, .first = true};
    bool good;

    if (!read_options(&b, argc, argv)) {
        fprintf(stderr,
                "usage: bench_ekm [--json] [--rounds N] [--slice SECONDS] [--keys MAX] LIBRARY\n");
        return 2;
    }
    if (!token_conf_make("drop = destroy\nforeign_login = trust"))
        return EXIT_FAILURE;
    if (b.json)
        printf("[");
    good = run(&b);
    if (b.json)
        printf("\n]\n");
    token_conf_remove();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
