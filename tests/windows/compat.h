/* SPDX-License-Identifier: Apache-2.0
 *
 * POSIX functions that the unit tests use and mingw-w64 lacks; included before everything else.
 * Tests only.
 */
#ifndef TESTS_WINDOWS_COMPAT_H
#define TESTS_WINDOWS_COMPAT_H

#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <wctype.h>

/* No /tmp and no rights by mode: the folder inherits this user's rights. */
char *mkdtemp(char *pattern);

static inline int setenv(const char *name, const char *value, int overwrite)
{
    return overwrite == 0 && getenv(name) != NULL ? 0 : _putenv_s(name, value);
}

static inline int unsetenv(const char *name)
{
    return _putenv_s(name, "");
}

/* POSIX's remove deletes empty folders, too. */
static inline int remove_any(const char *path)
{
    return remove(path) == 0 || _rmdir(path) == 0 ? 0 : -1;
}
#define remove remove_any

static inline int pipe(int ends[2])
{
    return _pipe(ends, 4096, _O_BINARY);
}

/* There is no locale_t: the tests that need one skip themselves. */
typedef void *locale_t;
#define LC_CTYPE_MASK 0
static inline locale_t newlocale(int mask, const char *name, locale_t base)
{
    (void)mask;
    (void)name;
    (void)base;
    return NULL;
}

static inline wint_t towlower_l(wint_t c, locale_t locale)
{
    (void)locale;
    return towlower(c);
}

static inline void freelocale(locale_t locale)
{
    (void)locale;
}

/* A test that forks skips itself; it must return void. */
void testing_skip(const char *test, const char *reason);
#define fork()                                         \
    ({                                                 \
        testing_skip(__func__, "Windows has no fork"); \
        return;                                        \
        -1;                                            \
    })

#endif
