# SPDX-License-Identifier: Apache-2.0
# Toolchain file: the oldest clang found that is version 14 or later.
find_program(P11EKM_CLANG NAMES clang-14 clang-15 clang-16 clang-17 clang-18 clang-19 clang-20 clang-21 clang REQUIRED)
set(CMAKE_C_COMPILER ${P11EKM_CLANG})
