/* SPDX-License-Identifier: Apache-2.0
 *
 * Common functions of the unit tests; see testing.h.
 */
#include "testing.h"

#include <CUnit/Basic.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/memory.h"

static unsigned skipped;
static char directory[256];
static pid_t directory_owner;

void testing_skip(const char *test, const char *reason)
{
    printf("SKIPPED %s: %s\n", test, reason);
    skipped++;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *walk)
{
    (void)s;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_directory(void)
{
    if (directory[0] != '\0' && directory_owner == getpid())
        (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    directory[0] = '\0';
}

const char *testing_dir(void)
{
    const char *base = getenv("TMPDIR");
    if (directory[0] != '\0')
        return directory;
    (void)snprintf(directory, sizeof directory, "%s/p11ekm-test-XXXXXX",
                   base == NULL || base[0] == '\0' ? "/tmp" : base);
    if (mkdtemp(directory) == NULL) {
        directory[0] = '\0';
        return NULL;
    }
    directory_owner = getpid();
    return directory;
}

const char *testing_path(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    const char *dir = testing_dir();
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir == NULL ? "/nonexistent" : dir, name);
    return path;
}

const char *testing_file(const char *name, const char *text, size_t length, unsigned mode)
{
    const char *path = testing_path(name);
    FILE *file = fopen(path, "wb");
    bool done = file != NULL && (length == 0 || fwrite(text, length, 1, file) == 1);
    if (file != NULL && fclose(file) != 0)
        done = false;
    if (done && chmod(path, (mode_t)mode) != 0)
        done = false;
    CU_ASSERT_TRUE(done);
    return path;
}

char *testing_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0, used = 0, n = 0;
    *length = 0;
    if (file == NULL)
        return NULL;
    do {
        char *more = realloc(text, room + 4096 + 1);
        if (more == NULL)
            break;
        text = more;
        room += 4096;
        n = fread(text + used, 1, room - used, file);
        used += n;
    } while (n != 0);
    (void)fclose(file);
    if (text != NULL)
        text[used] = '\0';
    *length = used;
    return text;
}

static unsigned allocations, failing, failed;

static bool hook(size_t size)
{
    (void)size;
    if (++allocations != failing)
        return true;
    failed++;
    return false;
}

void testing_most(_Atomic uint64_t *most, uint64_t value)
{
    uint64_t now = atomic_load(most);
    while (value > now && !atomic_compare_exchange_weak(most, &now, value)) {
    }
}

unsigned testing_fail_allocations(bool (*attempt)(void *context), void *context, unsigned limit,
                                  unsigned tolerated)
{
    unsigned survived = 0;
    for (unsigned i = 1; i <= limit; i++) {
        allocations = 0;
        failed = 0;
        failing = i;
        core_set_alloc_hook(hook);
        const bool done = attempt(context);
        core_set_alloc_hook(NULL);
        if (failed == 0) {
            CU_ASSERT_TRUE(done);
            CU_ASSERT_TRUE(survived <= tolerated);
            return i;
        }
        survived += done;
    }
    CU_FAIL("allocations never ended");
    return limit;
}

static bool wanted(const char *filter, const char *suite, const char *name)
{
    const size_t n = strlen(suite);
    if (filter == NULL)
        return true;
    if (strncmp(filter, suite, n) != 0 || (filter[n] != '\0' && filter[n] != '/'))
        return false;
    return filter[n] == '\0' || name == NULL || strcmp(filter + n + 1, name) == 0;
}

static bool add_suite(const test_suite *suite, const char *filter, unsigned *count)
{
    CU_pSuite added = NULL;
    for (const test_case *c = suite->cases; c->name != NULL; c++) {
        if (!wanted(filter, suite->name, c->name))
            continue;
        if (added == NULL)
            added = CU_add_suite(suite->name, suite->start, suite->stop);
        if (added == NULL || CU_add_test(added, c->name, c->run) == NULL) {
            fprintf(stderr, "%s/%s: CUnit does not take it\n", suite->name, c->name);
            return false;
        }
        (*count)++;
    }
    return true;
}

static int list(const test_suite *const *suites, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (const test_case *c = suites[i]->cases; c->name != NULL; c++)
            printf("%s/%s\n", suites[i]->name, c->name);
    }
    return 0;
}

int testing_main(int argc, char **argv, const test_suite *const *suites, size_t count)
{
    unsigned added = 0;
    bool sound = true;
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list(suites, count);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    for (int a = argc > 1 ? 1 : 0; sound && a < argc; a++) {
        for (size_t i = 0; sound && i < count; i++)
            sound = add_suite(suites[i], a == 0 ? NULL : argv[a], &added);
    }
    if (added == 0)
        fprintf(stderr, "no such test\n");
    CU_basic_set_mode(CU_BRM_VERBOSE);
    sound = sound && added != 0 && CU_basic_run_tests() == CUE_SUCCESS &&
            CU_get_number_of_failures() == 0 && CU_get_number_of_tests_run() != 0;
    printf("%u tests, %u failed, %u skipped\n", CU_get_number_of_tests_run(),
           CU_get_number_of_tests_failed(), skipped);
    CU_cleanup_registry();
    remove_directory();
    return sound ? EXIT_SUCCESS : EXIT_FAILURE;
}
