/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: the account of the process, its elevation, the SID of a name, and names for display and
 * for file names. All of it uses the token of the process: a thread of SQL Server may impersonate a
 * client, whose rights must not be used.
 */
#include "core/platform_windows.h"

#include <sddl.h>
#include <string.h>
#include <openssl/evp.h>
#include "core/crypto.h"
#include "core/platform_account.h"

bool core_account_self(core_sid *out)
{
    HANDLE token = NULL;
    bool ok = false;
    struct {
        TOKEN_USER user;
        uint8_t sid[SECURITY_MAX_SID_SIZE];
    } info;
    DWORD size = 0;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    if (GetTokenInformation(token, TokenUser, &info, sizeof info, &size))
        ok = CopySid(sizeof out->bytes, out->bytes, info.user.User.Sid) != 0;
    (void)CloseHandle(token);
    return ok;
}

bool core_account_elevated(void)
{
    HANDLE token = NULL, copy = NULL;
    core_sid administrators;
    DWORD size = sizeof administrators.bytes;
    BOOL member = FALSE;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &token))
        return false;
    if (!CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, administrators.bytes, &size) ||
        !DuplicateToken(token, SecurityIdentification, &copy) ||
        !CheckTokenMembership(copy, administrators.bytes, &member))
        member = FALSE;
    if (copy != NULL)
        (void)CloseHandle(copy);
    (void)CloseHandle(token);
    return member != FALSE;
}

bool core_impersonation_pause(HANDLE *client)
{
    *client = NULL;
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_IMPERSONATE, TRUE, client)) {
        *client = NULL;
        return GetLastError() == ERROR_NO_TOKEN;
    }
    if (RevertToSelf())
        return true;
    (void)CloseHandle(*client);
    *client = NULL;
    return false;
}

void core_impersonation_resume(HANDLE client)
{
    const DWORD error = GetLastError();
    if (client == NULL)
        return;
    if (!SetThreadToken(NULL, client))
        core_system_log(0, "a thread could not resume the impersonation of its client");
    (void)CloseHandle(client);
    SetLastError(error);
}

bool core_account_is_service(PSID sid)
{
    static const SID_IDENTIFIER_AUTHORITY nt = SECURITY_NT_AUTHORITY;
    return memcmp(GetSidIdentifierAuthority(sid), &nt, sizeof nt) == 0 &&
           *GetSidSubAuthorityCount(sid) == SECURITY_SERVICE_ID_RID_COUNT &&
           *GetSidSubAuthority(sid, 0) == SECURITY_SERVICE_ID_BASE_RID;
}

/* Windows derives the SID of a service from the SHA-1 of its upper-case name in UTF-16. */
static bool service_sid(const wchar_t *name, core_sid *out)
{
    static const SID_IDENTIFIER_AUTHORITY nt = SECURITY_NT_AUTHORITY;
    wchar_t upper[128];
    uint8_t digest[20];
    size_t length = 0;
    if (wcslen(name) >= 128 || core_crypto_open() != ST_OK)
        return false;
    memcpy(upper, name, (wcslen(name) + 1) * sizeof *upper);
    (void)CharUpperBuffW(upper, (DWORD)wcslen(upper));
    const bool hashed = EVP_Q_digest(core_crypto_ctx(), "SHA1", NULL, upper,
                                     wcslen(upper) * sizeof *upper, digest, &length) == 1;
    core_crypto_close();
    if (!hashed || !InitializeSid(out->bytes, (SID_IDENTIFIER_AUTHORITY *)(uintptr_t)&nt,
                                  SECURITY_SERVICE_ID_RID_COUNT))
        return false;
    *GetSidSubAuthority(out->bytes, 0) = SECURITY_SERVICE_ID_BASE_RID;
    for (DWORD i = 0; i < sizeof digest / 4; i++)
        memcpy(GetSidSubAuthority(out->bytes, i + 1), digest + 4 * (size_t)i, 4);
    return true;
}

static bool from_sid_text(const wchar_t *text, core_sid *out)
{
    PSID sid = NULL;
    if (!ConvertStringSidToSidW(text[0] == L'*' ? text + 1 : text, &sid))
        return false;
    const bool ok = CopySid(sizeof out->bytes, out->bytes, sid) != 0;
    (void)LocalFree(sid);
    return ok;
}

core_status core_account_find(const char *name, core_sid *out, core_err *err)
{
    static const wchar_t service[] = L"NT SERVICE\\";
    enum { PREFIX = sizeof service / sizeof *service - 1 };
    wchar_t wide[256], domain[256];
    DWORD size = sizeof out->bytes, domain_length = 256;
    SID_NAME_USE use;
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide, 256) == 0)
        return core_fail(err, ST_INVALID_ARGUMENT, "%s: not the name of an account", name);
    if (from_sid_text(wide, out))
        return ST_OK;
    if (_wcsnicmp(wide, service, PREFIX) == 0 && service_sid(wide + PREFIX, out))
        return ST_OK;
    if (LookupAccountNameW(NULL, wide, out->bytes, &size, domain, &domain_length, &use))
        return ST_OK;
    return core_fail(err, ST_NOT_FOUND,
                     "%s: no such account (%s); write DOMAIN\\name, NT SERVICE\\name or a SID",
                     name, core_win_error(GetLastError()).text);
}

void core_account_sid_text(PSID sid, char out[192])
{
    wchar_t *text = NULL;
    memcpy(out, "?", 2);
    if (!ConvertSidToStringSidW(sid, &text))
        return;
    if (WideCharToMultiByte(CP_UTF8, 0, text, -1, out, 192, NULL, NULL) == 0)
        memcpy(out, "?", 2);
    (void)LocalFree(text);
}

/* False if Windows does not know the name; both are empty then. */
static bool look_up(PSID sid, wchar_t name[64], wchar_t domain[64])
{
    DWORD name_length = 64, domain_length = 64;
    SID_NAME_USE use;
    if (LookupAccountSidW(NULL, sid, name, &name_length, domain, &domain_length, &use))
        return true;
    name[0] = domain[0] = L'\0';
    return false;
}

void core_account_text(PSID sid, char out[192])
{
    wchar_t name[64], domain[64], both[130];
    if (!look_up(sid, name, domain)) {
        core_account_sid_text(sid, out);
        return;
    }
    (void)swprintf(both, 130, L"%ls%ls%ls", domain, domain[0] != L'\0' ? L"\\" : L"", name);
    if (WideCharToMultiByte(CP_UTF8, 0, both, -1, out, 192, NULL, NULL) == 0)
        core_account_sid_text(sid, out);
}

/* The authority of Windows' own accounts is omitted: MSSQLSERVER, SYSTEM; others are
 * DOMAIN_name.
 */
static void file_name_of(PSID sid, char out[192])
{
    wchar_t name[64], domain[64], both[130];
    if (!look_up(sid, name, domain)) {
        core_account_sid_text(sid, out);
        return;
    }
    const bool is_builtin = wcsncmp(domain, L"NT ", 3) == 0 || domain[0] == L'\0';
    (void)swprintf(both, 130, L"%ls%ls%ls", is_builtin ? L"" : domain, is_builtin ? L"" : L"_",
                   name);
    for (wchar_t *c = both; *c != L'\0'; c++) {
        if (*c < L' ' || wcschr(L"<>:\"/\\|?*%", *c) != NULL)
            *c = L'_';
    }
    if (WideCharToMultiByte(CP_UTF8, 0, both, -1, out, 192, NULL, NULL) == 0)
        core_account_sid_text(sid, out);
}

core_status core_account_file_name(const char *account, char out[192], core_err *err)
{
    core_sid sid;
    core_status st = ST_OK;
    if (account != NULL)
        st = core_account_find(account, &sid, err);
    else if (!core_account_self(&sid))
        st = core_fail(err, ST_IO, "cannot determine the account of this process");
    if (st == ST_OK)
        file_name_of(sid.bytes, out);
    return st;
}

const char *core_file_readers(void)
{
    return core_account_elevated() ? "by administrators only" : "by you and administrators only";
}

const char *core_service_account(void)
{
    return "NT SERVICE\\MSSQLSERVER";
}

/* Adds the services of all SQL Server instances on this machine as operands of icacls; MSSQLSERVER
 * if the registry has none. For a name with a '$', which PowerShell would expand, adds the SID. */
static void add_services(core_str *out)
{
    static const wchar_t key_name[] =
        L"SOFTWARE\\Microsoft\\Microsoft SQL Server\\Instance Names\\SQL";
    HKEY key = NULL;
    DWORD count = 0;
    wchar_t instance[64], service[80];
    core_sid sid;
    char text[192];
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, key_name, 0, KEY_READ, &key) == ERROR_SUCCESS) {
        for (DWORD length = 64;
             RegEnumValueW(key, count, instance, &length, NULL, NULL, NULL, NULL) == ERROR_SUCCESS;
             length = 64) {
            count++;
            if (_wcsicmp(instance, L"MSSQLSERVER") == 0) {
                core_str_add(out, " \"NT SERVICE\\MSSQLSERVER:R\"");
                continue;
            }
            (void)swprintf(service, 80, L"MSSQL$%ls", instance);
            if (service_sid(service, &sid)) {
                core_account_sid_text(sid.bytes, text);
                core_str_addf(out, " *%s:R", text);
            }
        }
        (void)RegCloseKey(key);
    }
    if (count == 0)
        core_str_add(out, " \"NT SERVICE\\MSSQLSERVER:R\"");
}

/* Without elevation the user owns the file, and the account of SQL Server does not trust that user.
 */
void core_file_share_command(const char *path, core_str *out)
{
    core_sid self;
    char sid[192];
    core_str_addf(out, "icacls \"%s\" /grant", path);
    add_services(out);
    if (core_account_elevated() || !core_account_self(&self))
        return;
    core_account_sid_text(self.bytes, sid);
    core_str_addf(out,
                  "\n        and, since this prompt is not elevated, in one that is:\n"
                  "        icacls \"%s\" /setowner *S-1-5-32-544\n"
                  "        icacls \"%s\" /remove:g *%s",
                  path, path, sid);
}
