/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may change or read a file, by its access control list. Trusted are those who rule the machine
 * anyway (SYSTEM, Administrators, TrustedInstaller) and the user the process runs as. Denying
 * entries are not weighed against allowing ones: a list that needs them to be safe is refused,
 * because what they deny depends on a caller's groups.
 */
#include "core/platform_windows.h"

#include <aclapi.h>
#include <sddl.h>
#include <string.h>

/* TrustedInstaller owns what Windows installs; it has no well-known constant. */
#define TRUSTED_INSTALLER L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

static const ACCESS_MASK may_read = FILE_READ_DATA | GENERIC_READ;

typedef struct sid_buffer {
    DWORD size;
    uint8_t bytes[SECURITY_MAX_SID_SIZE];
} sid_buffer;

static bool running_user(sid_buffer *out)
{
    HANDLE token = NULL;
    bool ok = false;
    struct {
        TOKEN_USER user;
        uint8_t room[SECURITY_MAX_SID_SIZE];
    } info;
    DWORD size = 0;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    if (GetTokenInformation(token, TokenUser, &info, sizeof info, &size))
        ok = CopySid(sizeof out->bytes, out->bytes, info.user.User.Sid) != 0;
    (void)CloseHandle(token);
    return ok;
}

static bool is_trusted_installer(PSID sid)
{
    wchar_t *text = NULL;
    if (!ConvertSidToStringSidW(sid, &text))
        return false;
    const bool same = wcscmp(text, TRUSTED_INSTALLER) == 0;
    (void)LocalFree(text);
    return same;
}

/* `user` NULL: the running user is not known, hence not trusted. OWNER RIGHTS is the owner, who is
 * checked by himself. */
static bool is_trusted(PSID sid, sid_buffer *user)
{
    return IsWellKnownSid(sid, WinLocalSystemSid) ||
           IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
           IsWellKnownSid(sid, WinCreatorOwnerRightsSid) ||
           (user != NULL && EqualSid(sid, user->bytes)) || is_trusted_installer(sid);
}

/* NT SERVICE\\name, but not ALL SERVICES. The SID of one service in an access list is an
 * administrator's way to let that service read a file, whatever account it runs as. */
static bool is_one_service(PSID sid)
{
    static const SID_IDENTIFIER_AUTHORITY nt = SECURITY_NT_AUTHORITY;
    return memcmp(GetSidIdentifierAuthority(sid), &nt, sizeof nt) == 0 &&
           *GetSidSubAuthorityCount(sid) == SECURITY_SERVICE_ID_RID_COUNT &&
           *GetSidSubAuthority(sid, 0) == SECURITY_SERVICE_ID_BASE_RID;
}

/* "DOMAIN\name", else the SID as text. */
static void name_of(PSID sid, char out[128])
{
    wchar_t name[64] = L"", domain[64] = L"", *text = NULL, both[130] = L"?";
    DWORD name_len = 64, domain_len = 64;
    SID_NAME_USE use;
    if (LookupAccountSidW(NULL, sid, name, &name_len, domain, &domain_len, &use)) {
        (void)swprintf(both, 130, L"%ls%ls%ls", domain, domain[0] != L'\0' ? L"\\" : L"", name);
    } else if (ConvertSidToStringSidW(sid, &text)) {
        (void)swprintf(both, 130, L"%ls", text);
        (void)LocalFree(text);
    }
    if (WideCharToMultiByte(CP_UTF8, 0, both, -1, out, 128, NULL, NULL) == 0)
        memcpy(out, "?", 2);
}

/* The SID of an entry that allows something in `forbidden` here, else NULL. Entries of the kinds
 * with a condition or an object type count as if they had none; of the latter we cannot tell the
 * SID by the same offset, so they stand for everyone. */
static PSID allowed_to(ACE_HEADER *header, ACCESS_MASK forbidden, PSID everyone)
{
    ACCESS_ALLOWED_ACE *ace = (ACCESS_ALLOWED_ACE *)(void *)header;
    if ((header->AceFlags & INHERIT_ONLY_ACE) != 0)
        return NULL;
    switch (header->AceType) {
    case ACCESS_ALLOWED_ACE_TYPE:
    case ACCESS_ALLOWED_CALLBACK_ACE_TYPE:
        return (ace->Mask & forbidden) != 0 ? (PSID)&ace->SidStart : NULL;
    case ACCESS_ALLOWED_COMPOUND_ACE_TYPE:
    case ACCESS_ALLOWED_OBJECT_ACE_TYPE:
    case ACCESS_ALLOWED_CALLBACK_OBJECT_ACE_TYPE:
        return (ace->Mask & forbidden) != 0 ? everyone : NULL;
    default:
        return NULL;
    }
}

/* FILE_DELETE_CHILD is asked of folders only. */
static core_status refuse(core_err *err, const char *path, PSID who, ACCESS_MASK forbidden)
{
    char name[128];
    const char *what = (forbidden & FILE_READ_DATA) != 0 ? "read or write" : "write";
    name_of(who, name);
    if ((forbidden & FILE_DELETE_CHILD) != 0)
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: %s may replace what is in this folder; put the file below one that "
                         "only administrators may write, such as C:\\Program Files",
                         path, name);
    return core_fail(err, ST_UNSAFE_FILE,
                     "%s: %s may %s it; icacls \"%s\" /inheritance:r /grant:r *S-1-5-18:F "
                     "*S-1-5-32-544:F \"ACCOUNT:R\", ACCOUNT being what SQL Server runs as",
                     path, name, what, path);
}

static core_status check_entries(PACL acl, const char *path, ACCESS_MASK forbidden,
                                 sid_buffer *user, core_err *err)
{
    sid_buffer everyone = {.size = sizeof everyone.bytes};
    if (!CreateWellKnownSid(WinWorldSid, NULL, everyone.bytes, &everyone.size))
        return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
    if (acl == NULL) /* no list at all allows everything */
        return refuse(err, path, everyone.bytes, forbidden);
    for (DWORD i = 0; i < acl->AceCount; i++) {
        void *ace = NULL;
        if (!GetAce(acl, i, &ace))
            return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
        PSID who = allowed_to(ace, forbidden, everyone.bytes);
        if (who != NULL && is_one_service(who))
            who = allowed_to(ace, forbidden & ~may_read, everyone.bytes);
        if (who != NULL && !is_trusted(who, user))
            return refuse(err, path, who, forbidden);
    }
    return ST_OK;
}

core_status core_acl_judge(PSECURITY_DESCRIPTOR descriptor, const char *path, ACCESS_MASK forbidden,
                           core_err *err)
{
    PSID owner = NULL;
    PACL acl = NULL;
    BOOL defaulted = FALSE, present = FALSE;
    sid_buffer user = {.size = 0};
    sid_buffer *known_user = running_user(&user) ? &user : NULL;

    if (!GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
        !GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted))
        return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
    if (owner == NULL || !is_trusted(owner, known_user)) {
        char name[128] = "nobody known";
        if (owner != NULL)
            name_of(owner, name);
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: owned by %s, neither an administrator nor the running user; "
                         "icacls \"%s\" /setowner *S-1-5-32-544",
                         path, name, path);
    }
    return check_entries(present ? acl : NULL, path, forbidden, known_user, err);
}

core_status core_acl_check(HANDLE handle, const char *path, ACCESS_MASK forbidden, core_err *err)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    const DWORD error = GetSecurityInfo(handle, SE_FILE_OBJECT,
                                        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                        NULL, NULL, NULL, NULL, &descriptor);
    if (error != ERROR_SUCCESS)
        return core_fail(err, ST_IO,
                         "%s: cannot read its access list: %s; run as an account that may", path,
                         core_win_error(error).text);
    const core_status st = core_acl_judge(descriptor, path, forbidden, err);
    (void)LocalFree(descriptor);
    return st;
}

void core_file_share_command(const char *path, core_str *out)
{
    core_str_addf(out, "icacls \"%s\" /grant \"NT SERVICE\\MSSQLSERVER:R\"", path);
}

/* The running user, SYSTEM and Administrators have all rights; `inherit` are the flags of their
 * entries, `more` is what else there is. */
static PSECURITY_DESCRIPTOR described(bool owned, const wchar_t *inherit, const wchar_t *more)
{
    sid_buffer user = {.size = 0};
    wchar_t *sid = NULL, text[400];
    PSECURITY_DESCRIPTOR out = NULL;
    if (!running_user(&user) || !ConvertSidToStringSidW(user.bytes, &sid))
        return NULL;
    (void)swprintf(text, 400, L"%ls%lsD:P(A;%ls;FA;;;SY)(A;%ls;FA;;;BA)(A;%ls;FA;;;%ls)%ls",
                   owned ? L"O:" : L"", owned ? sid : L"", inherit, inherit, inherit, sid, more);
    (void)LocalFree(sid);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &out, NULL))
        return NULL;
    return out;
}

PSECURITY_DESCRIPTOR core_acl_private(void)
{
    return described(true, L"", L"");
}

/* Its owner is the system's choice: Administrators, where an elevated one makes it, so that a
 * service under another account trusts it. */
PSECURITY_DESCRIPTOR core_acl_directory(void)
{
    return described(false, L"OICI", L"(A;;FRFX;;;BU)");
}
