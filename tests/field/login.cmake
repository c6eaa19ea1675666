# SPDX-License-Identifier: Apache-2.0
# The login of a process, and its sessions.
p11ekm_executable(field_login field_login.c)
target_link_libraries(p11ekm_field_login PRIVATE p11ekm_test_field_login)
p11ekm_on_token(field_login memory COMMAND $<TARGET_FILE:p11ekm_field_login>)
set_tests_properties(field_login PROPERTIES LABELS threads)
p11ekm_executable(field_tokens field_tokens.c)
target_link_libraries(p11ekm_field_tokens PRIVATE p11ekm_test_field_login)
p11ekm_on_token(field_tokens memory COMMAND $<TARGET_FILE:p11ekm_field_tokens>)
if(TARGET p11ekm_cli)
    p11ekm_on_token(field_last_try memory COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/last-try.sh
                    $<TARGET_FILE:p11ekm_cli>)
endif()
