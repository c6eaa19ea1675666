# SPDX-License-Identifier: Apache-2.0
# The tests read the audit trail with Jansson, an independent JSON parser.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
p11ekm_unit(core SOURCES
    test_core.c
    test_core_config.c
    test_core_crypto.c
    test_core_lock.c
    test_core_log.c
    test_core_memory.c
    test_core_oaep.c
    test_core_platform.c
    test_core_random.c
    test_core_status.c
    test_core_text.c
    oaep_draft.c
    wall_clock.c
    ${PROJECT_SOURCE_DIR}/tests/tokens/wycheproof.c
    LIBS p11ekm_core PkgConfig::JANSSON
)
