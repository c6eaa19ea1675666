# SPDX-License-Identifier: Apache-2.0
if(TARGET p11ekm_cmk)
    p11ekm_unit(cmk SOURCES
        test_cmk.c
        test_cmk_aead.c
        test_cmk_cache.c
        test_cmk_ecek.c
        test_cmk_path.c
        test_cmk_signature.c
        test_cmk_vectors.c
        LIBS p11ekm_cmk
    )
endif()
