/* SPDX-License-Identifier: Apache-2.0
 *
 * See ttest.h.
 */
#include "bench/ttest.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/crypto.h"

static unsigned calls_a_row;
static double *samples[2];
static size_t counts[2];

bool ttest_open(unsigned calls)
{
    if (calls < TTEST_CALLS_LEAST || calls > TTEST_CALLS_MOST)
        return false;
    calls_a_row = calls;
    for (int c = 0; c < 2; c++)
        samples[c] = calloc(calls, sizeof *samples[c]);
    return samples[0] != NULL && samples[1] != NULL;
}

void ttest_close(void)
{
    free(samples[0]);
    free(samples[1]);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Computes the mean, the variance and the number of the samples of a class up to `limit`. */
static void moments(int class, double limit, double *mean, double *variance, double *number)
{
    double sum = 0;
    double squares = 0;

    *number = 0;
    for (size_t i = 0; i < counts[class]; i++) {
        if (samples[class][i] > limit)
            continue;
        sum += samples[class][i];
        squares += samples[class][i] * samples[class][i];
        *number += 1;
    }
    *mean = sum / *number;
    *variance = squares / *number - *mean * *mean;
}

static double welch(double *difference)
{
    double mean[2];
    double variance[2];
    double number[2];
    size_t total = counts[0] + counts[1];
    double *all = malloc(total * sizeof *all);

    if (all == NULL)
        exit(1);
    memcpy(all, samples[0], counts[0] * sizeof *all);
    memcpy(all + counts[0], samples[1], counts[1] * sizeof *all);
    qsort(all, total, sizeof *all, compare);
    double limit = all[total * 9 / 10];
    free(all);
    for (int c = 0; c < 2; c++)
        moments(c, limit, &mean[c], &variance[c], &number[c]);
    *difference = mean[1] - mean[0];
    return *difference / sqrt(variance[0] / number[0] + variance[1] / number[1]);
}

double ttest(const char *name, const char *kind, void (*before)(int class), void (*call)(int class))
{
    double difference;

    counts[0] = counts[1] = 0;
    for (unsigned i = 0; i < calls_a_row; i++) {
        uint8_t choice;
        if (core_random(&choice, 1) != ST_OK)
            exit(1);
        choice &= 1;
        if (before != NULL)
            before(choice);
        double from = now_ns();
        call(choice);
        samples[choice][counts[choice]++] = now_ns() - from;
    }
    double t = fabs(welch(&difference));
    printf("%-44s %-11s |t| %6.2f, %+.0f ns\n", name, kind, t, difference);
    return t;
}
