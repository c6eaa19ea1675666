# SPDX-License-Identifier: Apache-2.0
# Keys and tokens of other programs: unusual attributes, immutable objects, selectors.
p11ekm_executable(field_test_attributes
    test_attributes.c
    test_selector.c
)
target_link_libraries(p11ekm_field_test_attributes PRIVATE p11ekm_test_field_keys)
p11ekm_on_token(field_attributes memory COUNTED COMMAND $<TARGET_FILE:p11ekm_field_test_attributes>)
