# SPDX-License-Identifier: Apache-2.0
# Which keys SQL Server may use, on the memory token.
add_library(field_other STATIC other.c)
target_link_libraries(field_other PUBLIC p11ekm_testing PkgConfig::P11KIT ${CMAKE_DL_LIBS})
if(TARGET ekm)
    add_executable(test_policy test_policy.c ${CMAKE_SOURCE_DIR}/tests/unit/ekm_fixture.c)
    target_link_libraries(test_policy PRIVATE ekm fault_counter field_other tok)
    p11ekm_on_token(field_policy memory COUNTED COMMAND $<TARGET_FILE:test_policy>)
endif()
