# SPDX-License-Identifier: Apache-2.0
# The call gate of a library that is shared by several configurations and other components.
p11ekm_module(p11gate gate_module.c)
target_link_libraries(p11ekm_p11gate PRIVATE p11ekm_flags PkgConfig::P11KIT ${CMAKE_DL_LIBS})

# p11ekm_on_gate(TEST COMMAND...): on SoftHSM with the gate module in front.
function(p11ekm_on_gate name)
    p11ekm_on_token(${name} softhsm COMMAND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/with-gate
                    $<TARGET_FILE:p11ekm_p11gate> ${ARGN})
endfunction()

p11ekm_executable(field_gate
    gate_fixture.c
    gate_shared.c
    gate_outage.c
    gate_lock.c
)
target_link_libraries(p11ekm_field_gate PRIVATE p11ekm_test_fault_proxy p11ekm_tok ${CMAKE_DL_LIBS})
foreach(suite shared outage lock)
    p11ekm_on_gate(field_gate_${suite} $<TARGET_FILE:p11ekm_field_gate> ${suite})
    set_tests_properties(field_gate_${suite} PROPERTIES LABELS threads)
endforeach()
