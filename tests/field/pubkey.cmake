# SPDX-License-Identifier: Apache-2.0
# Planted public keys, and exponents that the token does not return.
add_library(p11ekm_test_field_rsa STATIC rsa_fixture.c)
target_link_libraries(p11ekm_test_field_rsa PUBLIC p11ekm_test_fault_proxy p11ekm_test_raw p11ekm_tok OpenSSL::Crypto)
p11ekm_executable(field_pubkey test_pubkey.c)
target_link_libraries(p11ekm_field_pubkey PRIVATE p11ekm_test_field_rsa)
p11ekm_on_token(field_pubkey_memory memory COUNTED COMMAND $<TARGET_FILE:p11ekm_field_pubkey>)
p11ekm_executable(field_planted test_planted.c)
target_link_libraries(p11ekm_field_planted PRIVATE p11ekm_test_support p11ekm_test_raw p11ekm_tok OpenSSL::Crypto)
foreach(kind softhsm nss)
    p11ekm_on_token(field_planted_${kind} ${kind} COMMAND $<TARGET_FILE:p11ekm_field_planted>)
endforeach()
