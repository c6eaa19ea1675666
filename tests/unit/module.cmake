# SPDX-License-Identifier: Apache-2.0
# What the built library shows to the world.
if(TARGET p11ekm AND NOT WIN32)
    add_test(NAME exports COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/exports.sh $<TARGET_FILE:p11ekm>
             ${CMAKE_BINARY_DIR}/generated/exports.txt ${CMAKE_SOURCE_DIR}/module/exports.list
             ${CMAKE_SOURCE_DIR}/ekm/sqlcp.h)
endif()
