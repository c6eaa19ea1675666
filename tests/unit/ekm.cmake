# SPDX-License-Identifier: Apache-2.0
# The EKM door over a back door made of memory.
if(TARGET ekm)
    add_library(fake_tok STATIC fake_tok.c fake_key.c)
    target_link_libraries(fake_tok PUBLIC core)
    add_executable(test_ekm test_ekm.c ekm_fixture.c test_ekm_arguments.c test_ekm_session.c
                   test_ekm_keys.c test_ekm_data.c test_ekm_audit.c test_ekm_faults.c
                   test_ekm_threads.c test_ekm_manual.c)
    target_link_libraries(test_ekm PRIVATE ekm fake_tok p11ekm_testing)
    add_test(NAME test_ekm COMMAND test_ekm)
    set_tests_properties(test_ekm PROPERTIES LABELS "threads" TIMEOUT 300
        ENVIRONMENT "P11EKM_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endif()
