/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands between p11ekm and Windows under Wine, which keeps Unix rights and knows one user: files
 * have the security descriptors that they were made with, and the process runs as the account that
 * the environment names. Test copies of p11ekm.exe and p11ekm.dll import it (P11SHIM1.dll) instead
 * of KERNEL32 and ADVAPI32; what is not here is forwarded (shim_def.py).
 *
 *   P11SHIM_DIR     folder of the descriptors: one file for each path, in SDDL
 *   P11SHIM_SIDS    SIDs of the process: first its user, then its groups, apart by blanks
 *   P11SHIM_NAMES   SID=DOMAIN\name, apart by ';'
 *
 * An access that the descriptor does not grant fails with ERROR_ACCESS_DENIED.
 */
#include <windows.h>

#include <accctrl.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 4096, SIDS = 8 };
#define ROOT_SDDL L"O:BAD:(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"

static const wchar_t *variable(const wchar_t *name)
{
    static wchar_t values[3][TEXT];
    wchar_t *value = values[name[8] == L'D' ? 0 : name[8] == L'S' ? 1 : 2];
    if (GetEnvironmentVariableW(name, value, TEXT) == 0)
        value[0] = L'\0';
    return value;
}

static size_t token_sids(PSID sids[SIDS])
{
    wchar_t text[TEXT];
    size_t count = 0;
    (void)swprintf(text, TEXT, L"%ls", variable(L"P11SHIM_SIDS"));
    for (wchar_t *word = wcstok(text, L" "); word != NULL && count < SIDS;
         word = wcstok(NULL, L" "))
        count += ConvertStringSidToSidW(word, &sids[count]) != 0;
    return count;
}

/* The file that stores the descriptor of a path. */
static void sidecar(const wchar_t *path, wchar_t out[TEXT])
{
    wchar_t name[TEXT];
    (void)swprintf(name, TEXT, L"%ls", path);
    for (wchar_t *c = name; *c != L'\0'; c++)
        *c = wcschr(L"\\/:", *c) != NULL ? L'_' : (wchar_t)towlower(*c);
    (void)swprintf(out, TEXT, L"%ls\\%ls", variable(L"P11SHIM_DIR"), name);
}

static bool read_sddl(const wchar_t *path, wchar_t sddl[TEXT])
{
    char text[TEXT] = "";
    wchar_t file[TEXT];
    DWORD got = 0;
    sidecar(path, file);
    HANDLE in = CreateFileW(file, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (in == INVALID_HANDLE_VALUE)
        return false;
    (void)ReadFile(in, text, TEXT - 1, &got, NULL);
    (void)CloseHandle(in);
    (void)swprintf(sddl, TEXT, L"%hs", text);
    return got != 0;
}

static void write_sddl(const wchar_t *path, const char *sddl)
{
    wchar_t file[TEXT];
    DWORD put = 0;
    sidecar(path, file);
    HANDLE out = CreateFileW(file, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    (void)WriteFile(out, sddl, (DWORD)strlen(sddl), &put, NULL);
    (void)CloseHandle(out);
}

/* The entries that a file in a folder inherits from it. */
static void inherit(const wchar_t *folder, wchar_t out[TEXT])
{
    const wchar_t *owner_end = wcsstr(folder, L"D:");
    (void)swprintf(out, TEXT, L"%.*lsD:", (int)(owner_end - folder), folder);
    for (const wchar_t *at = wcschr(folder, L'('); at != NULL; at = wcschr(at + 1, L'(')) {
        wchar_t entry[256] = L"";
        const wchar_t *flags = wcschr(at, L';') + 1, *rest = wcschr(flags, L';');
        const wchar_t *end = wcschr(at, L')');
        if (wcsncmp(flags, L"OI", 2) == 0 || wcsncmp(flags, L"CIOI", 4) == 0) {
            (void)swprintf(entry, 256, L"(A;ID%.*ls", (int)(end + 1 - rest), rest);
            wcsncat(out, entry, TEXT - wcslen(out) - 1);
        }
    }
}

static void sddl_of(const wchar_t *path, wchar_t sddl[TEXT])
{
    wchar_t parent[TEXT], above[TEXT];
    if (read_sddl(path, sddl))
        return;
    (void)swprintf(parent, TEXT, L"%ls", path);
    wchar_t *slash = wcsrchr(parent, L'\\');
    if (slash == NULL || slash == parent + 2) {
        (void)swprintf(sddl, TEXT, L"%ls", ROOT_SDDL);
        return;
    }
    *slash = L'\0';
    sddl_of(parent, above);
    if ((GetFileAttributesW(path) & FILE_ATTRIBUTE_DIRECTORY) != 0)
        (void)swprintf(sddl, TEXT, L"%ls", above);
    else
        inherit(above, sddl);
}

static bool granted(const wchar_t *sddl, ACCESS_MASK wanted)
{
    static GENERIC_MAPPING files = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                                    FILE_ALL_ACCESS};
    PSID sids[SIDS], owner = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    PACL acl = NULL;
    BOOL present = FALSE, defaulted = FALSE;
    const size_t count = token_sids(sids);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor,
                                                              NULL) ||
        !GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted) ||
        !GetSecurityDescriptorOwner(descriptor, &owner, &defaulted)) {
        fprintf(stderr, "shim: bad descriptor %ls\n", sddl);
        exit(99);
    }
    MapGenericMask(&wanted, &files);
    wanted &= ~(ACCESS_MASK)(SYNCHRONIZE | FILE_READ_ATTRIBUTES); /* the folder grants these */
    for (size_t s = 0; s < count; s++) {
        if (EqualSid(sids[s], owner))
            wanted &= ~(ACCESS_MASK)(READ_CONTROL | WRITE_DAC);
        for (DWORD i = 0; i < acl->AceCount; i++) {
            ACCESS_ALLOWED_ACE *ace = NULL;
            if (GetAce(acl, i, (void **)&ace) && (ace->Header.AceFlags & INHERIT_ONLY_ACE) == 0 &&
                EqualSid(&ace->SidStart, sids[s]))
                wanted &= ~ace->Mask;
        }
    }
    (void)LocalFree(descriptor);
    return wanted == 0;
}

HANDLE WINAPI shim_CreateFileW(LPCWSTR path, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES sa,
                               DWORD how, DWORD flags, HANDLE model)
{
    wchar_t full[TEXT], sddl[TEXT];
    if (path[0] == L'\\' || GetFullPathNameW(path, TEXT, full, NULL) == 0 || full[1] != L':')
        return CreateFileW(path, access, share, sa, how, flags, model);
    const bool there = GetFileAttributesW(full) != INVALID_FILE_ATTRIBUTES;
    if (there) {
        sddl_of(full, sddl);
    } else {
        wchar_t folder[TEXT];
        (void)swprintf(folder, TEXT, L"%ls", full);
        wchar_t *slash = wcsrchr(folder, L'\\');
        *slash = L'\0';
        sddl_of(folder, sddl);
    }
    if (there && how != CREATE_NEW && !granted(sddl, access)) {
        SetLastError(ERROR_ACCESS_DENIED);
        return INVALID_HANDLE_VALUE;
    }
    if (!there && how != OPEN_EXISTING && !granted(sddl, FILE_ADD_FILE)) {
        SetLastError(ERROR_ACCESS_DENIED);
        return INVALID_HANDLE_VALUE;
    }
    HANDLE file = CreateFileW(full, access, share, NULL, how, flags, model);
    const DWORD error = GetLastError();
    char *text = NULL;
    if (file != INVALID_HANDLE_VALUE && !there && sa != NULL &&
        ConvertSecurityDescriptorToStringSecurityDescriptorA(
            sa->lpSecurityDescriptor, SDDL_REVISION_1,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &text, NULL)) {
        write_sddl(full, text);
        (void)LocalFree(text);
    }
    SetLastError(error);
    return file;
}

/* A renamed file keeps its descriptor. */
BOOL WINAPI shim_MoveFileExW(LPCWSTR from, LPCWSTR to, DWORD flags)
{
    wchar_t full[TEXT], there[TEXT], old[TEXT], new[TEXT];
    if (!MoveFileExW(from, to, flags))
        return FALSE;
    if (GetFullPathNameW(from, TEXT, full, NULL) != 0 &&
        GetFullPathNameW(to, TEXT, there, NULL) != 0) {
        sidecar(full, old);
        sidecar(there, new);
        (void)MoveFileExW(old, new, MOVEFILE_REPLACE_EXISTING);
    }
    return TRUE;
}

DWORD WINAPI shim_GetSecurityInfo(HANDLE file, SE_OBJECT_TYPE type, SECURITY_INFORMATION what,
                                  PSID *owner, PSID *group, PACL *dacl, PACL *sacl,
                                  PSECURITY_DESCRIPTOR *out)
{
    wchar_t path[TEXT], sddl[TEXT];
    (void)type, (void)what, (void)owner, (void)group, (void)dacl, (void)sacl;
    if (GetFinalPathNameByHandleW(file, path, TEXT, VOLUME_NAME_DOS) == 0)
        return GetLastError();
    sddl_of(wcsncmp(path, L"\\\\?\\", 4) == 0 ? path + 4 : path, sddl);
    return ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, out, NULL)
               ? ERROR_SUCCESS
               : GetLastError();
}

BOOL WINAPI shim_GetTokenInformation(HANDLE token, TOKEN_INFORMATION_CLASS class, LPVOID out,
                                     DWORD size, PDWORD used)
{
    PSID sids[SIDS];
    if (class != TokenUser || token_sids(sids) == 0)
        return GetTokenInformation(token, class, out, size, used);
    TOKEN_USER *user = out;
    user->User.Attributes = 0;
    user->User.Sid = user + 1;
    *used = size;
    return CopySid(size - (DWORD)sizeof *user, user->User.Sid, sids[0]);
}

BOOL WINAPI shim_CheckTokenMembership(HANDLE token, PSID sid, PBOOL member)
{
    PSID sids[SIDS];
    const size_t count = token_sids(sids);
    (void)token;
    *member = FALSE;
    for (size_t i = 0; i < count; i++)
        *member = *member || EqualSid(sids[i], sid);
    return TRUE;
}

BOOL WINAPI shim_LookupAccountSidW(LPCWSTR system, PSID sid, LPWSTR name, LPDWORD name_size,
                                   LPWSTR domain, LPDWORD domain_size, PSID_NAME_USE use)
{
    wchar_t names[TEXT], *text = NULL;
    (void)swprintf(names, TEXT, L"%ls", variable(L"P11SHIM_NAMES"));
    if (!ConvertSidToStringSidW(sid, &text))
        return FALSE;
    for (wchar_t *word = wcstok(names, L";"); word != NULL; word = wcstok(NULL, L";")) {
        wchar_t *is = wcschr(word, L'='), *slash = wcschr(word, L'\\');
        *is = *slash = L'\0';
        if (wcscmp(word, text) == 0) {
            (void)swprintf(domain, *domain_size, L"%ls", is + 1);
            (void)swprintf(name, *name_size, L"%ls", slash + 1);
            (void)LocalFree(text);
            *use = SidTypeUser;
            return TRUE;
        }
    }
    (void)LocalFree(text);
    return LookupAccountSidW(system, sid, name, name_size, domain, domain_size, use);
}
