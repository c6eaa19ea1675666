/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of PKCS#11 modules by the name of their file, on Linux and on Windows.
 */
#include "core/text.h"
#include "pkcs11/module/loader_private.h"

/* By the beginning of the name, since a version may follow; letter case does not count. p11-kit's
 * client (0.24) may leave threads hanging when its connection breaks, and has one connection
 * anyway. tpm2-pkcs11 (1.9) crashes when two sessions are opened at once; a TPM does one operation
 * at a time and forgets a wrong PIN only after hours. */
static const struct {
    const char *name;
    bool local, alone, counting;
} known[] = {
    {"libsofthsm2.so", true, false, false},     {"softhsm2.dll", true, false, false},
    {"softhsm2-x64.dll", true, false, false},   {"libsoftokn3.so", true, false, false},
    {"softokn3.dll", true, false, false},       {"p11-kit-client.so", false, true, false},
    {"p11-kit-client.dll", false, true, false}, {"libtpm2_pkcs11.so", false, true, true},
};

void tok_module_known(const char *path, tok_library *out)
{
    const char *file = path;

    for (const char *at = path; *at != '\0'; at++)
        if (*at == '/' || *at == '\\')
            file = at + 1;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (core_ascii_prefix_nocase(file, known[i].name)) {
            out->local = known[i].local;
            out->alone = known[i].alone;
            out->counting = known[i].counting;
        }
    }
}
