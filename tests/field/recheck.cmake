# SPDX-License-Identifier: Apache-2.0
# Keys that another process retires, disables, dates, renames, purges, on the memory token; handles
# that name another key; codes of data operations.
if(TARGET ekm)
    add_executable(test_recheck test_recheck.c ${CMAKE_SOURCE_DIR}/tests/unit/ekm_fixture.c)
    target_link_libraries(test_recheck PRIVATE ekm fault_counter field_other tok)
    p11ekm_on_token(field_recheck memory COUNTED COMMAND $<TARGET_FILE:test_recheck>)
endif()
add_executable(test_codes test_codes.c)
target_link_libraries(test_codes PRIVATE fault_counter tok)
p11ekm_on_token(field_codes memory COUNTED COMMAND $<TARGET_FILE:test_codes>)
p11ekm_on_token(field_codes_pair pair COUNTED COMMAND $<TARGET_FILE:test_codes>)
set_property(TEST field_codes_pair APPEND PROPERTY ENVIRONMENT P11PAIR=$<TARGET_FILE:p11pair>)
