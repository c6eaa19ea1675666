# SPDX-License-Identifier: Apache-2.0
# The PIN is changed on the token by another process and then in the credential, under load.
p11ekm_executable(pin_change
    pin_change.c
    pin_change_policy.c
    pin_change_fixture.c
    another.c
)
target_link_libraries(p11ekm_pin_change PRIVATE p11ekm_test_fault_proxy p11ekm_test_raw p11ekm_tok)
target_include_directories(p11ekm_pin_change PRIVATE ../tokens)
foreach(kind softhsm nss)
    p11ekm_on_token(pin_change_${kind} ${kind} COUNTED COMMAND $<TARGET_FILE:p11ekm_pin_change>)
    set_property(TEST pin_change_${kind} APPEND PROPERTY LABELS recovery threads)
endforeach()
if(TARGET p11ekm)
    p11ekm_executable(pin_change_ekm
        pin_change_ekm.c
        another.c
        ${PROJECT_SOURCE_DIR}/tests/unit/ekm_fixture.c
    )
    target_link_libraries(p11ekm_pin_change_ekm PRIVATE p11ekm p11ekm_test_fault_proxy p11ekm_test_raw)
    target_include_directories(p11ekm_pin_change_ekm PRIVATE ../tokens)
    foreach(kind softhsm nss)
        p11ekm_on_token(pin_change_ekm_${kind} ${kind} COUNTED COMMAND
                        $<TARGET_FILE:p11ekm_pin_change_ekm>)
        set_property(TEST pin_change_ekm_${kind} APPEND PROPERTY LABELS recovery threads)
    endforeach()
endif()
