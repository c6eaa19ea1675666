/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of Windows that core/platform_windows_seal.c needs to be built and fuzzed on another
 * system. fuzz_dpapi.c implements it.
 */
#ifndef TESTS_FUZZ_WINDOWS_H
#define TESTS_FUZZ_WINDOWS_H

#include <stdint.h>
#include <wchar.h>

typedef int BOOL;
typedef uint32_t DWORD;
typedef DWORD ACCESS_MASK;
typedef void *HANDLE;
typedef void *PSECURITY_DESCRIPTOR;
typedef void *PSID;
typedef struct SECURITY_ATTRIBUTES SECURITY_ATTRIBUTES;
enum { SECURITY_MAX_SID_SIZE = 68 };

DWORD GetLastError(void);
void *LocalFree(void *block);

#endif
