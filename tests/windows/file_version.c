/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the version in a file's resource, as Windows shows it in the file properties.
 */
#include <stdio.h>
#include <windows.h>

int main(int argc, char **argv)
{
    static char block[8192];
    VS_FIXEDFILEINFO *fixed = NULL;
    UINT length = 0;
    if (argc != 2 || !GetFileVersionInfoA(argv[1], 0, sizeof block, block) ||
        !VerQueryValueA(block, "\\", (void **)&fixed, &length)) {
        fprintf(stderr, "no version resource: error %lu\n", GetLastError());
        return 1;
    }
    printf("%u.%u.%u\n", HIWORD(fixed->dwFileVersionMS), LOWORD(fixed->dwFileVersionMS),
           HIWORD(fixed->dwFileVersionLS));
    return 0;
}
