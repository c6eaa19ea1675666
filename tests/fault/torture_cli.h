/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture of the command line: the world that the verbs work in, one run of a verb in a child
 * process with one fault, and what must hold after it. torture_cli.c has the verbs and the loop.
 */
#ifndef FAULT_TORTURE_CLI_H
#define FAULT_TORTURE_CLI_H

#include <stdbool.h>
#include "tests/fault/census.h"
#include "tests/fault/file_faults.h"
#include "tests/fault/rv_list.h"
#include "tests/fault/tree.h"

/* What goes wrong in a run: the nth Cryptoki call, allocation or file operation. */
typedef enum fault_kind { FAULT_NONE, FAULT_CALL, FAULT_ALLOCATION, FAULT_FILE } fault_kind;

typedef struct fault {
    fault_kind kind;
    unsigned long nth;
    const rv_entry *rv;
    const file_fault *file;
    char name[96]; /* for a message */
} fault;

/* One run, filled in by the child. */
typedef struct outcome {
    int status;     /* exit status; -1: it did not end by itself */
    int signal;     /* that ended it */
    bool returned;  /* the verb came back */
    int code;       /* what it came back with */
    bool leaked;    /* memory, told by a sanitizer */
    bool unchecked; /* the sanitizer failed in telling */
    bool no_faults; /* the machine cannot fail file operations */
    unsigned long calls, allocations, file_calls, violations;
    int fds; /* open at the end */
    char hit[64];
    char log[8192]; /* of Cryptoki calls, where its rules were broken */
    char out[65536], err[4096];
} outcome;

typedef struct verb {
    const char *line;  /* the command; V/ and E/ are the directories of output and settings */
    bool same;         /* two clean runs print and write the same bytes */
    bool resumes;      /* an unfinished output file is gone on with */
    bool slow;         /* makes RSA keys: fewer runs */
    int status;        /* of a clean run */
    const char *finds; /* a failure may be a finding on stdout that has one of these words */
} verb;

/* torture_world.c */
bool world_make(void); /* says what is wrong */
const char *world_dir(void);
void world_run(const char *line, const fault *f, outcome *out);
/* The directory of output, and the token's, as they are now. */
bool world_take(tree *output, tree *token);
bool world_restore(const tree *output, const tree *token);
/* Whether the token's objects are as they were: logins change other files. */
bool world_token_same(const tree *a, const tree *b);

/* torture_judge.c: `before` is the world as the verb finds it, `after` as a clean run leaves it. */
typedef struct state {
    tree output, token;
    census keys;
} state;

typedef struct tally {
    unsigned long runs, refused, healed, failures, crashes, hangs, leaks, lost, distinct, unchecked;
} tally;

extern tally score;
void judge_run(const verb *v, const fault *f, const outcome *clean, const state *before,
               const state *after, const outcome *o);

#endif
