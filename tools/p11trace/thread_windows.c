/* SPDX-License-Identifier: Apache-2.0
 *
 * The calling thread on Windows: id, stack limits, fiber state, and the token of a thread that
 * impersonates. SQL Server may impersonate the caller of a statement while it calls a provider;
 * p11trace shows whether it does.
 */
#include <stdio.h>
#include <windows.h>
#include <sddl.h>
#include "tools/p11trace/thread.h"

static const char *level_name(SECURITY_IMPERSONATION_LEVEL level)
{
    static const char *const names[] = {
        [SecurityAnonymous] = "anonymous",
        [SecurityIdentification] = "identification",
        [SecurityImpersonation] = "impersonation",
        [SecurityDelegation] = "delegation",
    };
    return (unsigned)level < sizeof names / sizeof names[0] ? names[level] : "unknown";
}

static void describe_account(HANDLE token, trace_thread *out)
{
    union {
        TOKEN_USER user;
        BYTE buffer[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } info;
    DWORD size = 0;
    char *text = NULL;

    if (!GetTokenInformation(token, TokenUser, &info, sizeof info, &size))
        return;
    if (ConvertSidToStringSidA(info.user.User.Sid, &text)) {
        snprintf(out->account, sizeof out->account, "%s", text);
        LocalFree(text);
    }
}

static void describe_impersonation(trace_thread *out)
{
    HANDLE token = NULL;
    SECURITY_IMPERSONATION_LEVEL level = SecurityAnonymous;
    DWORD size = 0;

    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token)) {
        out->impersonation = GetLastError() == ERROR_NO_TOKEN ? "none" : "unknown";
        return;
    }
    out->impersonation = "unknown";
    if (GetTokenInformation(token, TokenImpersonationLevel, &level, sizeof level, &size))
        out->impersonation = level_name(level);
    describe_account(token, out);
    CloseHandle(token);
}

void trace_thread_describe(trace_thread *out)
{
    ULONG_PTR lowest = 0;
    ULONG_PTR highest = 0;

    *out = (trace_thread){.id = GetCurrentThreadId(), .fiber = IsThreadAFiber()};
    describe_impersonation(out);
    GetCurrentThreadStackLimits(&lowest, &highest);
    out->stack_size = highest - lowest;
    out->stack_left = (uintptr_t)__builtin_frame_address(0) - lowest;
    /* A fiber has its own stack, which is outside the limits of the thread. */
    if (out->stack_left > out->stack_size)
        out->stack_left = 0;
}
