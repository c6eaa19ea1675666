# SPDX-License-Identifier: Apache-2.0
# The audit trail, files and their permissions, and the command line.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
p11ekm_executable(field_audit audit.c)
target_link_libraries(p11ekm_field_audit PRIVATE p11ekm_test_support p11ekm_core PkgConfig::JANSSON)
add_test(NAME field_audit COMMAND p11ekm_field_audit)
set_tests_properties(field_audit PROPERTIES TIMEOUT 60)
if(TARGET p11ekm_cli AND TARGET p11ekm_ekmsql)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME field_tools
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_tools.py)
    set_tests_properties(field_tools PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120 ENVIRONMENT
        "P11EKM_CLI=$<TARGET_FILE:p11ekm_cli>;P11EKM_EKMSQL=$<TARGET_FILE:p11ekm_ekmsql>;P11EKM_LIBRARY=$<TARGET_FILE:p11ekm>;P11EKM_BUILD=${PROJECT_BINARY_DIR};P11EKM_SANITIZE=${P11EKM_SANITIZE}")
endif()
