/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks files for another account, and lists the log and audit files of all accounts. Only reads
 * security descriptors: the rights of the account are computed, not tried.
 */
#include "core/platform_account.h"
#include "core/platform_windows_path.h"

#include <string.h>

/* *out NULL with ST_OK: the file does not exist. */
static core_status read_descriptor(const char *path, PSECURITY_DESCRIPTOR *out, core_err *err)
{
    DWORD error = 0;
    *out = NULL;
    HANDLE file = core_open_path(path, READ_CONTROL, CORE_SHARE_ALL, NULL, OPEN_EXISTING,
                                 FILE_FLAG_BACKUP_SEMANTICS, &error);
    if (file == INVALID_HANDLE_VALUE)
        return error == ERROR_FILE_NOT_FOUND ? ST_OK
                                             : core_fail_windows(err, path, "examine it", error);
    const core_status st = core_acl_read(file, path, out, err);
    (void)CloseHandle(file);
    return st;
}

/* The account as an operand of icacls that every shell accepts: PowerShell expands '$', so the SID
 * is used. */
static void icacls_name(const char *account, const core_sid *user, char out[200])
{
    char sid[192];
    core_account_sid_text((PSID)(uintptr_t)user->bytes, sid);
    if (strchr(account, '$') != NULL || strncmp(account, "S-1-", 4) == 0)
        (void)snprintf(out, 200, "*%s", sid);
    else
        (void)snprintf(out, 200, "%.190s", account);
}

static core_status no_right(const char *account, const core_sid *user, const char *path,
                            const char *what, const char *right, core_err *err)
{
    char name[200];
    icacls_name(account, user, name);
    return core_fail(err, ST_IO, "%s: %s may not %s; icacls \"%s\" /grant \"%s:%s\"", path, account,
                     what, path, name, right);
}

/* Checks that the account may create a file that does not exist yet. */
static core_status check_folder(const char *account, core_sid *user, const char *path,
                                core_err *err)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    char *folder = core_path_directory(path);
    if (folder == NULL)
        return core_fail(err, ST_IO, "%s: not in a folder; name one for it", path);
    core_status st = read_descriptor(folder, &descriptor, err);
    if (st == ST_OK && descriptor == NULL)
        st = core_fail(err, ST_IO, "%s: no such folder; make it first", folder);
    if (st == ST_OK && !core_acl_grants(descriptor, user->bytes, FILE_ADD_FILE | FILE_TRAVERSE))
        st = no_right(account, user, folder, "create files in this folder", "(OI)(CI)M", err);
    (void)LocalFree(descriptor);
    core_free(folder);
    return st;
}

core_status core_file_check_as(const char *account, const char *path, core_file_kind kind,
                               core_err *err)
{
    core_sid user;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    const bool log = kind == CORE_FILE_LOG;
    core_status st = core_account_find(account, &user, err);
    if (st != ST_OK)
        return st;
    st = read_descriptor(path, &descriptor, err);
    if (st != ST_OK)
        return st;
    if (descriptor == NULL && log)
        return check_folder(account, &user, path, err);
    if (descriptor == NULL)
        return core_fail(err, core_file_status(kind, true), "%s: no such file; %s", path,
                         core_file_remedy(kind));
    st = core_acl_check_descriptor(descriptor, user.bytes, path, core_forbidden(kind), err);
    if (st == ST_OK && log && !core_acl_grants(descriptor, user.bytes, FILE_APPEND_DATA))
        st = no_right(account, &user, path, "append to it", "M", err);
    if (st == ST_OK && !log &&
        !core_acl_grants(descriptor, user.bytes, FILE_READ_DATA | FILE_READ_ATTRIBUTES))
        st = no_right(account, &user, path, "read it", kind == CORE_FILE_MODULE ? "RX" : "R", err);
    if (st == ST_OK && !log)
        st = core_check_above(path, user.bytes, kind == CORE_FILE_MODULE, err);
    (void)LocalFree(descriptor);
    return st;
}

core_status core_account_path(const char *path, const char *account, char **out, core_err *err)
{
    char name[192] = "";
    core_str text = {.limit = 64 * 1024};
    core_status st = ST_OK;
    *out = NULL;
    if (strstr(path, "%u") != NULL)
        st = core_account_file_name(account, name, err);
    if (st != ST_OK)
        return st;
    for (const char *at = strstr(path, "%u"); at != NULL; at = strstr(path, "%u")) {
        core_str_addn(&text, path, (size_t)(at - path));
        core_str_add(&text, name);
        path = at + 2;
    }
    core_str_add(&text, path);
    if (!text.failed)
        *out = core_strdup(core_str_get(&text));
    core_str_free(&text);
    return *out != NULL ? ST_OK : core_fail(err, ST_NO_MEMORY, "out of memory for a path");
}

/* The account that writes a log: the owner, else the first account with an entry, that is not
 * Administrators or SYSTEM. False: there is none. */
static bool writer_of(PSECURITY_DESCRIPTOR descriptor, core_sid *out)
{
    PSID owner = NULL;
    PACL acl = NULL;
    BOOL defaulted = FALSE, present = FALSE;
    if (GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) && owner != NULL &&
        !IsWellKnownSid(owner, WinBuiltinAdministratorsSid) &&
        !IsWellKnownSid(owner, WinLocalSystemSid))
        return CopySid(sizeof out->bytes, out->bytes, owner) != 0;
    if (!GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted) || !present ||
        acl == NULL)
        return false;
    for (DWORD i = 0; i < acl->AceCount; i++) {
        void *at = NULL;
        if (!GetAce(acl, i, &at))
            return false;
        ACCESS_ALLOWED_ACE *ace = at;
        if (ace->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
            (ace->Mask & core_forbidden(CORE_FILE_LOG)) != 0 &&
            !IsWellKnownSid(&ace->SidStart, WinBuiltinAdministratorsSid) &&
            !IsWellKnownSid(&ace->SidStart, WinLocalSystemSid))
            return CopySid(sizeof out->bytes, out->bytes, &ace->SidStart) != 0;
    }
    return false;
}

static void visit_file(const char *path, core_account_visit visit, void *context)
{
    core_err err = {.status = ST_OK};
    core_sid writer;
    char account[192] = "administrators";
    PSECURITY_DESCRIPTOR descriptor = NULL;
    core_status st = read_descriptor(path, &descriptor, &err);
    if (st == ST_OK && descriptor == NULL)
        return; /* removed since the directory was read */
    if (st == ST_OK) {
        const bool known = writer_of(descriptor, &writer);
        if (known)
            core_account_text(writer.bytes, account);
        st = core_acl_check_descriptor(descriptor, known ? writer.bytes : NULL, path,
                                       core_forbidden(CORE_FILE_LOG), &err);
    }
    visit(context, path, account, st, &err);
    (void)LocalFree(descriptor);
}

void core_account_files(const char *pattern, core_account_visit visit, void *context)
{
    WIN32_FIND_DATAW found;
    core_str text = {.limit = 64 * 1024};
    char *folder = core_path_directory(pattern);
    const char *last = folder == NULL ? pattern : pattern + strlen(folder);
    const char *at = strstr(last, "%u");
    wchar_t *wide = NULL;
    HANDLE search = INVALID_HANDLE_VALUE;
    if (folder != NULL && at != NULL) {
        core_str_addn(&text, pattern, (size_t)(at - pattern));
        core_str_addf(&text, "*%s", at + 2);
        wide = text.failed ? NULL : core_wide_path(core_str_get(&text));
    }
    if (wide != NULL)
        search = FindFirstFileW(wide, &found);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            char *name = core_utf8_path(found.cFileName);
            core_str path = {.limit = 64 * 1024};
            core_str_addf(&path, "%s%s%s", folder, strchr("\\/", *last) != NULL ? "\\" : "",
                          name == NULL ? "" : name);
            if (name != NULL && !path.failed &&
                (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
                visit_file(core_str_get(&path), visit, context);
            core_str_free(&path);
            core_free(name);
        } while (FindNextFileW(search, &found));
        (void)FindClose(search);
    }
    core_free(wide);
    core_str_free(&text);
    core_free(folder);
}
