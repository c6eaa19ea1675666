/* SPDX-License-Identifier: Apache-2.0
 *
 * File operations that fail by a plan. The kernel passes every file system call of the C library to
 * a handler here (seccomp with SECCOMP_RET_TRAP; other callers are told apart by their address), so
 * nothing has to be wrapped: stdio, SQLite and all that goes through the C library are included.
 * Only operations on files below one directory are counted and failed.
 *
 * Linux on x86_64 only; elsewhere nothing starts. It cannot be switched off in a process: use a
 * child. To run an unmodified program, load this as a library in LD_PRELOAD with
 * FILE_FAULTS="DIRECTORY NTH FAULT: REPORT" in its environment; at its end it appends a line
 * "calls=N hit=NAME" to the file REPORT.
 */
#ifndef FAULT_FILE_FAULTS_H
#define FAULT_FILE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct file_fault {
    const char *name; /* NULL ends the list */
    int error;        /* 0: half of the bytes are moved */
    bool stays;       /* moves half of the bytes, then fails all later writes: a full disk */
    bool telling;     /* part of the short form */
} file_fault;

extern const file_fault file_fault_list[];

/* Counts operations on files below `directory` from now on. False if the system does not support
 * it. */
bool file_faults_start(const char *directory);
/* The nth operation since the start fails so; NULL: none. */
void file_faults_plan(unsigned long nth, const file_fault *fault);
/* Operations on this open descriptor count, too. */
void file_faults_mark(int fd);
/* Operations so far, and the name of the failed one ("" for none). */
unsigned long file_faults_calls(void);
const char *file_faults_hit(void);

#endif
