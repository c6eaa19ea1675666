# SPDX-License-Identifier: Apache-2.0
# The compiler and linker options of every target: link it to p11ekm_flags.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(p11ekm_flags INTERFACE)
target_include_directories(p11ekm_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_definitions(p11ekm_flags INTERFACE
    P11EKM_VERSION_MAJOR=${PROJECT_VERSION_MAJOR} P11EKM_VERSION_MINOR=${PROJECT_VERSION_MINOR}
    P11EKM_VERSION_PATCH=${PROJECT_VERSION_PATCH} P11EKM_VERSION="${PROJECT_VERSION}"
    $<$<NOT:$<PLATFORM_ID:Windows>>:_GNU_SOURCE>)

set(warnings -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wcast-qual
    -Wpointer-arith -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough -Wduplicated-cond
    -Wlogical-op)
if(P11EKM_WERROR)
    list(APPEND warnings -Werror)
endif()
foreach(flag ${warnings})
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
        target_compile_options(p11ekm_flags INTERFACE ${flag})
    endif()
endforeach()

# Hardening. _FORTIFY_SOURCE needs optimization and does not work with the address sanitizer.
target_compile_options(p11ekm_flags INTERFACE -fstack-protector-strong -fno-strict-aliasing)
if(NOT P11EKM_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(p11ekm_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(WIN32)
    target_link_options(p11ekm_flags INTERFACE -fstack-protector-strong) # links libssp
else()
    check_c_compiler_flag(-fstack-clash-protection HAVE_STACK_CLASH)
    check_c_compiler_flag(-fcf-protection HAVE_CF_PROTECTION)
    target_compile_options(p11ekm_flags INTERFACE
        $<$<BOOL:${HAVE_STACK_CLASH}>:-fstack-clash-protection>
        $<$<BOOL:${HAVE_CF_PROTECTION}>:-fcf-protection>)
    target_link_options(p11ekm_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
    # No -z,defs in sanitizer builds: only the executable is linked to their runtime.
    if(NOT P11EKM_SANITIZE)
        target_link_options(p11ekm_flags INTERFACE -Wl,-z,defs)
    endif()
endif()

if(P11EKM_SANITIZE)
    target_compile_options(p11ekm_flags INTERFACE -fsanitize=${P11EKM_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
    target_link_options(p11ekm_flags INTERFACE -fsanitize=${P11EKM_SANITIZE})
endif()
# Coverage feedback for libFuzzer in every component; the fuzz targets link its main (tests/fuzz).
if(P11EKM_FUZZ)
    target_compile_options(p11ekm_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
option(P11EKM_COVERAGE "Instrument for gcovr" OFF)
if(P11EKM_COVERAGE)
    target_compile_options(p11ekm_flags INTERFACE --coverage -O0 -g)
    target_link_options(p11ekm_flags INTERFACE --coverage)
endif()
