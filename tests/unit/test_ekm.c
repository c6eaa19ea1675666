/* SPDX-License-Identifier: Apache-2.0
 *
 * The suites of the EKM door over the fake back door.
 */
#include <CUnit/Basic.h>
#include "tests/unit/ekm_fixture.h"

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    add_argument_suite();
    add_session_suite();
    add_key_suite();
    add_data_suite();
    add_audit_suite();
    add_fault_suite();
    add_thread_suite();
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
