/* SPDX-License-Identifier: Apache-2.0
 *
 * Time on Windows: the monotonic clock, the wall clock in UTC, and sleep.
 */
#include "core/platform_windows.h"

#include <string.h>

uint64_t core_now_us(void)
{
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    const uint64_t t = (uint64_t)ticks.QuadPart, f = (uint64_t)frequency.QuadPart;
    return t / f * 1000000U +
           t % f * 1000000U / f; /* in two steps, because the product would overflow */
}

/* The broken-down time in UTC. */
static void utc_now(SYSTEMTIME *out, unsigned *microseconds)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    *microseconds =
        (unsigned)((((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime) / 10) % 1000000);
    if (!FileTimeToSystemTime(&now, out))
        *out = (SYSTEMTIME){.wYear = 1970, .wMonth = 1, .wDay = 1};
}

void core_utc_text(char out[28])
{
    SYSTEMTIME t;
    unsigned us = 0;
    char text[64];
    utc_now(&t, &us);
    (void)snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", t.wYear, t.wMonth,
                   t.wDay, t.wHour, t.wMinute, t.wSecond, us);
    text[27] = '\0';
    memcpy(out, text, 28);
}

uint32_t core_utc_date(void)
{
    SYSTEMTIME t;
    unsigned us = 0;
    utc_now(&t, &us);
    return t.wYear * 10000U + t.wMonth * 100U + t.wDay;
}

void core_sleep_ms(unsigned milliseconds)
{
    Sleep(milliseconds);
}
