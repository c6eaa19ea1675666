# SPDX-License-Identifier: Apache-2.0
# The keys that SQL Server may use, on the memory token.
add_library(p11ekm_test_field_other STATIC other.c)
target_link_libraries(p11ekm_test_field_other PUBLIC p11ekm_test_support PkgConfig::P11KIT ${CMAKE_DL_LIBS})
if(TARGET p11ekm_ekm)
    add_library(p11ekm_test_field_provider STATIC
        provider_fixture.c
        ${PROJECT_SOURCE_DIR}/tests/unit/ekm_fixture.c
    )
    target_link_libraries(p11ekm_test_field_provider PUBLIC p11ekm_ekm p11ekm_test_fault_proxy p11ekm_test_field_other p11ekm_tok)
    p11ekm_executable(test_policy test_policy.c)
    target_link_libraries(p11ekm_test_policy PRIVATE p11ekm_test_field_provider)
    p11ekm_on_token(field_policy memory COUNTED COMMAND $<TARGET_FILE:p11ekm_test_policy>)
endif()
