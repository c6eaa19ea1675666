# SPDX-License-Identifier: Apache-2.0
# Toolchain file: Windows x64 with mingw-w64, and the libraries that scripts/windows-deps builds. The
# compiler with POSIX threads uses winpthread, which is linked statically, so that the DLL imports only
# the libraries of Windows.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(mingw x86_64-w64-mingw32)
# Debian adds the thread model to the name of the compiler; other distributions have POSIX threads only.
find_program(P11EKM_MINGW_GCC NAMES ${mingw}-gcc-posix ${mingw}-gcc REQUIRED)
find_program(P11EKM_MINGW_WINDRES NAMES ${mingw}-windres REQUIRED)
set(CMAKE_C_COMPILER ${P11EKM_MINGW_GCC})
set(CMAKE_RC_COMPILER ${P11EKM_MINGW_WINDRES})

if(DEFINED ENV{P11EKM_WINDOWS_DEPS})
    set(windows_deps "$ENV{P11EKM_WINDOWS_DEPS}/x86_64")
elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(windows_deps "$ENV{XDG_CACHE_HOME}/p11ekm/windows/x86_64")
else()
    set(windows_deps "$ENV{HOME}/.cache/p11ekm/windows/x86_64")
endif()
if(NOT EXISTS ${windows_deps}/lib/pkgconfig/libcrypto.pc)
    message(FATAL_ERROR "${windows_deps} is not complete: run scripts/windows-deps first")
endif()
set(P11EKM_WINDOWS_DEPS ${windows_deps})

set(CMAKE_FIND_ROOT_PATH ${windows_deps} /usr/${mingw})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${windows_deps}/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")
set(OPENSSL_USE_STATIC_LIBS TRUE)
set(CMAKE_C_STANDARD_LIBRARIES_INIT "-ladvapi32 -luser32 -lws2_32 -lkernel32")

# Windows 8.1 and Server 2012 R2 are the oldest that run a supported SQL Server. printf of the C library
# understands the formats of C99 only with __USE_MINGW_ANSI_STDIO.
set(CMAKE_C_FLAGS_INIT "-D_WIN32_WINNT=0x0603 -D__USE_MINGW_ANSI_STDIO=1 -DWIN32_LEAN_AND_MEAN -D_FILE_OFFSET_BITS=64")

# The protections of Windows that the linker turns on: data execution prevention and address space layout
# randomization over 64 bits. There is no Control Flow Guard, because GCC does not support it.
set(harden "-static -Wl,--nxcompat,--dynamicbase,--high-entropy-va")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${harden}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${harden}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "${harden}")

# Tests run under Wine. If it is not installed, run-wine prints the reason and exits with 77 (skipped).
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../tests/windows/run-wine)
