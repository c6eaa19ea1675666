# SPDX-License-Identifier: Apache-2.0
# What only Windows' files need: names without "lib", a version resource, a signature, and the zip.
# Included before the rooms; the work is done after them, when their targets exist.
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

# Names and types of all, and a signing step behind their linking. The signature is made where the
# file lies, so that the tests load what is shipped.
function(p11ekm_windows_finish)
    set(before "")
    foreach(row
            "p11ekm|p11ekm.dll|VFT_DLL|EKM provider and Always Encrypted key store over PKCS#11"
            "p11ekm_cli|p11ekm.exe|VFT_APP|p11ekm, the administrators' tool"
            "ekmsql|ekmsql.exe|VFT_APP|ekmsql, a double of SQL Server's side for tests")
        string(REPLACE "|" ";" row "${row}")
        list(GET row 0 target)
        if(TARGET ${target})
            list(POP_FRONT row)
            p11ekm_windows_resource(${target} ${row})
            set_target_properties(${target} PROPERTIES PREFIX "")
            list(GET row 0 file)
            # Symbols stay beside the file (keep-symbols): of no use to Windows' debuggers and ten
            # times the size, but they turn the "p11ekm+offset" of a dump into a function. No time
            # stamps: the same sources make the same bytes.
            target_link_options(${target} PRIVATE LINKER:--no-insert-timestamp
                LINKER:-Map=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${file}.map)
            add_custom_target(${target}_signed ALL
                COMMAND ${PROJECT_SOURCE_DIR}/scripts/windows/keep-symbols ${CMAKE_OBJCOPY}
                    $<TARGET_FILE:${target}>
                COMMAND ${PROJECT_SOURCE_DIR}/scripts/windows/sign --in ${PROJECT_BINARY_DIR}/signing
                    $<TARGET_FILE:${target}>
                COMMENT "Signing" VERBATIM)
            add_dependencies(${target}_signed ${target} ${before})
            set(before ${target}_signed) # one after the other: the first makes the certificate
        endif()
    endforeach()
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
    # Only the test signature comes with its certificate.
    install(FILES ${PROJECT_BINARY_DIR}/signing/p11ekm-test.cer DESTINATION . OPTIONAL)
    set(CPACK_GENERATOR ZIP)
    set(CPACK_PACKAGE_FILE_NAME p11ekm-${PROJECT_VERSION}-windows-x64)
    set(CPACK_PACKAGE_VENDOR p11ekm)
    include(CPack)
endfunction()
cmake_language(DEFER CALL p11ekm_windows_finish)
