/* SPDX-License-Identifier: Apache-2.0
 *
 * p11accept: what the acceptance kit does outside SQL Server. `drive` calls a provider library
 * directly; `judge` compares what was seen on a server with what the check files expect and writes
 * the reports; `guard` refuses an instance that holds anything but objects of the kit.
 */
#ifndef P11ACC_ACCEPT_H
#define P11ACC_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

enum { ACCEPT_REASON = 1024 };

/* A text file as lines without their ends. */
typedef struct accept_lines {
    char *data;
    char **at; /* ends with NULL */
    size_t count;
} accept_lines;
/* False where the file cannot be read; *out is empty then. Release with accept_lines_free. */
bool accept_lines_read(const char *path, accept_lines *out);
void accept_lines_free(accept_lines *lines);

/* The header of a check file: lines "-- KEY: VALUE" before the first line of T-SQL. */
typedef struct accept_check {
    accept_lines lines;
    const char *id;
    const char *title;
    const char *settles;   /* the assumption, by the manual's number */
    const char *runs;      /* "ekmsql", "windows: REASON" or "server: REASON" */
    const char *otherwise; /* "fail" or "finding" */
} accept_check;
bool accept_check_read(const char *path, accept_check *out);
void accept_check_free(accept_check *check);
/* The value of the index-th header line with this key; NULL behind the last. */
const char *accept_check_value(const accept_check *check, const char *key, size_t index);

typedef enum accept_verdict {
    ACCEPT_PASS,
    ACCEPT_NOTE,            /* nothing is expected; what was seen is recorded */
    ACCEPT_SKIP,            /* did not run; why is said */
    ACCEPT_KNOWN_DIFFERENT, /* what the file lists as known */
    ACCEPT_FINDING,         /* an assumption about SQL Server is wrong */
    ACCEPT_FAIL             /* the product or the machine is not as it must be */
} accept_verdict;
const char *accept_verdict_name(accept_verdict verdict);

/* Compares; `seen` is NULL where there is no file. `why` gets the first expectation that does not
 * hold, or the reason of a skipped check. */
accept_verdict accept_judge(const accept_check *check, const accept_lines *seen,
                            char why[ACCEPT_REASON]);
/* Whether the rows of `seen`, "row<TAB>kind=database<TAB>name=NAME", name objects of the kit only;
 * `why` gets the first other one. False, too, where there is no row "row<TAB>kind=end". */
bool accept_guard(const accept_lines *seen, char why[ACCEPT_REASON]);

/* Judges all check files of a folder and writes report.md and report.json. Returns the exit status:
 * 0 all as assumed, 1 a check failed, 2 findings only, 3 a file could not be read or written. */
int accept_report(const char *checks, const char *seen, const char *out);

/* Drives a provider library (drive.c); argv are the arguments after the word. Exit status 0, 1. */
int accept_drive(int argc, char **argv);

#endif
