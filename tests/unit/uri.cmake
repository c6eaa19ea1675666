# SPDX-License-Identifier: Apache-2.0
# URIs have a program of their own, because p11-kit's parser is their judge.
if(TARGET tok AND NOT WIN32)
    p11ekm_unit(uri tok PkgConfig::P11KIT)
    target_sources(test_uri PRIVATE ../fuzz/uri_oracle.c)
endif()
