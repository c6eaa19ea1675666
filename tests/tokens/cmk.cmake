# SPDX-License-Identifier: Apache-2.0
# The key store of cmk/ on tokens, with the fault proxy in between.
if(TARGET p11ekm_cmk)
    p11ekm_executable(test_cmk_token
        cmk_suite.c
        cmk_suite_open.c
        cmk_suite_make.c
        cmk_suite_interface.c
        cmk_suite_host.c
        ../unit/test_cmk_vectors.c
    )
    target_link_libraries(p11ekm_test_cmk_token PRIVATE p11ekm_test_support p11ekm_test_raw p11ekm_cmk)
    foreach(kind softhsm opencryptoki nss memory)
        p11ekm_on_token(cmk_${kind} ${kind} COUNTED COMMAND $<TARGET_FILE:p11ekm_test_cmk_token>)
    endforeach()
endif()
