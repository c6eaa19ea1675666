# SPDX-License-Identifier: Apache-2.0
# Keys that another process retires, disables, dates, renames or destroys on the memory token;
# handles that denote another key; result codes of data operations.
if(TARGET p11ekm_ekm)
    p11ekm_executable(test_recheck
        test_recheck.c
        test_recheck_handles.c
        recheck_fixture.c
    )
    target_link_libraries(p11ekm_test_recheck PRIVATE p11ekm_test_field_provider)
    p11ekm_on_token(field_recheck memory COUNTED COMMAND $<TARGET_FILE:p11ekm_test_recheck>)
endif()
p11ekm_executable(test_codes test_codes.c)
target_link_libraries(p11ekm_test_codes PRIVATE p11ekm_test_fault_proxy p11ekm_tok)
p11ekm_on_token(field_codes memory COUNTED COMMAND $<TARGET_FILE:p11ekm_test_codes>)
p11ekm_on_token(field_codes_pair pair COUNTED COMMAND $<TARGET_FILE:p11ekm_test_codes>)
set_property(TEST field_codes_pair APPEND PROPERTY ENVIRONMENT P11PAIR=$<TARGET_FILE:p11ekm_p11pair>)
