/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversion between UTF-8 and the UTF-16 of Windows: paths, also longer than MAX_PATH, and error
 * texts.
 */
#include "core/platform_windows.h"

#include <string.h>

bool core_path_absolute(const char *path)
{
    const bool drive = ((path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z')) &&
                       path[1] == ':' && (path[2] == '\\' || path[2] == '/');
    return drive || (path[0] == '\\' && path[1] == '\\' && path[2] != '\0');
}

wchar_t *core_wide_path(const char *utf8)
{
    enum { LONG_PATH = 240, PREFIX = 8 };
    wchar_t *wide = NULL, *full = NULL;
    const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, NULL, 0);
    if (units <= 0)
        return NULL;
    wide = core_calloc((size_t)units, sizeof *wide);
    if (wide == NULL)
        return NULL;
    (void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, wide, units);
    if (units <= LONG_PATH || wcsncmp(wide, L"\\\\?\\", 4) == 0)
        return wide;

    const DWORD size = GetFullPathNameW(wide, 0, NULL, NULL);
    full = core_calloc((size_t)size + PREFIX, sizeof *full);
    if (full != NULL && GetFullPathNameW(wide, size, full + PREFIX, NULL) != 0) {
        const bool share = wcsncmp(full + PREFIX, L"\\\\", 2) == 0;
        const wchar_t *prefix = share ? L"\\\\?\\UNC" : L"\\\\?\\";
        const wchar_t *rest = full + PREFIX + (share ? 1 : 0);
        const size_t prefix_len = wcslen(prefix);
        memmove(full + prefix_len, rest, (wcslen(rest) + 1) * sizeof *full);
        memcpy(full, prefix, prefix_len * sizeof *full);
    } else {
        core_free(full);
        full = NULL;
    }
    core_free(wide);
    return full;
}

char *core_utf8_path(const wchar_t *wide)
{
    const bool share = wcsncmp(wide, L"\\\\?\\UNC\\", 8) == 0;
    if (share)
        wide += 7;
    else if (wcsncmp(wide, L"\\\\?\\", 4) == 0)
        wide += 4;
    const int extra = share ? 1 : 0;
    const int bytes =
        WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, NULL, 0, NULL, NULL);
    char *out = bytes > 0 ? core_calloc((size_t)(bytes + extra), 1) : NULL;
    if (out == NULL)
        return NULL;
    out[0] = '\\';
    (void)WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, out + extra, bytes, NULL,
                              NULL);
    return out;
}

core_win_reason core_win_error(DWORD error)
{
    core_win_reason reason = {""};
    wchar_t wide[sizeof reason.text] = L"";
    const DWORD length = FormatMessageW(
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
        NULL, error, 0, wide, sizeof wide / sizeof wide[0] / 2, NULL);
    const int bytes = length == 0 ? 0
                                  : WideCharToMultiByte(CP_UTF8, 0, wide, -1, reason.text,
                                                        (int)sizeof reason.text, NULL, NULL);
    size_t end = bytes > 0 ? strlen(reason.text) : 0;
    while (end > 0 && (reason.text[end - 1] == ' ' || reason.text[end - 1] == '.'))
        reason.text[--end] = '\0';
    if (end == 0)
        (void)snprintf(reason.text, sizeof reason.text, "error %lu", error);
    return reason;
}
