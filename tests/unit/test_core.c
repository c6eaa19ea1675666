/* SPDX-License-Identifier: Apache-2.0
 *
 * The suites of core, one file for each topic.
 */
#include "testing.h"
#include "test_core.h"

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {
        &core_status_suite, &core_text_suite,  &core_memory_suite, &core_platform_suite,
        &core_crypto_suite, &core_oaep_suite,  &core_config_suite, &core_log_suite,
        &core_lock_suite,   &core_random_suite};
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
