# SPDX-License-Identifier: Apache-2.0
# Races that are made: calls stopped in the memory token, with the judge before it.
add_executable(test_race race.c race_context.c race_key.c race_login.c race_pool.c race_recovery.c)
target_link_libraries(test_race PRIVATE p11ekm_testing tok ${CMAKE_DL_LIBS})
p11ekm_on_token(race_memory memory COUNTED COMMAND $<TARGET_FILE:test_race>)
set_tests_properties(race_memory PROPERTIES LABELS threads)
