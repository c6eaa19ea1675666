# SPDX-License-Identifier: Apache-2.0
# Jansson, a JSON parser that is not ours, reads the audit trail back.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
p11ekm_unit(core core PkgConfig::JANSSON)
target_sources(test_core PRIVATE oaep_draft.c ${CMAKE_SOURCE_DIR}/tests/tokens/wycheproof.c)
