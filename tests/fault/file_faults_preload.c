/* SPDX-License-Identifier: Apache-2.0
 *
 * file_faults.h as a library for LD_PRELOAD.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fault/file_faults.h"

static char report[256];

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FILE_FAULTS");
    char directory[256], fault[32];
    unsigned long nth = 0;
    const file_fault *f = file_fault_list;

    if (text == NULL ||
        sscanf(text, "%255s %lu %31[^:]: %255s", directory, &nth, fault, report) != 4)
        return;
    while (f->name != NULL && strcmp(f->name, fault) != 0)
        f++;
    file_faults_plan(nth, f->name != NULL ? f : NULL);
    if (!file_faults_start(directory))
        report[0] = '\0'; /* without a report the test sees that no faults were active */
}

__attribute__((destructor)) static void end(void)
{
    FILE *file = report[0] != '\0' ? fopen(report, "w") : NULL;

    if (file == NULL)
        return;
    (void)fprintf(file, "calls=%lu hit=%s\n", file_faults_calls(), file_faults_hit());
    (void)fclose(file);
}
