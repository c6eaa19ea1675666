/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks access control lists: who may change or read a file. SYSTEM, Administrators,
 * TrustedInstaller and the user of the process are trusted. Denying entries are ignored, because
 * their effect depends on the groups of a caller: a list that is safe only because of them is
 * refused.
 */
#include "core/platform_windows.h"

#include <aclapi.h>
#include <sddl.h>
#include <string.h>

/* TrustedInstaller owns the files that Windows installs; Windows has no constant for it. */
#define TRUSTED_INSTALLER L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

static const ACCESS_MASK may_read = FILE_READ_DATA | GENERIC_READ;

static bool is_trusted_installer(PSID sid)
{
    wchar_t *text = NULL;
    if (!ConvertSidToStringSidW(sid, &text))
        return false;
    const bool same = wcscmp(text, TRUSTED_INSTALLER) == 0;
    (void)LocalFree(text);
    return same;
}

/* `user` NULL: the running user is not known and not trusted. OWNER RIGHTS stands for the owner,
 * who is checked separately. */
static bool is_trusted(PSID sid, PSID user)
{
    return IsWellKnownSid(sid, WinLocalSystemSid) ||
           IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
           IsWellKnownSid(sid, WinCreatorOwnerRightsSid) || (user != NULL && EqualSid(sid, user)) ||
           is_trusted_installer(sid);
}

/* The SID of an entry that grants a right in `forbidden`, else NULL. Conditions and object types of
 * an entry are ignored. The SID of an entry with an object type is at another offset, so such an
 * entry counts as one for everyone. */
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

/* Refuses an entry. The command in the text removes that one grant, explicit or inherited.
 * FILE_DELETE_CHILD is checked for folders only. */
static core_status refuse(core_err *err, const char *path, PSID who, ACCESS_MASK forbidden)
{
    char name[192], sid[192];
    const char *what = (forbidden & FILE_READ_DATA) != 0 ? "read or write" : "write";
    core_account_text(who, name);
    core_account_sid_text(who, sid);
    if ((forbidden & FILE_DELETE_CHILD) != 0)
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: %s may replace what is in this folder; put the file below one that "
                         "only administrators may write, such as C:\\Program Files",
                         path, name);
    return core_fail(err, ST_UNSAFE_FILE,
                     "%s: %s may %s it; icacls \"%s\" /inheritance:d /remove:g *%s", path, name,
                     what, path, sid);
}

/* A file without an access list has no grant that could be removed. */
static core_status refuse_no_list(core_err *err, const char *path)
{
    return core_fail(err, ST_UNSAFE_FILE,
                     "%s: it has no access list, so every account may write it; icacls \"%s\" "
                     "/inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F",
                     path, path);
}

static core_status check_entries(PACL acl, const char *path, ACCESS_MASK forbidden, PSID user,
                                 core_err *err)
{
    core_sid everyone;
    DWORD size = sizeof everyone.bytes;
    if (!CreateWellKnownSid(WinWorldSid, NULL, everyone.bytes, &size))
        return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
    if (acl == NULL)
        return refuse_no_list(err, path);
    for (DWORD i = 0; i < acl->AceCount; i++) {
        void *ace = NULL;
        if (!GetAce(acl, i, &ace))
            return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
        PSID who = allowed_to(ace, forbidden, everyone.bytes);
        /* An administrator may list the SID of a service to let that service read a file, whatever
         * its account. */
        if (who != NULL && core_account_is_service(who))
            who = allowed_to(ace, forbidden & ~may_read, everyone.bytes);
        if (who != NULL && !is_trusted(who, user))
            return refuse(err, path, who, forbidden);
    }
    return ST_OK;
}

core_status core_acl_check_descriptor(PSECURITY_DESCRIPTOR descriptor, PSID user, const char *path,
                                      ACCESS_MASK forbidden, core_err *err)
{
    PSID owner = NULL;
    PACL acl = NULL;
    BOOL defaulted = FALSE, present = FALSE;
    core_sid self;

    if (user == NULL && core_account_self(&self))
        user = self.bytes;
    if (!GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
        !GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted))
        return core_fail(err, ST_IO, "%s: cannot read its access list; icacls shows it", path);
    if (owner == NULL || !is_trusted(owner, user)) {
        char name[192] = "an unknown account";
        if (owner != NULL)
            core_account_text(owner, name);
        return core_fail(err, ST_UNSAFE_FILE,
                         "%s: owned by %s, neither an administrator nor the running user; "
                         "icacls \"%s\" /setowner *S-1-5-32-544",
                         path, name, path);
    }
    return check_entries(present ? acl : NULL, path, forbidden, user, err);
}

core_status core_acl_read(HANDLE handle, const char *path, PSECURITY_DESCRIPTOR *out, core_err *err)
{
    const DWORD error = GetSecurityInfo(handle, SE_FILE_OBJECT,
                                        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                        NULL, NULL, NULL, NULL, out);
    if (error == ERROR_SUCCESS)
        return ST_OK;
    *out = NULL;
    return core_fail(err, ST_IO, "%s: cannot read its access list: %s; run as an account that may",
                     path, core_win_error(error).text);
}

core_status core_acl_check(HANDLE handle, const char *path, ACCESS_MASK forbidden, core_err *err)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    core_status st = core_acl_read(handle, path, &descriptor, err);
    if (st == ST_OK)
        st = core_acl_check_descriptor(descriptor, NULL, path, forbidden, err);
    (void)LocalFree(descriptor);
    return st;
}

/* True if an entry with `sid` applies to `user`. The token of a service contains the SID of the
 * service and its account. The account does not tell which service that is, so every service SID
 * counts. */
static bool applies_to(PSID sid, PSID user)
{
    return EqualSid(sid, user) || IsWellKnownSid(sid, WinWorldSid) ||
           IsWellKnownSid(sid, WinAuthenticatedUserSid) ||
           IsWellKnownSid(sid, WinBuiltinUsersSid) || IsWellKnownSid(sid, WinServiceSid) ||
           (core_account_is_service(sid) && !core_account_is_service(user));
}

bool core_acl_grants(PSECURITY_DESCRIPTOR descriptor, PSID user, ACCESS_MASK wanted)
{
    static const GENERIC_MAPPING files = {FILE_GENERIC_READ, FILE_GENERIC_WRITE,
                                          FILE_GENERIC_EXECUTE, FILE_ALL_ACCESS};
    PACL acl = NULL;
    BOOL defaulted = FALSE, present = FALSE;
    ACCESS_MASK left = wanted;
    if (!GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted))
        return false;
    for (DWORD i = 0; present && acl != NULL && left != 0 && i < acl->AceCount; i++) {
        void *at = NULL;
        if (!GetAce(acl, i, &at))
            return false;
        ACCESS_ALLOWED_ACE *ace = at;
        const bool allows = ace->Header.AceType == ACCESS_ALLOWED_ACE_TYPE;
        if ((!allows && ace->Header.AceType != ACCESS_DENIED_ACE_TYPE) ||
            (ace->Header.AceFlags & INHERIT_ONLY_ACE) != 0 || !applies_to(&ace->SidStart, user))
            continue;
        ACCESS_MASK mask = ace->Mask;
        MapGenericMask(&mask, (GENERIC_MAPPING *)(uintptr_t)&files);
        if (!allows && (mask & left) != 0)
            return false;
        left &= ~mask;
    }
    return left == 0 || !present || acl == NULL;
}

PSECURITY_DESCRIPTOR core_acl_new_for(core_acl_maker maker, PSID user, bool elevated)
{
    wchar_t *sid = NULL, text[512], entry[256] = L"";
    PSECURITY_DESCRIPTOR out = NULL;
    if (!ConvertSidToStringSidW(user, &sid))
        return NULL;
    if (maker == CORE_ACL_ACCOUNT || !elevated)
        (void)swprintf(entry, 256, L"(A;;FA;;;%ls)", sid);
    (void)swprintf(text, 512, L"O:%lsD:P(A;;FA;;;SY)(A;;FA;;;BA)%ls", elevated ? L"BA" : sid,
                   entry);
    (void)LocalFree(sid);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &out, NULL))
        return NULL;
    return out;
}

PSECURITY_DESCRIPTOR core_acl_new(core_acl_maker maker)
{
    core_sid user;
    return core_account_self(&user) ? core_acl_new_for(maker, user.bytes, core_account_elevated())
                                    : NULL;
}

/* Windows sets the owner: Administrators if an elevated administrator creates the directory. */
PSECURITY_DESCRIPTOR core_acl_directory(void)
{
    core_sid user;
    wchar_t *sid = NULL, text[512], entry[256] = L"";
    PSECURITY_DESCRIPTOR out = NULL;
    if (!core_account_self(&user) || !ConvertSidToStringSidW(user.bytes, &sid))
        return NULL;
    if (!core_account_elevated())
        (void)swprintf(entry, 256, L"(A;OICI;FA;;;%ls)", sid);
    (void)swprintf(text, 512, L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)%ls(A;;FRFX;;;BU)", entry);
    (void)LocalFree(sid);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &out, NULL))
        return NULL;
    return out;
}
