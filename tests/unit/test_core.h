/* SPDX-License-Identifier: Apache-2.0
 *
 * The suites of core.
 */
#ifndef TEST_CORE_H
#define TEST_CORE_H

#include "testing.h"

extern const test_suite core_status_suite;
extern const test_suite core_text_suite;
extern const test_suite core_memory_suite;
extern const test_suite core_platform_suite;
extern const test_suite core_crypto_suite;
extern const test_suite core_oaep_suite;
extern const test_suite core_config_suite;
extern const test_suite core_log_suite;
extern const test_suite core_lock_suite;
/* wall_clock.c */
void wall_clock_set_waits_are_as_long(void);
extern const test_suite core_random_suite;

#endif
