/* SPDX-License-Identifier: Apache-2.0
 *
 * Performance figures of groups: the throughput of two tokens against one, in alternating slices,
 * and what users notice when one of two is killed every few seconds.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/fault/group.h"

enum { THREADS = 8, ROUNDS = 15, SLICE_MS = 400, OUTAGE_EVERY_MS = 6000, OUTAGE_MS = 2000 };

typedef struct load {
    tok_key *key; /* NULL: the fixture's */
    grp_fixture *fixture;
    atomic_bool over;
    atomic_ulong good, failed, wrong;
    _Atomic uint64_t slowest_us;
} load;

static void *work(void *arg)
{
    load *l = arg;

    while (!atomic_load(&l->over)) {
        core_err err = {0};
        uint64_t from = core_now_us();
        core_status st = grp_decrypt_by(l->fixture, l->key, &err);
        testing_most(&l->slowest_us, core_now_us() - from);
        if (st == ST_OK)
            atomic_fetch_add(&l->good, 1);
        else if (st == ST_FAILURE || st == ST_DECRYPT_FAILED)
            atomic_fetch_add(&l->wrong, 1);
        else if (atomic_fetch_add(&l->failed, 1) < 5)
            fprintf(stderr, "failed: %s\n", err.text);
    }
    return NULL;
}

static bool begin(load *l, pthread_t threads[THREADS])
{
    bool good = true;
    atomic_store(&l->over, false);
    for (size_t i = 0; i < THREADS; i++)
        good = pthread_create(&threads[i], NULL, work, l) == 0 && good;
    return good;
}

static void end(load *l, pthread_t threads[THREADS])
{
    atomic_store(&l->over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* Operations a second in one slice. */
static double slice(grp_fixture *w, tok_key *key)
{
    load l = {.key = key, .fixture = w};
    pthread_t threads[THREADS];
    uint64_t from = core_now_us();

    if (!begin(&l, threads))
        return 0;
    core_sleep_ms(SLICE_MS);
    end(&l, threads);
    return (double)atomic_load(&l.good) * 1e6 / (double)(core_now_us() - from);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool scaling(grp_fixture *w)
{
    double one[ROUNDS], two[ROUNDS], ratio[ROUNDS];
    tok_token *zero = NULL;
    tok_key *key = NULL;

    bool good = tok_token_find(w->ctx, "zero", &zero, NULL) == ST_OK &&
                grp_login(zero, getenv("PIN"), NULL) == ST_OK &&
                tok_key_by_name(zero, "shared", &key, NULL) == ST_OK;
    for (unsigned i = 0; good && i < ROUNDS; i++) {
        one[i] = slice(w, key);
        two[i] = slice(w, w->rsa);
        ratio[i] = two[i] / one[i];
    }
    if (good) {
        qsort(one, ROUNDS, sizeof *one, ascending);
        qsort(two, ROUNDS, sizeof *two, ascending);
        qsort(ratio, ROUNDS, sizeof *ratio, ascending);
        printf("%d threads, decryptions a second: one token %.0f, two in turn %.0f; ratio %.2f "
               "(median of %d pairs of slices; %.2f to %.2f)\n",
               THREADS, one[ROUNDS / 2], two[ROUNDS / 2], ratio[ROUNDS / 2], ROUNDS, ratio[0],
               ratio[ROUNDS - 1]);
    }
    tok_key_release(key);
    if (zero != NULL) {
        tok_token_logout(zero);
        tok_token_release(zero);
    }
    return good;
}

static bool outages(grp_fixture *w, unsigned seconds)
{
    load l = {.fixture = w};
    pthread_t threads[THREADS];
    uint64_t until = core_now_us() + (uint64_t)seconds * 1000000;
    unsigned count = 0;
    long slowest_back = 0;
    bool good = begin(&l, threads);

    while (good && core_now_us() < until) {
        core_sleep_ms(OUTAGE_EVERY_MS - OUTAGE_MS);
        good = grp_setup(count % 2 == 0 ? "unplug-0" : "unplug-1");
        core_sleep_ms(OUTAGE_MS);
        good = good && grp_setup(count % 2 == 0 ? "plug-0" : "plug-1");
        long took = good ? grp_until(w, count % 2 == 0 ? "pair-0" : "pair-1", GRP_BACK_MS) : -1;
        good = took >= 0;
        slowest_back = took > slowest_back ? took : slowest_back;
        count++;
    }
    end(&l, threads);
    unsigned long done = atomic_load(&l.good), failed = atomic_load(&l.failed);
    printf("%u outages: %lu operations, %lu failed (%.4f %%), %lu wrong, the longest took %lu ms; "
           "back at most %ld ms after the token's return\n",
           count, done, failed, 100.0 * (double)failed / (double)(done + failed + 1),
           atomic_load(&l.wrong), (unsigned long)(atomic_load(&l.slowest_us) / 1000), slowest_back);
    return good && failed == 0 && atomic_load(&l.wrong) == 0;
}

int grp_load(unsigned seconds)
{
    grp_fixture w;
    bool good = grp_open(&w, "group_order = round-robin\n") && scaling(&w) && outages(&w, seconds);
    grp_close(&w);
    return good ? 0 : 1;
}
