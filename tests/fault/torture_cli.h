/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture of the command line: the environment in which the verbs run, one run of a verb in a child
 * process with one fault, and the checks after it. torture_cli.c has the verbs and the loop.
 */
#ifndef FAULT_TORTURE_CLI_H
#define FAULT_TORTURE_CLI_H

#include <stdbool.h>
#include "tests/fault/census.h"
#include "tests/fault/file_faults.h"
#include "tests/fault/rv_list.h"
#include "tests/fault/tree.h"

/* What fails in a run: the nth Cryptoki call, allocation or file operation. */
typedef enum fault_kind { FAULT_NONE, FAULT_CALL, FAULT_ALLOCATION, FAULT_FILE } fault_kind;

typedef struct fault {
    fault_kind kind;
    unsigned long nth;
    const rv_entry *rv;
    const file_fault *file;
    char name[96]; /* for messages */
} fault;

/* One run; the child fills it in. */
typedef struct outcome {
    int status;     /* exit status; -1: ended by a signal */
    int signal;     /* that ended it */
    bool returned;  /* the verb returned */
    int code;       /* what the verb returned */
    bool leaked;    /* memory leak reported by a sanitizer */
    bool unchecked; /* the sanitizer's leak check itself failed */
    bool no_faults; /* the machine cannot fail file operations */
    unsigned long calls, allocations, file_calls, violations;
    int fds; /* open file descriptors at the end */
    char hit[64];
    char log[8192]; /* log of Cryptoki calls, if a rule was broken */
    char out[65536], err[4096];
} outcome;

typedef struct verb {
    const char
        *line;    /* the command line; V/ and E/ stand for the output and settings directories */
    bool same;    /* two clean runs print and write the same bytes */
    bool resumes; /* resumes an unfinished output file */
    bool slow;    /* makes RSA keys: fewer runs */
    int status;   /* of a clean run */
    const char *finds; /* a failure may be a finding on stdout that has one of these words */
} verb;

/* torture_env.c */
bool env_make(void); /* prints what is wrong */
const char *env_dir(void);
void env_run(const char *line, const fault *f, outcome *out);
/* Reads the output directory and the token's directory as they are now. */
bool env_take(tree *output, tree *token);
bool env_restore(const tree *output, const tree *token);
/* True if the token's objects are unchanged: logins change other files. */
bool env_token_same(const tree *a, const tree *b);

/* torture_check.c: `before` is the state before the verb, `after` the state after a run without a
 * fault. */
typedef struct state {
    tree output, token;
    census keys;
} state;

typedef struct tally {
    unsigned long runs, refused, healed, failures, crashes, hangs, leaks, lost, distinct, unchecked;
} tally;

extern tally score;
void check_run(const verb *v, const fault *f, const outcome *clean, const state *before,
               const state *after, const outcome *o);

#endif
