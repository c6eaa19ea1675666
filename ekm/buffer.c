/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks the arguments of SQL Server before use, and fills its output buffers. A buffer that is too
 * small gets the required size and nothing else (ST_BUFFER_TOO_SMALL); SQL Server then calls again
 * with a larger one.
 */
#include <string.h>
#include "ekm/ekm_private.h"

core_status ekm_check_data(const SqlCpData *data, size_t limit, const char *what, core_err *err)
{
    if (!data || (data->cb > 0 && !data->pb))
        return core_fail(err, ST_INVALID_ARGUMENT, "%s is NULL", what);
    if (data->cb > limit)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s has %u bytes, at most %zu are allowed", what,
                         (unsigned)data->cb, limit);
    return ST_OK;
}

core_status ekm_check_text(const SqlCpStr *text, size_t limit, const char *what, core_err *err)
{
    if (!text || (text->cb > 0 && !text->ws))
        return core_fail(err, ST_INVALID_ARGUMENT, "%s is NULL", what);
    if (text->cb % 2 != 0)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s has an odd number of bytes", what);
    if (text->cb > limit)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s has %u bytes, at most %zu are allowed", what,
                         (unsigned)text->cb, limit);
    return ST_OK;
}

core_status ekm_check_thumb(const SqlCpKeyThumbprint *thumb, core_err *err)
{
    if (!thumb || !thumb->pb)
        return core_fail(err, ST_INVALID_ARGUMENT, "thumbprint is NULL");
    if (thumb->cb != TOK_THUMB_LEN)
        return core_fail(err, ST_INVALID_ARGUMENT, "thumbprint has %u bytes, not %d",
                         (unsigned)thumb->cb, TOK_THUMB_LEN);
    return ST_OK;
}

bool ekm_fits(const void *buffer, SqlCpUlong cb, size_t need)
{
    return buffer && cb >= need;
}

core_status ekm_write_output(SqlCpData *out, const void *bytes, size_t length)
{
    bool fits = ekm_fits(out->pb, out->cb, length);
    if (fits)
        memcpy(out->pb, bytes, length);
    out->cb = (SqlCpUlong)length;
    return fits ? ST_OK : ST_BUFFER_TOO_SMALL;
}

bool ekm_overlap(const void *a, size_t a_len, const void *b, size_t b_len)
{
    uintptr_t first = (uintptr_t)a;
    uintptr_t second = (uintptr_t)b;
    return first < second ? second - first < a_len : first - second < b_len;
}
