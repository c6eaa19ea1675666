/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocation hook and secrets: locked, excluded from dumps, between guard pages, wiped.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/memory.h"
#include "test_core.h"

static void allocations(void)
{
    CU_ASSERT_PTR_NULL(core_calloc(0, 8));
    CU_ASSERT_PTR_NULL(core_calloc(SIZE_MAX / 2, 3));
    char *text = core_strndup("abc", 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "ab");
    text = core_realloc(text, 100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "ab");
    core_free(text);
    core_free(NULL);
}

static bool never(size_t size)
{
    (void)size;
    return false;
}

static void the_hook_fails_all(void)
{
    core_secret secret;
    core_set_alloc_hook(never);
    CU_ASSERT_PTR_NULL(core_calloc(1, 1));
    CU_ASSERT_PTR_NULL(core_strdup("x"));
    CU_ASSERT_PTR_NULL(core_realloc(NULL, 1));
    CU_ASSERT_EQUAL(core_secret_open(&secret, 1), ST_NO_MEMORY);
    core_set_alloc_hook(NULL);
    CU_ASSERT_PTR_NULL(secret.data);
    core_secret_close(&secret);
}

static void compare_and_wipe(void)
{
    uint8_t a[4] = {1, 2, 3, 4};
    const uint8_t b[4] = {1, 2, 3, 5};
    CU_ASSERT_TRUE(core_equal_ct(a, b, 3));
    CU_ASSERT_FALSE(core_equal_ct(a, b, 4));
    CU_ASSERT_TRUE(core_equal_ct(NULL, NULL, 0));
    core_wipe(a, 4);
    CU_ASSERT_EQUAL(a[0] | a[1] | a[2] | a[3], 0);
    core_wipe(NULL, 4);
}

static void secret_life(void)
{
    core_secret secret;
    CU_ASSERT_EQUAL(core_secret_open(&secret, 0), ST_NO_MEMORY);
    CU_ASSERT_EQUAL(core_secret_open(&secret, 16 * 1024 * 1024 + 1), ST_NO_MEMORY);
    CU_ASSERT_EQUAL_FATAL(core_secret_copy(&secret, "1234", 4), ST_OK);
    CU_ASSERT_EQUAL(secret.length, 4);
    CU_ASSERT_EQUAL(memcmp(secret.data, "1234", 4), 0);
    core_secret_clear(&secret);
    CU_ASSERT_EQUAL(secret.length, 0);
    CU_ASSERT_EQUAL(memcmp(secret.data, "\0\0\0\0", 4), 0);
    core_secret_close(&secret);
    CU_ASSERT_PTR_NULL(secret.data);
    core_secret_close(&secret);
    for (size_t size = 1; size < 9000; size = size * 2 + 1) {
        CU_ASSERT_EQUAL_FATAL(core_secret_open(&secret, size), ST_OK);
        memset(secret.data, 0x5a, size);
        core_secret_close(&secret);
    }
}

/* VmFlags of the mapping that contains `address`, "" if not found. */
static void flags_of(const void *address, char flags[512])
{
    char line[512];
    unsigned long from = 0, to = 0;
    bool here = false;
    FILE *maps = fopen("/proc/self/smaps", "rb");
    flags[0] = '\0';
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        if (here && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(flags, 512, "%s", line + 8);
    }
    if (maps != NULL)
        (void)fclose(maps);
}

static void secret_is_locked_and_not_dumped(void)
{
    core_secret secret;
    char flags[512];
    const unsigned before = core_secret_unlocked();
    CU_ASSERT_EQUAL_FATAL(core_secret_copy(&secret, "1234", 4), ST_OK);
    flags_of(secret.data, flags);
    const bool locked = core_secret_unlocked() == before;
    core_secret_close(&secret);
    if (flags[0] == '\0')
        TEST_SKIP("no VmFlags in /proc/self/smaps");
    CU_ASSERT_PTR_NOT_NULL(strstr(flags, " dd"));
    if (TESTING_SANITIZED)
        TEST_SKIP("a sanitizer keeps pages from being locked");
    if (!locked)
        TEST_SKIP("pages cannot be locked here (RLIMIT_MEMLOCK)");
    CU_ASSERT_PTR_NOT_NULL(strstr(flags, " lo"));
}

/* Runs `touch` in a child; true if it died of an invalid address. */
static bool dies(void (*touch)(core_secret *), core_secret *secret)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL);
        touch(secret);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGSEGV;
}

static void write_behind(core_secret *secret)
{
    ((volatile uint8_t *)secret->data)[secret->capacity] = 1;
}

static void write_page_before(core_secret *secret)
{
    ((volatile uint8_t *)secret->data)[-4096] = 1;
}

static void write_inside(core_secret *secret)
{
    ((volatile uint8_t *)secret->data)[secret->capacity - 1] = 1;
}

static void secret_is_guarded(void)
{
    core_secret secret;
    CU_ASSERT_EQUAL_FATAL(core_secret_open(&secret, 64), ST_OK);
    CU_ASSERT_TRUE(dies(write_behind, &secret));
    CU_ASSERT_TRUE(dies(write_page_before, &secret));
    CU_ASSERT_FALSE(dies(write_inside, &secret));
    core_secret_close(&secret);
}

/* In a child without the right to lock memory the secret works all the same, and is counted. */
static void secret_without_locking(void)
{
    int status = 0;
    if (TESTING_SANITIZED)
        TEST_SKIP("a sanitizer keeps pages from being locked");
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        core_secret secret;
        const unsigned before = core_secret_unlocked();
        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
            _exit(2);
        const bool made = core_secret_copy(&secret, "1234", 4) == ST_OK;
        _exit(made && core_secret_unlocked() == before + 1 ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        TEST_SKIP("the limits cannot be changed here");
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static const test_case cases[] = {
    {"allocations", allocations},
    {"the_hook_fails_all", the_hook_fails_all},
    {"compare_and_wipe", compare_and_wipe},
    {"secret_life", secret_life},
    {"secret_is_locked_and_not_dumped", secret_is_locked_and_not_dumped},
    {"secret_is_guarded", secret_is_guarded},
    {"secret_without_locking", secret_without_locking},
    {NULL, NULL}};
const test_suite core_memory_suite = {.name = "memory", .cases = cases};
