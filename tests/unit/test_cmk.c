/* SPDX-License-Identifier: Apache-2.0
 *
 * The tests of cmk/, Always Encrypted.
 */
#include "test_cmk.h"

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&cmk_ecek_suite, &cmk_signature_suite,
                                               &cmk_aead_suite, &cmk_cache_suite, &cmk_path_suite};
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
