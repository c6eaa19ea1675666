/* SPDX-License-Identifier: Apache-2.0
 *
 * File operations that fail by a plan. The kernel hands every file system call of the C library to
 * a handler here (seccomp with SECCOMP_RET_TRAP, told from other callers by the address it comes
 * from), so that nothing has to be wrapped: stdio, SQLite and what else goes through the C library
 * are seen as well. Counted and failed are only operations on files below one directory.
 *
 * For Linux on x86_64; elsewhere nothing starts. There is no way back in a process: use a child. A
 * program that is not ours to change is run with this as a library in LD_PRELOAD and
 * FILE_FAULTS="DIRECTORY NTH FAULT: REPORT" in its environment; the REPORT file gets a line
 * "calls=N hit=NAME" at its end.
 */
#ifndef FAULT_FILE_FAULTS_H
#define FAULT_FILE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct file_fault {
    const char *name; /* NULL ends the list */
    int error;        /* 0: half of the bytes are moved */
    bool stays;       /* half of the bytes, and then the error, for all that follows: a full disk */
    bool telling;     /* part of the short form */
} file_fault;

extern const file_fault file_fault_list[];

/* Counts operations on files below `directory` from now on. False where the system cannot. */
bool file_faults_start(const char *directory);
/* The nth operation from the start on fails so; NULL: none does. */
void file_faults_plan(unsigned long nth, const file_fault *fault);
/* An open descriptor counts as one of these files. */
void file_faults_mark(int fd);
/* Operations so far, and the name of the one that was hit ("" where none was). */
unsigned long file_faults_calls(void);
const char *file_faults_hit(void);

#endif
