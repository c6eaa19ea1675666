# SPDX-License-Identifier: Apache-2.0
# The interface of the built library.
if(TARGET p11ekm AND NOT WIN32)
    add_test(NAME exports COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/exports.sh $<TARGET_FILE:p11ekm>
             ${PROJECT_BINARY_DIR}/generated/exports.txt ${PROJECT_SOURCE_DIR}/module/exports.list
             ${PROJECT_SOURCE_DIR}/ekm/sqlcp.h)
endif()
