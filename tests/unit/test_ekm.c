/* SPDX-License-Identifier: Apache-2.0
 *
 * The suites of the EKM provider over the fake token layer.
 */
#include <CUnit/Basic.h>
#include <string.h>
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

SqlCpSession fx_begin(const char *config)
{
    SqlCpSession s = NULL;
    fake_reset(config);
    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_open("alpha", "1234", &s), scp_err_Success);
    return s;
}

void fx_end(void)
{
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(fake_live(), 0);
    CU_ASSERT_EQUAL(fake_misuses(), 0);
    fake_reset(NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--manual") == 0) {
        print_manual_table();
        return 0;
    }
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    add_argument_suite();
    add_session_suite();
    add_key_suite();
    add_data_suite();
    add_audit_suite();
    add_fault_suite();
    add_thread_suite();
    add_manual_suite();
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
