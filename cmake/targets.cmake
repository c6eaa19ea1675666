# SPDX-License-Identifier: Apache-2.0
# Every target is named p11ekm_*, so that the targets of a project that adds this one by
# add_subdirectory() may have any other name. The file that a target makes has the name without p11ekm_.

# p11ekm_executable(NAME SOURCE...): target p11ekm_NAME, which makes the program NAME.
function(p11ekm_executable name)
    add_executable(p11ekm_${name} ${ARGN})
    set_target_properties(p11ekm_${name} PROPERTIES OUTPUT_NAME ${name})
endfunction()

# p11ekm_module(NAME SOURCE...): target p11ekm_NAME, which makes the loadable library libNAME.so.
function(p11ekm_module name)
    add_library(p11ekm_${name} MODULE ${ARGN})
    set_target_properties(p11ekm_${name} PROPERTIES OUTPUT_NAME ${name})
endfunction()
