# SPDX-License-Identifier: Apache-2.0
# Modules that do not start, or write to standard output.
p11ekm_executable(field_loader loader.c)
target_link_libraries(p11ekm_field_loader PRIVATE p11ekm_test_support p11ekm_tok ${CMAKE_DL_LIBS})
p11ekm_on_gate(field_loader $<TARGET_FILE:p11ekm_field_loader>)
if(TARGET p11ekm_cli)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    p11ekm_on_gate(field_loader_stdout ${CMAKE_CURRENT_SOURCE_DIR}/test_stdout.sh
                   $<TARGET_FILE:p11ekm_cli> ${Python3_EXECUTABLE})
endif()
