# SPDX-License-Identifier: Apache-2.0
# The front ends of Always Encrypted while other programs change the token, or something is
# missing.
if(TARGET p11ekm_cmk AND TARGET p11ekm_test_fault_proxy)
    p11ekm_executable(cmk_logins ${CMAKE_CURRENT_LIST_DIR}/cmk_logins.c)
    target_link_libraries(p11ekm_cmk_logins PRIVATE p11ekm_test_fault_proxy p11ekm_cmk)
    p11ekm_on_token(field_front_logins softhsm COUNTED COMMAND $<TARGET_FILE:p11ekm_cmk_logins>)
    set_property(TEST field_front_logins APPEND PROPERTY LABELS threads)
endif()
if(TARGET p11ekm_cli AND TARGET p11ekm)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME field_front_softhsm
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/test_front.py)
    set(environment P11EKM_CLI=$<TARGET_FILE:p11ekm_cli> P11EKM_LIBRARY=$<TARGET_FILE:p11ekm>
        P11EKM_SANITIZE=${P11EKM_SANITIZE})
    set_tests_properties(field_front_softhsm PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120
                         ENVIRONMENT "${environment}")
endif()
