# SPDX-License-Identifier: Apache-2.0
# The call gate of a library that several configurations, and other components, share.
add_library(p11gate MODULE gate_module.c)
target_link_libraries(p11gate PRIVATE p11ekm_flags PkgConfig::P11KIT ${CMAKE_DL_LIBS})

# p11ekm_on_gate(TEST COMMAND...): on SoftHSM, behind the module with knobs.
function(p11ekm_on_gate name)
    p11ekm_on_token(${name} softhsm COMMAND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/with-gate
                    $<TARGET_FILE:p11gate> ${ARGN})
endfunction()

add_executable(field_gate gate_world.c gate_shared.c gate_outage.c gate_lock.c)
target_link_libraries(field_gate PRIVATE fault_counter tok ${CMAKE_DL_LIBS})
foreach(suite shared outage lock)
    p11ekm_on_gate(field_gate_${suite} $<TARGET_FILE:field_gate> ${suite})
    set_tests_properties(field_gate_${suite} PROPERTIES LABELS threads)
endforeach()
