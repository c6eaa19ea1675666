/* SPDX-License-Identifier: Apache-2.0
 *
 * DllMain. p11ekm.dll stays loaded until the process ends, like the Linux library (link option
 * `nodelete`): PKCS#11 libraries stay mapped and keep state, and threads of the host may still be
 * returning from a call. No function in this file calls a PKCS#11 library, because Windows holds
 * the loader lock.
 */
#include <windows.h>
#include "core/crypto.h"

static void pin_module(void)
{
    HMODULE self = NULL;
    (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                             (const wchar_t *)(const void *)&pin_module, &self);
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved);

/* libcrypto is linked statically and does not see threads end. Without this call each thread of the
 * host that used the provider would leave its random generators allocated. */
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        pin_module();
    else if (reason == DLL_THREAD_DETACH)
        core_crypto_thread_stop();
    return TRUE;
}
