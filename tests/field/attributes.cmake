# SPDX-License-Identifier: Apache-2.0
# Keys and tokens as others make them: odd attributes, immutable objects, selectors.
add_executable(field_test_attributes test_attributes.c test_selector.c)
target_link_libraries(field_test_attributes PRIVATE field_key_world)
p11ekm_on_token(field_attributes memory COUNTED COMMAND $<TARGET_FILE:field_test_attributes>)
