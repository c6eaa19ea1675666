/* SPDX-License-Identifier: Apache-2.0
 *
 * Known modules, recognised by their file names.
 */
#include "pkcs11/module/loader_private.h"
#include "testing.h"

static void modules_are_known_by_their_files(void)
{
    static const struct {
        const char *path;
        bool local, alone, counting;
    } cases[] = {
        {"/usr/lib/softhsm/libsofthsm2.so", true, false, false},
        {"/usr/lib/libsoftokn3.so.0d", true, false, false},
        {"/usr/lib/pkcs11/p11-kit-client.so", false, true, false},
        {"/usr/lib/libtpm2_pkcs11.so.1", false, true, true},
        {"C:\\SoftHSM2\\lib\\SoftHSM2-x64.dll", true, false, false},
        {"C:/p11-kit/bin/P11-Kit-Client.dll", false, true, false},
        {"libsofthsm2.so", true, false, false},
        {"/libsofthsm2.so/vendor.so", false, false, false},
        {"C:\\softhsm2.dll\\cryptoki.dll", false, false, false},
        {"/usr/lib/mylibsofthsm2.so", false, false, false},
        {"", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tok_library library = {0};
        tok_module_known(cases[i].path, &library);
        CU_ASSERT_EQUAL(library.local, cases[i].local);
        CU_ASSERT_EQUAL(library.alone, cases[i].alone);
        CU_ASSERT_EQUAL(library.counting, cases[i].counting);
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"modules_are_known_by_their_files", modules_are_known_by_their_files}, {NULL, NULL}};
    static const test_suite suite = {.name = "module_known", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
