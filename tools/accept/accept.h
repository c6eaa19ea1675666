/* SPDX-License-Identifier: Apache-2.0
 *
 * p11accept: the part of the acceptance kit that does not need SQL Server. `drive` calls a
 * provider library directly. `judge` compares the observations made on a server with the
 * expectations of the check files and writes the reports. `guard` refuses an instance that
 * contains objects other than those of the kit.
 */
#ifndef P11ACC_ACCEPT_H
#define P11ACC_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

enum { ACCEPT_REASON = 1024 };

/* The lines of a text file, without line ends. */
typedef struct accept_lines {
    char *data;
    char **at; /* ends with NULL */
    size_t count;
} accept_lines;
/* False, with *out empty, if the file cannot be read. Release with accept_lines_free. */
bool accept_lines_read(const char *path, accept_lines *out);
void accept_lines_free(accept_lines *lines);

/* The header of a check file: lines "-- KEY: VALUE" before the first line of T-SQL. */
typedef struct accept_check {
    accept_lines lines;
    const char *id;
    const char *title;
    const char *settles;   /* the assumption, with its number in the manual */
    const char *runs;      /* "ekmsql", "windows: REASON" or "server: REASON" */
    const char *otherwise; /* "fail" or "finding" */
} accept_check;
bool accept_check_read(const char *path, accept_check *out);
void accept_check_free(accept_check *check);
/* The value of the index-th header line with this key; NULL if there are fewer. */
const char *accept_check_value(const accept_check *check, const char *key, size_t index);

typedef enum accept_verdict {
    ACCEPT_PASS,
    ACCEPT_NOTE,            /* nothing is expected; the observations are recorded */
    ACCEPT_SKIP,            /* did not run; the reason is recorded */
    ACCEPT_KNOWN_DIFFERENT, /* as the check file lists under "known" */
    ACCEPT_FINDING,         /* an assumption about SQL Server is wrong */
    ACCEPT_FAIL             /* an error of the product or of the machine */
} accept_verdict;
const char *accept_verdict_name(accept_verdict verdict);

/* Compares the observations with the expectations of a check. `seen` is NULL if there are none.
 * `why` gets the first expectation that does not hold, or the reason of a skipped check. */
accept_verdict accept_judge(const accept_check *check, const accept_lines *seen,
                            char why[ACCEPT_REASON]);
/* True if the rows of `seen`, "row<TAB>kind=database<TAB>name=NAME", name only objects of the
 * kit; otherwise `why` gets the first other object. False also if there is no row
 * "row<TAB>kind=end". */
bool accept_guard(const accept_lines *seen, char why[ACCEPT_REASON]);

/* Evaluates all check files of a folder and writes report.md and report.json. Returns the exit
 * status: 0 all as assumed, 1 a check failed, 2 findings only, 3 a file could not be read or
 * written. */
int accept_report(const char *checks, const char *seen, const char *out);

/* Calls a provider library (drive.c); argv are the arguments after the word `drive`. Returns the
 * exit status, 0 or 1. */
int accept_drive(int argc, char **argv);

#endif
