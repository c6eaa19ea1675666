# SPDX-License-Identifier: Apache-2.0
# What only the files for Windows need: names without "lib", a version resource, a signature, and the
# zip. This file is included before the components; p11ekm_windows_finish runs when their targets exist.
if(NOT WIN32)
    return()
endif()
enable_language(RC)

function(p11ekm_windows_resource target file type description)
    set(P11EKM_RC_FILE ${file})
    set(P11EKM_RC_TYPE ${type})
    set(P11EKM_RC_DESCRIPTION ${description})
    set(P11EKM_RC_MANIFEST "")
    if(type STREQUAL VFT_APP)
        set(P11EKM_RC_MANIFEST "1 24 \"${PROJECT_SOURCE_DIR}/module/p11ekm.manifest\"")
    endif()
    set(rc ${PROJECT_BINARY_DIR}/generated/${file}.rc)
    configure_file(${PROJECT_SOURCE_DIR}/module/p11ekm.rc.in ${rc} @ONLY)
    target_sources(${target} PRIVATE ${rc})
    set_source_files_properties(${rc} TARGET_DIRECTORY ${target} PROPERTIES LANGUAGE RC
        OBJECT_DEPENDS ${PROJECT_SOURCE_DIR}/module/p11ekm.manifest)
endfunction()

# Sets the name and the version resource of each file, and adds a step that signs it after it is linked.
# The file is signed in the build tree, so that the tests load the file that is shipped.
function(p11ekm_windows_finish)
    set(before "")
    foreach(row
            "p11ekm|p11ekm.dll|VFT_DLL|EKM provider and Always Encrypted key store over PKCS#11"
            "p11ekm_cli|p11ekm.exe|VFT_APP|p11ekm, the administrators' tool"
            "p11ekm_ekmsql|ekmsql.exe|VFT_APP|ekmsql, a double of SQL Server's side for tests")
        string(REPLACE "|" ";" row "${row}")
        list(GET row 0 target)
        if(TARGET ${target})
            list(POP_FRONT row)
            p11ekm_windows_resource(${target} ${row})
            set_target_properties(${target} PROPERTIES PREFIX "")
            list(GET row 0 file)
            # keep-symbols moves the symbols to a file in the same folder. Debuggers of Windows cannot
            # read them and they are ten times the size of the code, but they turn the "p11ekm+offset"
            # of a dump into a function. No time stamps, so that the same sources make the same bytes.
            target_link_options(${target} PRIVATE LINKER:--no-insert-timestamp
                LINKER:-Map=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${file}.map)
            add_custom_target(${target}_signed ALL
                COMMAND ${PROJECT_SOURCE_DIR}/scripts/windows/keep-symbols ${CMAKE_OBJCOPY}
                    $<TARGET_FILE:${target}>
                COMMAND ${PROJECT_SOURCE_DIR}/scripts/windows/sign --in ${PROJECT_BINARY_DIR}/signing
                    $<TARGET_FILE:${target}>
                COMMENT "Signing" VERBATIM)
            add_dependencies(${target}_signed ${target} ${before})
            set(before ${target}_signed) # one target at a time: the first makes the certificate
        endif()
    endforeach()
    if(NOT P11EKM_INSTALL)
        return()
    endif()
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/scripts/windows/ DESTINATION scripts
        FILES_MATCHING PATTERN "*.ps1" PATTERN accept EXCLUDE)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/scripts/tsql DESTINATION scripts OPTIONAL)
    foreach(page README.md CHANGELOG.md LICENSE)
        install(FILES ${PROJECT_SOURCE_DIR}/${page} DESTINATION .)
    endforeach()
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION . FILES_MATCHING PATTERN "*.md")
    if(TARGET p11ekm)
        install(FILES $<TARGET_LINKER_FILE:p11ekm> DESTINATION lib)
    endif()
    # The certificate is installed only if the signature is the test signature.
    install(FILES ${PROJECT_BINARY_DIR}/signing/p11ekm-test.cer DESTINATION . OPTIONAL)
    set(CPACK_GENERATOR ZIP)
    set(CPACK_PACKAGE_FILE_NAME p11ekm-${PROJECT_VERSION}-windows-x64)
    set(CPACK_PACKAGE_VENDOR p11ekm)
    include(CPack)
endfunction()
cmake_language(DEFER CALL p11ekm_windows_finish)
