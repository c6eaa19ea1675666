/* SPDX-License-Identifier: Apache-2.0
 *
 * The token layer on a real token: entry point.
 */
#include <stdio.h>
#include <stdlib.h>
#include "tests/tokens/token_suite.h"

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_find,   &suite_login, &suite_key,
                                               &suite_cipher, &suite_wrap,  &suite_threads};

    if (getenv("MODULE") == NULL || getenv("TOKEN") == NULL || getenv("PIN") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    return testing_main(argc, argv, suites, sizeof suites / sizeof suites[0]);
}
