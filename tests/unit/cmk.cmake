# SPDX-License-Identifier: Apache-2.0
if(TARGET cmk)
    p11ekm_unit(cmk cmk)
endif()
