/* SPDX-License-Identifier: Apache-2.0
 *
 * Helpers of the steps of `p11accept drive`: the result of a step, and texts of the interface.
 */
#include "tools/accept/drive.h"

#include <stdio.h>

bool drive_fail(drive *d, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(d->why, sizeof d->why, format, arguments);
    va_end(arguments);
    return false;
}

bool drive_code(drive *d, const char *function, SqlCpError seen, SqlCpError wanted)
{
    return seen == wanted || drive_fail(d, "%s: %u, not %u", function, seen, wanted);
}

/* Accepts only ASCII, which is sufficient for the steps. */
SqlCpStr drive_text(const char *ascii, SqlCpWchar *buffer, size_t units)
{
    SqlCpUlong n = 0;
    for (; ascii[n] && n < units; n++)
        buffer[n] = (SqlCpWchar)(unsigned char)ascii[n];
    return (SqlCpStr){2 * n, buffer};
}
