/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_ekm: compares the EKM provider with direct PKCS#11 calls on one token in one run.
 *
 *   bench_ekm [--json] [--rounds N] [--slice SECONDS] [--keys MAX] LIBRARY
 *
 * LIBRARY is libp11ekm.so; the environment names the token (scripts/bench sets it up). Compare
 * ratios and CPU time: operations per second depend on the machine and its load.
 */
#include "bench.h"

#include <stdlib.h>
#include "tests/tokens/token_conf.h"

static bool run(bench *b)
{
    bool good;

    if (!bench_startup(b) || !provider_open(&b->provider))
        return false;
    /* The provider has logged in, so the direct session shares that login. */
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

    if (!bench_options(&b, argc, argv)) {
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
