/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls p11trace.dll in three states of a thread: plain, impersonating its own user, and as a
 * fiber. The recorded lines must distinguish them (test-trace-wine checks them). Each state calls
 * another function that needs no configuration: GetProviderInfo, OpenSession, FreeProvider.
 * Usage: thread_host P11TRACE.DLL
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include "ekm/sqlcp.h"

static SqlCpError (*free_provider)(void);
static SqlCpError result_of_fiber = 99;
static void *first_fiber;

static void CALLBACK run_in_fiber(void *unused)
{
    (void)unused;
    result_of_fiber = free_provider();
    SwitchToFiber(first_fiber);
}

static FARPROC need(HMODULE library, const char *name)
{
    FARPROC found = GetProcAddress(library, name);
    if (!found) {
        fprintf(stderr, "no %s\n", name);
        ExitProcess(3);
    }
    return found;
}

int main(int argc, char **argv)
{
    SqlCpError (*get_info)(SqlCpProviderInfo *);
    SqlCpError (*open_session)(const SqlCpCredential *, SqlCpSession *);
    SqlCpProviderInfo info = {.name = {0, NULL}};
    SqlCpSession session = NULL;
    HMODULE library = argc == 2 ? LoadLibraryA(argv[1]) : NULL;
    if (!library) {
        fprintf(stderr, "%s is not loaded: error %lu\n", argc == 2 ? argv[1] : "", GetLastError());
        return 3;
    }
    FARPROC found = need(library, "SqlCryptGetProviderInfo");
    memcpy(&get_info, &found, sizeof found);
    found = need(library, "SqlCryptOpenSession");
    memcpy(&open_session, &found, sizeof found);
    found = need(library, "SqlCryptFreeProvider");
    memcpy(&free_provider, &found, sizeof found);

    /* Before Initialize both are refused, and recorded all the same. */
    if (get_info(&info) == scp_err_Success)
        return 1;
    if (!ImpersonateSelf(SecurityImpersonation))
        return 2;
    SqlCpError refused = open_session(NULL, &session);
    RevertToSelf();
    first_fiber = ConvertThreadToFiber(NULL);
    void *fiber = CreateFiber(0, run_in_fiber, NULL);
    if (!first_fiber || !fiber)
        return 2;
    SwitchToFiber(fiber);
    return refused != scp_err_Success && result_of_fiber == scp_err_Success ? 0 : 1;
}
