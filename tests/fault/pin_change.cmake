# SPDX-License-Identifier: Apache-2.0
# The PIN changed on the token by another process, and then in the credential, under load.
add_executable(pin_change pin_change.c another.c)
target_link_libraries(pin_change PRIVATE fault_counter p11ekm_raw tok)
target_include_directories(pin_change PRIVATE ../tokens)
foreach(kind softhsm nss)
    p11ekm_on_token(pin_change_${kind} ${kind} COUNTED COMMAND $<TARGET_FILE:pin_change>)
    set_property(TEST pin_change_${kind} APPEND PROPERTY LABELS recovery threads)
endforeach()
if(TARGET p11ekm)
    add_executable(pin_change_ekm pin_change_ekm.c another.c
                   ${CMAKE_SOURCE_DIR}/tests/unit/ekm_fixture.c)
    target_link_libraries(pin_change_ekm PRIVATE p11ekm fault_counter p11ekm_raw)
    target_include_directories(pin_change_ekm PRIVATE ../tokens)
    foreach(kind softhsm nss)
        p11ekm_on_token(pin_change_ekm_${kind} ${kind} COUNTED COMMAND
                        $<TARGET_FILE:pin_change_ekm>)
        set_property(TEST pin_change_ekm_${kind} APPEND PROPERTY LABELS recovery threads)
    endforeach()
endif()
