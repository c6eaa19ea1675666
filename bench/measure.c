/* SPDX-License-Identifier: Apache-2.0
 *
 * See measure.h.
 */
#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct slice {
    const variant *what;
    void *context;
    double until;
    atomic_ulong done;
    atomic_bool failed;
} slice;

typedef struct worker {
    slice *of;
    unsigned thread;
    pthread_t id;
} worker;

double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void *work(void *argument)
{
    worker *me = argument;
    slice *s = me->of;
    unsigned long done = 0;

    /* Reads the clock at every eighth operation only, because it is slow compared with an operation
     * of a microsecond. */
    do {
        for (int i = 0; i < 8 && !atomic_load(&s->failed); i++, done++)
            if (!s->what->run(s->context, me->thread))
                atomic_store(&s->failed, true);
    } while (!atomic_load(&s->failed) && seconds() < s->until);
    atomic_fetch_add(&s->done, done);
    return NULL;
}

/* Runs one slice. Sets the operations per second and the CPU microseconds per operation. */
static bool run_slice(const variant *what, void *context, unsigned threads, double length,
                      double *ops, double *cpu_us)
{
    worker workers[THREADS_MAX];
    double start = seconds(), cpu = cpu_seconds(), done;
    slice s = {.what = what, .context = context, .until = start + length};
    unsigned started = 0;

    for (; started < threads; started++) {
        workers[started] = (worker){.of = &s, .thread = started};
        if (pthread_create(&workers[started].id, NULL, work, &workers[started]) != 0) {
            atomic_store(&s.failed, true);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(workers[i].id, NULL);
    done = (double)atomic_load(&s.done);
    *ops = done / (seconds() - start);
    *cpu_us = (cpu_seconds() - cpu) * 1e6 / (done > 0 ? done : 1);
    return !atomic_load(&s.failed);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void summarise(double ops[][ROUNDS_MAX], double cpu[][ROUNDS_MAX], size_t count,
                      unsigned rounds, result *out)
{
    double ratio[ROUNDS_MAX], added[ROUNDS_MAX];

    /* The first variant comes last, because median() sorts its rounds, which the others are
     * compared with. */
    for (size_t v = count; v-- > 0;) {
        for (unsigned r = 0; r < rounds; r++) {
            ratio[r] = ops[v][r] / ops[0][r];
            added[r] = cpu[v][r] - cpu[0][r];
        }
        out[v].ratio = median(ratio, rounds);
        out[v].ratio_low = ratio[rounds / 4];
        out[v].ratio_high = ratio[rounds - 1 - rounds / 4];
        out[v].added_us = median(added, rounds);
        out[v].ops = median(ops[v], rounds);
        out[v].cpu_us = median(cpu[v], rounds);
    }
}

bool measure(const variant *variants, size_t count, void *context, unsigned threads,
             unsigned rounds, double slice_s, result *out)
{
    static double ops[VARIANTS_MAX][ROUNDS_MAX], cpu[VARIANTS_MAX][ROUNDS_MAX];

    memset(out, 0, count * sizeof *out);
    for (unsigned r = 0; r < rounds; r++) {
        for (size_t i = 0; i < count; i++) {
            size_t v = (i + r) % count;
            if (!run_slice(&variants[v], context, threads, slice_s, &ops[v][r], &cpu[v][r]))
                return false;
        }
    }
    summarise(ops, cpu, count, rounds, out);
    return true;
}

static double thread_cpu_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool measure_paired(const variant *variants, size_t count, void *context, unsigned pairs,
                    paired *out)
{
    static double cpu[VARIANTS_MAX][PAIRS_MAX], wall[VARIANTS_MAX][PAIRS_MAX];

    for (unsigned i = 0; i < pairs; i++) {
        for (size_t j = 0; j < count; j++) {
            size_t v = (i + j) % count;
            double wall_start = seconds(), cpu_start = thread_cpu_seconds();

            if (!variants[v].run(context, 0))
                return false;
            cpu[v][i] = thread_cpu_seconds() - cpu_start;
            wall[v][i] = seconds() - wall_start;
        }
    }
    for (size_t v = 0; v < count; v++) {
        out[v].cpu_us = median(cpu[v], pairs) * 1e6;
        out[v].ratio = median(wall[0], pairs) / median(wall[v], pairs);
        out[v].added_us = out[v].cpu_us - out[0].cpu_us;
    }
    return true;
}
