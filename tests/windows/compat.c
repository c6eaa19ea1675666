/* SPDX-License-Identifier: Apache-2.0
 *
 * See compat.h.
 */
#include <direct.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* The pattern's directory is POSIX's; only its name is used. Wine reuses process ids, so the name
 * contains the time, too. */
char *mkdtemp(char *pattern)
{
    char temp[MAX_PATH], path[MAX_PATH + 64];
    LARGE_INTEGER now;
    const char *name = strrchr(pattern, '/');
    QueryPerformanceCounter(&now);
    if (GetTempPathA(sizeof temp, temp) == 0)
        return NULL;
    const int length =
        snprintf(path, sizeof path, "%s%.12s%lu-%llx", temp, name == NULL ? pattern : name + 1,
                 GetCurrentProcessId(), (unsigned long long)now.QuadPart);
    if (length <= 0 || (size_t)length >= 200 || _mkdir(path) != 0)
        return NULL;
    memcpy(pattern, path, (size_t)length + 1); /* testing.c's buffer has 256 bytes */
    return pattern;
}
