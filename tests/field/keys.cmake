# SPDX-License-Identifier: Apache-2.0
# Keys: searches among planted, unreadable and foreign objects.
add_library(p11ekm_test_field_keys STATIC key_fixture.c)
target_link_libraries(p11ekm_test_field_keys PUBLIC p11ekm_test_support p11ekm_tok ${CMAKE_DL_LIBS})
p11ekm_executable(field_test_keys test_keys.c)
target_link_libraries(p11ekm_field_test_keys PRIVATE p11ekm_test_field_keys)
p11ekm_on_token(field_keys memory COUNTED COMMAND $<TARGET_FILE:p11ekm_field_test_keys>)

# Planted without the PIN, on a real token.
if(TARGET p11ekm AND TARGET p11ekm_cli AND TARGET p11ekm_ekmsql)
    p11ekm_executable(field_plant_keys plant_keys.c)
    target_link_libraries(p11ekm_field_plant_keys PRIVATE p11ekm_test_raw OpenSSL::Crypto)
    p11ekm_on_token(field_planted_tde_softhsm softhsm COMMAND ${CMAKE_CURRENT_LIST_DIR}/planted_tde.sh
                    $<TARGET_FILE:p11ekm_ekmsql> $<TARGET_FILE:p11ekm> $<TARGET_FILE:p11ekm_cli>
                    $<TARGET_FILE:p11ekm_field_plant_keys>)
endif()
if(TARGET p11ekm_cli)
    p11ekm_executable(field_date_key date_key.c)
    target_link_libraries(p11ekm_field_date_key PRIVATE p11ekm_test_raw)
    p11ekm_on_token(field_foreign_softhsm softhsm COMMAND
                    ${CMAKE_CURRENT_LIST_DIR}/foreign_object.sh $<TARGET_FILE:p11ekm_cli>
                    $<TARGET_FILE:p11ekm_field_date_key>)
endif()
