/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by all unit test programs: a runner for tables of suites, skipped tests that are reported
 * and counted, a temporary directory, and allocation failures.
 *
 *   static const test_case cases[] = {{"does_it", does_it}, {NULL, NULL}};
 *   const test_suite suite = {.name = "thing", .cases = cases};
 *   int main(int argc, char **argv) { return testing_main(argc, argv, suites, count); }
 *
 * Arguments: none runs all; --list lists all; SUITE or SUITE/CASE runs those only.
 */
#ifndef TESTING_H
#define TESTING_H

#include <CUnit/CUnit.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

typedef struct test_suite {
    const char *name;
    const test_case *cases; /* ends with {NULL, NULL} */
    int (*start)(void);     /* may be NULL; 0: success */
    int (*stop)(void);      /* may be NULL; 0: success */
} test_suite;

/* Runs the suites with CUnit's Basic output. Returns the exit status: 1 if a test failed or none
 * was run; else 0. The last line has the number of skipped tests. */
int testing_main(int argc, char **argv, const test_suite *const *suites, size_t count);

/* Ends a test that cannot run here; prints "SKIPPED test: reason" and counts it. */
#define TEST_SKIP(reason)               \
    do {                                \
        testing_skip(__func__, reason); \
        return;                         \
    } while (0)
void testing_skip(const char *test, const char *reason);

/* The sanitizers make mlock a no-op and report leaks in children that end early. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESTING_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TESTING_SANITIZED true
#endif
#endif
#ifndef TESTING_SANITIZED
#define TESTING_SANITIZED false
#endif

/* A directory of this process, mode 0700, removed with its content when testing_main returns; NULL
 * if it cannot be made. testing_path: the path of `name` in it, in one of eight static buffers used
 * in rotation. */
const char *testing_dir(void);
const char *testing_path(const char *name);
/* Writes a file there with these permissions; false (and a CUnit failure) if it cannot. Returns its
 * path as testing_path does. */
const char *testing_file(const char *name, const char *text, size_t length, unsigned mode);
/* Reads a whole file as a string, released with free(); NULL if it cannot. */
char *testing_read(const char *path, size_t *length);

/* Raises *most to `value` if that is more; for many threads. */
void testing_most(_Atomic uint64_t *most, uint64_t value);

/* Calls `attempt` with the 1st, 2nd, 3rd ... allocation failing until it returns true without a
 * failure, at most `limit` times. `attempt` returns true if it succeeded; on failure it must have
 * released everything (the leak sanitizer checks that). Fails the test if an attempt succeeds
 * although an allocation failed more than `tolerated` times. Returns the number of attempts. */
unsigned testing_fail_allocations(bool (*attempt)(void *context), void *context, unsigned limit,
                                  unsigned tolerated);

#endif
