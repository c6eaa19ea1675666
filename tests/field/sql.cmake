# SPDX-License-Identifier: Apache-2.0
# Generated T-SQL that cannot be broken out of.
if(TARGET p11ekm_cli)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME field_sql_softhsm
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/test_sql.py)
    set_tests_properties(field_sql_softhsm PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120
                         ENVIRONMENT
                         "P11EKM_CLI=$<TARGET_FILE:p11ekm_cli>;P11EKM_SANITIZE=${P11EKM_SANITIZE}")
endif()
