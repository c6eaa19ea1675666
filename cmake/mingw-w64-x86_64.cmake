# SPDX-License-Identifier: Apache-2.0
# Toolchain file: Windows x64 with mingw-w64, against what scripts/windows-deps made. The posix
# flavour of the compiler brings winpthread; everything of it is linked statically, so that the DLL
# imports nothing but Windows' own libraries.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

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

set(CMAKE_FIND_ROOT_PATH ${windows_deps} /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${windows_deps}/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")
set(OPENSSL_USE_STATIC_LIBS TRUE)
set(CMAKE_C_STANDARD_LIBRARIES_INIT "-ladvapi32 -luser32 -lws2_32 -lkernel32")

# Windows 8.1 and Server 2012 R2 are the oldest that run a supported SQL Server; UCRT's and
# winpthread's printf understand C99's formats only when told so.
set(CMAKE_C_FLAGS_INIT "-D_WIN32_WINNT=0x0603 -D__USE_MINGW_ANSI_STDIO=1 -DWIN32_LEAN_AND_MEAN -D_FILE_OFFSET_BITS=64")

# The linker's share of Windows' protections: data execution prevention and address space layout
# randomisation over the whole 64 bits. Control Flow Guard is not among them: GCC does not make it.
set(harden "-static -Wl,--nxcompat,--dynamicbase,--high-entropy-va")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${harden}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${harden}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "${harden}")

# Tests run under Wine; the wrapper answers 77 (skipped) with the reason where there is none.
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../tests/windows/run-wine)
