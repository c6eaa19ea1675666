# SPDX-License-Identifier: Apache-2.0
# URIs have a separate program: it compares the results with those of the parser of p11-kit.
if(TARGET p11ekm_tok AND NOT WIN32)
    p11ekm_unit(uri SOURCES
        test_uri.c
        ../fuzz/uri_oracle.c
        LIBS p11ekm_tok PkgConfig::P11KIT
    )
endif()
