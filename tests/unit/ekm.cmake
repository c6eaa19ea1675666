# SPDX-License-Identifier: Apache-2.0
# The EKM provider over a fake token layer.
if(TARGET p11ekm_ekm)
    add_library(p11ekm_test_fake_tok STATIC
        fake_tok.c
        fake_key.c
    )
    target_link_libraries(p11ekm_test_fake_tok PUBLIC p11ekm_core)
    p11ekm_executable(test_ekm
        test_ekm.c
        ekm_fixture.c
        test_ekm_arguments.c
        test_ekm_session.c
        test_ekm_keys.c
        test_ekm_data.c
        test_ekm_audit.c
        test_ekm_faults.c
        test_ekm_threads.c
        test_ekm_manual.c
    )
    target_link_libraries(p11ekm_test_ekm PRIVATE p11ekm_ekm p11ekm_test_fake_tok p11ekm_test_support)
    add_test(NAME test_ekm COMMAND p11ekm_test_ekm)
    set_tests_properties(test_ekm PROPERTIES LABELS "threads" TIMEOUT 300
        ENVIRONMENT "P11EKM_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endif()
