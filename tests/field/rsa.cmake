# SPDX-License-Identifier: Apache-2.0
# Which RSA paddings a key supports, and which results prove nothing about that.
p11ekm_executable(field_rsa_learn test_rsa_learn.c)
target_link_libraries(p11ekm_field_rsa_learn PRIVATE p11ekm_test_field_rsa)
p11ekm_on_token(field_rsa_learn_memory memory COUNTED COMMAND $<TARGET_FILE:p11ekm_field_rsa_learn>)
p11ekm_on_token(field_rsa_learn_softhsm softhsm COUNTED COMMAND $<TARGET_FILE:p11ekm_field_rsa_learn> limits)
