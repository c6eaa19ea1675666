# SPDX-License-Identifier: Apache-2.0
# Rotation of column master keys: when a value counts as done, which key is the source, which files
# change; and the same with several jobs in parallel.
if(TARGET p11ekm_cli)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    foreach(test rotate rotate_jobs)
        add_test(NAME field_${test}_softhsm
                 COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/test_${test}.py)
        set(environment P11EKM_CLI=$<TARGET_FILE:p11ekm_cli> P11COUNT=$<TARGET_FILE:p11ekm_p11count>
            P11EKM_SANITIZE=${P11EKM_SANITIZE}
            TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:intercept_tls_get_addr=0)
        set_tests_properties(field_${test}_softhsm PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120
                             ENVIRONMENT "${environment}")
    endforeach()
    set_tests_properties(field_rotate_jobs_softhsm PROPERTIES LABELS threads TIMEOUT 300)
endif()
