# SPDX-License-Identifier: Apache-2.0
# Forced races: calls stopped in the memory token, with the fault proxy in front of it.
p11ekm_executable(test_race
    race.c
    race_context.c
    race_key.c
    race_login.c
    race_pool.c
    race_recovery.c
)
target_link_libraries(p11ekm_test_race PRIVATE p11ekm_test_support p11ekm_tok ${CMAKE_DL_LIBS})
p11ekm_on_token(race_memory memory COUNTED COMMAND $<TARGET_FILE:p11ekm_test_race>)
set_tests_properties(race_memory PROPERTIES LABELS threads)
