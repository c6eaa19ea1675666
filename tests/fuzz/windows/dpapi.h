/* SPDX-License-Identifier: Apache-2.0
 *
 * DPAPI, see windows.h in this folder.
 */
#ifndef TESTS_FUZZ_DPAPI_H
#define TESTS_FUZZ_DPAPI_H

#include <windows.h>

typedef struct DATA_BLOB {
    DWORD cbData;
    uint8_t *pbData;
} DATA_BLOB;

enum { CRYPTPROTECT_UI_FORBIDDEN = 1, CRYPTPROTECT_LOCAL_MACHINE = 4 };

BOOL CryptProtectData(DATA_BLOB *in, const wchar_t *name, DATA_BLOB *entropy, void *reserved,
                      void *prompt, DWORD flags, DATA_BLOB *out);
BOOL CryptUnprotectData(DATA_BLOB *in, wchar_t **name, DATA_BLOB *entropy, void *reserved,
                        void *prompt, DWORD flags, DATA_BLOB *out);

#endif
