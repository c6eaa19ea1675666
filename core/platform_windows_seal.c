/* SPDX-License-Identifier: Apache-2.0
 *
 * Files sealed with DPAPI: a mark, then the output of CryptProtectData. Any account that can read a
 * file sealed to the machine can unseal it, so that an administrator can create it for the account
 * of a service; the access list of the file protects it. The sealing makes a copy, as in a backup,
 * useless on another machine. Only the account that sealed a file to itself can unseal it.
 */
#include "core/platform_windows.h"

#include <dpapi.h>
#include <string.h>
#include <wincrypt.h>

static const char mark[] = "p11ekm DPAPI 1\n";
enum { MARK = sizeof mark - 1 };

core_status core_file_create_sealed(const char *path, const void *bytes, size_t length,
                                    core_seal_scope scope, core_err *err)
{
    core_status st = ST_NO_MEMORY;
    uint8_t copy[256], *file = NULL;
    DATA_BLOB plain = {(DWORD)length, copy}, sealed = {0, NULL};
    if (length == 0 || length > sizeof copy)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s: 1 to %zu bytes can be sealed", path,
                         sizeof copy);
    memcpy(copy, bytes, length); /* the argument of the function is not const */
    if (!CryptProtectData(&plain, L"p11ekm", NULL, NULL, NULL,
                          CRYPTPROTECT_UI_FORBIDDEN |
                              (scope == CORE_SEAL_USER ? 0 : CRYPTPROTECT_LOCAL_MACHINE),
                          &sealed)) {
        st = core_fail(err, ST_IO, "%s: Windows does not seal it: %s", path,
                       core_win_error(GetLastError()).text);
        goto done;
    }
    file = core_calloc(MARK + (size_t)sealed.cbData, 1);
    if (file == NULL) {
        st = core_fail(err, ST_NO_MEMORY, "%s: out of memory", path);
        goto done;
    }
    memcpy(file, mark, MARK);
    memcpy(file + MARK, sealed.pbData, sealed.cbData);
    st = core_file_create(path, file, MARK + (size_t)sealed.cbData, err);
done:
    core_wipe(copy, sizeof copy);
    core_free(file);
    (void)LocalFree(sealed.pbData);
    return st;
}

bool core_seal_marked(const core_secret *file)
{
    return file->length >= MARK && memcmp(file->data, mark, MARK) == 0;
}

core_status core_seal_open(const char *path, core_secret *file, core_err *err)
{
    DATA_BLOB sealed = {(DWORD)(file->length - MARK), file->data + MARK}, plain = {0, NULL};
    core_secret opened = {0};
    if (!CryptUnprotectData(&sealed, NULL, NULL, NULL, NULL, CRYPTPROTECT_UI_FORBIDDEN, &plain))
        return core_fail(err, ST_PIN_SOURCE,
                         "%s: Windows does not open it: %s; it was sealed on another machine or by "
                         "another account (--user), or is damaged: make it again with p11ekm pin "
                         "protect",
                         path, core_win_error(GetLastError()).text);
    core_status st = core_secret_open(&opened, (size_t)plain.cbData + 1);
    if (st == ST_OK) {
        if (plain.cbData > 0) /* the address of no bytes may be NULL */
            memcpy(opened.data, plain.pbData, plain.cbData);
        opened.length = plain.cbData;
        opened.data[opened.length] = '\0';
        core_secret_close(file);
        *file = opened;
    }
    core_wipe(plain.pbData, plain.cbData);
    (void)LocalFree(plain.pbData);
    return st;
}
