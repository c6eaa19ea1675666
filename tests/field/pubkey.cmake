# SPDX-License-Identifier: Apache-2.0
# Public keys that were planted, and exponents that are not told.
add_library(field_rsa STATIC rsa_world.c)
target_link_libraries(field_rsa PUBLIC fault_counter p11ekm_raw tok OpenSSL::Crypto)
add_executable(field_pubkey test_pubkey.c)
target_link_libraries(field_pubkey PRIVATE field_rsa)
p11ekm_on_token(field_pubkey_memory memory COUNTED COMMAND $<TARGET_FILE:field_pubkey>)
add_executable(field_planted test_planted.c)
target_link_libraries(field_planted PRIVATE p11ekm_testing p11ekm_raw tok OpenSSL::Crypto)
foreach(kind softhsm nss)
    p11ekm_on_token(field_planted_${kind} ${kind} COMMAND $<TARGET_FILE:field_planted>)
endforeach()
