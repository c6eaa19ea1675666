# SPDX-License-Identifier: Apache-2.0
# PIN tries: all C_Login calls that reach the token.
add_library(p11ekm_test_field_login STATIC login_fixture.c)
target_link_libraries(p11ekm_test_field_login PUBLIC p11ekm_test_support p11ekm_tok ${CMAKE_DL_LIBS})
p11ekm_executable(field_pin field_pin.c)
target_link_libraries(p11ekm_field_pin PRIVATE p11ekm_test_field_login)
p11ekm_on_token(field_pin memory COMMAND $<TARGET_FILE:p11ekm_field_pin>)
p11ekm_executable(field_pin_memory field_pin_memory.c)
target_link_libraries(p11ekm_field_pin_memory PRIVATE p11ekm_test_field_login)
p11ekm_on_token(field_pin_memory memory COMMAND $<TARGET_FILE:p11ekm_field_pin_memory>)
if(TARGET p11ekm_ekm)
    p11ekm_executable(field_pin_ekm
        field_pin_ekm.c
        ${PROJECT_SOURCE_DIR}/tests/unit/ekm_fixture.c
    )
    target_link_libraries(p11ekm_field_pin_ekm PRIVATE p11ekm_ekm p11ekm_test_field_login)
    p11ekm_on_token(field_pin_ekm memory COMMAND $<TARGET_FILE:p11ekm_field_pin_ekm>)
endif()
