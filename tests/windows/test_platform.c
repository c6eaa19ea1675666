/* SPDX-License-Identifier: Apache-2.0
 *
 * core's platform suites for Windows: they replace those of tests/unit/test_core_platform.c and
 * test_core_memory.c, which fork.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <aclapi.h>
#include <sddl.h>
#include "core/memory.h"
#include "core/platform_account.h"
#include "core/platform_windows.h"
#include "test_core.h"

static void clocks(void)
{
    char text[28];
    SYSTEMTIME now;
    const uint64_t before = core_now_us();
    core_sleep_ms(20);
    const uint64_t slept = core_now_us() - before;
    CU_ASSERT_TRUE(slept >= 15000 && slept < 5000000);
    GetSystemTime(&now);
    CU_ASSERT_EQUAL(core_utc_date(), now.wYear * 10000U + now.wMonth * 100U + now.wDay);
    core_utc_text(text);
    CU_ASSERT_EQUAL(strlen(text), 27);
    CU_ASSERT_EQUAL(text[10], 'T');
    CU_ASSERT_EQUAL(text[26], 'Z');
    CU_ASSERT_EQUAL(strtoul(text, NULL, 10), now.wYear);
}

static void environment(void)
{
    CU_ASSERT_PTR_NULL(core_env("P11EKM_NO_SUCH_VARIABLE"));
    CU_ASSERT_FATAL(SetEnvironmentVariableW(L"P11EKM_TEST", L"C:\\Schl\u00fcssel.conf"));
    const char *first = core_env("P11EKM_TEST");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_STRING_EQUAL(first, "C:\\Schl\xc3\xbcssel.conf");
    CU_ASSERT_FATAL(SetEnvironmentVariableW(L"P11EKM_TEST", L"D:\\other"));
    CU_ASSERT_STRING_EQUAL(core_env("P11EKM_TEST"), "D:\\other");
    CU_ASSERT_STRING_EQUAL(first, "C:\\Schl\xc3\xbcssel.conf"); /* unchanged */
}

static void paths(void)
{
    CU_ASSERT_TRUE(core_path_absolute("C:\\x"));
    CU_ASSERT_TRUE(core_path_absolute("c:/x"));
    CU_ASSERT_TRUE(core_path_absolute("\\\\server\\share\\x"));
    CU_ASSERT_FALSE(core_path_absolute("C:x"));
    CU_ASSERT_FALSE(core_path_absolute("\\x"));
    CU_ASSERT_FALSE(core_path_absolute("x"));
    CU_ASSERT_FALSE(core_path_absolute(""));
    const char *config = core_default_config_path();
    CU_ASSERT_TRUE(core_path_absolute(config));
    CU_ASSERT_PTR_NOT_NULL(strstr(config, "\\ProgramData\\p11ekm\\p11ekm.conf"));

    char *back = core_utf8_path(L"\\\\?\\UNC\\server\\share\\x");
    CU_ASSERT_STRING_EQUAL(back, "\\\\server\\share\\x");
    core_free(back);
    back = core_utf8_path(L"\\\\?\\C:\\x");
    CU_ASSERT_STRING_EQUAL(back, "C:\\x");
    core_free(back);
    CU_ASSERT_PTR_NULL(core_wide_path("C:\\\xff"));
}

static void long_paths(void)
{
    char path[400] = "C:\\";
    memset(path + 3, 'a', 100);
    path[103] = '\\';
    memset(path + 104, 'b', 200);
    wchar_t *wide = core_wide_path(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(wide);
    CU_ASSERT_EQUAL(wcsncmp(wide, L"\\\\?\\C:\\aaa", 10), 0);
    CU_ASSERT_EQUAL(wcslen(wide), strlen(path) + 4);
    core_free(wide);
}

static void files(void)
{
    core_secret read;
    const char *path = testing_path("created");
    CU_ASSERT_EQUAL_FATAL(core_file_create(path, "hello\n", 6, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_file_create(path, "x", 1, NULL), ST_IO);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_file_read(path, CORE_FILE_SECRET, 100, &read, NULL), ST_OK);
    CU_ASSERT_EQUAL(read.length, 6);
    CU_ASSERT_STRING_EQUAL((char *)read.data, "hello\n");
    core_secret_close(&read);
    CU_ASSERT_EQUAL(core_file_read(path, CORE_FILE_CONFIG, 5, &read, NULL), ST_FORMAT);
    CU_ASSERT_PTR_NULL(read.data);
    CU_ASSERT_EQUAL(core_file_check(testing_path("none"), CORE_FILE_CONFIG, NULL),
                    ST_CONFIG_MISSING);
    CU_ASSERT_EQUAL(core_file_check(testing_dir(), CORE_FILE_CONFIG, NULL), ST_IO);
    CU_ASSERT_EQUAL(core_file_check("created", CORE_FILE_MODULE, NULL) == ST_OK, false);
}

static void sealed_files(void)
{
    size_t length = 0;
    core_secret read;
    const char *path = testing_path("sealed");
    CU_ASSERT_EQUAL_FATAL(core_file_create_sealed(path, "secret-pin", 10, CORE_SEAL_MACHINE, NULL),
                          ST_OK);
    CU_ASSERT_EQUAL(core_file_create_sealed(path, "secret-pin", 10, CORE_SEAL_MACHINE, NULL),
                    ST_IO);
    char *raw = testing_read(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(raw);
    CU_ASSERT_EQUAL(memcmp(raw, "p11ekm DPAPI 1\n", 15), 0);
    for (size_t i = 0; i + 10 <= length; i++)
        CU_ASSERT_NOT_EQUAL(memcmp(raw + i, "secret-pin", 10), 0);
    CU_ASSERT_EQUAL_FATAL(core_file_read(path, CORE_FILE_SECRET, 64, &read, NULL), ST_OK);
    CU_ASSERT_EQUAL(read.length, 10);
    CU_ASSERT_STRING_EQUAL((char *)read.data, "secret-pin");
    core_secret_close(&read);
    CU_ASSERT_EQUAL(core_file_read(path, CORE_FILE_SECRET, 9, &read, NULL), ST_FORMAT);

    raw[length - 20] ^= 1;
    const char *other = testing_path("unsealed");
    CU_ASSERT_EQUAL_FATAL(core_file_create(other, raw, length, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_file_read(other, CORE_FILE_SECRET, 64, &read, NULL), ST_PIN_SOURCE);
    CU_ASSERT_PTR_NULL(read.data);
    free(raw);
}

static void sealed_to_the_user_opens_for_the_user(void)
{
    core_secret read;
    const char *path = testing_path("sealed_user");
    CU_ASSERT_EQUAL_FATAL(core_file_create_sealed(path, "secret-pin", 10, CORE_SEAL_USER, NULL),
                          ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_file_read(path, CORE_FILE_SECRET, 64, &read, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL((char *)read.data, "secret-pin");
    core_secret_close(&read);
}

static bool thread_has_token(void)
{
    HANDLE token = NULL;
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
        return false;
    (void)CloseHandle(token);
    return true;
}

/* SQL Server may call the provider while a thread impersonates the client of a connection. */
static void impersonation_is_left_for_files_and_taken_up_again(void)
{
    HANDLE client = NULL;
    core_secret read;
    const char *path = testing_path("impersonated");
    CU_ASSERT_EQUAL_FATAL(core_file_create(path, "x", 1, NULL), ST_OK);
    CU_ASSERT_FALSE_FATAL(thread_has_token());
    CU_ASSERT_TRUE(core_impersonation_pause(&client));
    CU_ASSERT_PTR_NULL(client);
    core_impersonation_resume(client);

    CU_ASSERT_FATAL(ImpersonateSelf(SecurityImpersonation));
    CU_ASSERT_TRUE_FATAL(thread_has_token());
    CU_ASSERT_TRUE_FATAL(core_impersonation_pause(&client));
    CU_ASSERT_PTR_NOT_NULL(client);
    CU_ASSERT_FALSE(thread_has_token());
    SetLastError(ERROR_FILE_NOT_FOUND);
    core_impersonation_resume(client);
    CU_ASSERT_EQUAL(GetLastError(), ERROR_FILE_NOT_FOUND);
    CU_ASSERT_TRUE(thread_has_token());

    CU_ASSERT_EQUAL_FATAL(core_file_read(path, CORE_FILE_CONFIG, 10, &read, NULL), ST_OK);
    CU_ASSERT_TRUE(thread_has_token());
    core_secret_close(&read);
    (void)RevertToSelf();
}

static void path_with_account_names_the_account(void)
{
    core_sid self;
    char name[192], *path = NULL;
    char expected[300];
    CU_ASSERT_FATAL(core_account_self(&self));
    CU_ASSERT_EQUAL_FATAL(core_account_file_name(NULL, name, NULL), ST_OK);
    CU_ASSERT_PTR_NULL(strpbrk(name, "\\/:*?\"<>|%"));
    (void)snprintf(expected, sizeof expected, "C:\\log\\a-%s.log", name);
    CU_ASSERT_EQUAL_FATAL(core_account_path("C:\\log\\a-%u.log", NULL, &path, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL(path, expected);
    core_free(path);
    CU_ASSERT_EQUAL_FATAL(core_account_path("C:\\log\\a.log", NULL, &path, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL(path, "C:\\log\\a.log");
    core_free(path);
    /* Another account owns the other file. */
    CU_ASSERT_EQUAL_FATAL(
        core_account_path("C:\\log\\a-%u.log", "NT SERVICE\\MSSQL$PROD", &path, NULL), ST_OK);
    CU_ASSERT_STRING_NOT_EQUAL(path, expected);
    core_free(path);
}

static void sid_of_a_service_is_computed_from_its_name(void)
{
    core_sid sid;
    char text[192];
    CU_ASSERT_EQUAL_FATAL(core_account_find("NT SERVICE\\MSSQLSERVER", &sid, NULL), ST_OK);
    core_account_sid_text(sid.bytes, text);
    CU_ASSERT_STRING_EQUAL(text, "S-1-5-80-3880718306-3832830129-1677859214-2598158968-1052248003");
    CU_ASSERT_TRUE(core_account_is_service(sid.bytes));
    CU_ASSERT_EQUAL_FATAL(core_account_find("nt service\\TrustedInstaller", &sid, NULL), ST_OK);
    core_account_sid_text(sid.bytes, text);
    CU_ASSERT_STRING_EQUAL(text, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464");
    CU_ASSERT_EQUAL(core_account_find("S-1-5-21-1-2-3-1001", &sid, NULL), ST_OK);
    CU_ASSERT_FALSE(core_account_is_service(sid.bytes));
    CU_ASSERT_EQUAL(core_account_find("NOWHERE\\nobody", &sid, NULL), ST_NOT_FOUND);
}

static void appended(void)
{
    size_t length = 0;
    const char *path = testing_path("log");
    FILE *one = core_file_append(path, NULL);
    FILE *two = core_file_append(path, NULL);
    CU_ASSERT_FATAL(one != NULL && two != NULL);
    (void)fwrite("a\n", 2, 1, one);
    (void)fwrite("b\n", 2, 1, two);
    (void)fwrite("c\n", 2, 1, one);
    char *text = testing_read(path, &length);
    CU_ASSERT_STRING_EQUAL(text, "a\nb\nc\n");
    free(text);
    CU_ASSERT_FALSE(core_file_moved(one, path));
    (void)fclose(two);
    /* A rotation while the file is open. */
    CU_ASSERT_EQUAL(rename(path, testing_path("log.1")), 0);
    CU_ASSERT_TRUE(core_file_moved(one, path));
    (void)fclose(one);
}

/* Two handles count as two holders, like two processes. */
static void lock_files(void)
{
    const char *path = testing_path("a.lock");
    intptr_t one = CORE_NO_LOCK_FILE, two = CORE_NO_LOCK_FILE;
    CU_ASSERT_EQUAL_FATAL(core_lock_file_open(path, &one, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_lock_file_open(path, &two, NULL), ST_OK);
    CU_ASSERT_TRUE(core_lock_file_try(one));
    CU_ASSERT_FALSE(core_lock_file_try(two));
    core_lock_file_release(one);
    CU_ASSERT_TRUE(core_lock_file_try(two));
    CU_ASSERT_FALSE(core_lock_file_moved(one, path));
    core_lock_file_close(one);
    core_lock_file_close(two);
    core_lock_file_close(CORE_NO_LOCK_FILE);
}

/* Gives a file its own access list, in Windows' notation. */
static void set_list(const char *path, const wchar_t *sddl)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    wchar_t *wide = core_wide_path(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(wide);
    CU_ASSERT_FATAL(ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1,
                                                                         &descriptor, NULL));
    CU_ASSERT_FATAL(SetFileSecurityW(
        wide, DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, descriptor));
    (void)LocalFree(descriptor);
    core_free(wide);
}

static void access_lists(void)
{
    core_err err = {0};
    const char *path = testing_path("listed");
    CU_ASSERT_EQUAL_FATAL(core_file_create(path, "x", 1, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, &err), ST_OK);

    set_list(path, L"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;WD)"); /* Everyone reads */
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_OK);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, &err), ST_UNSAFE_FILE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "icacls"));

    set_list(path, L"D:P(A;;FA;;;SY)(A;;FA;;;WD)"); /* Everyone writes */
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_MODULE, &err), ST_UNSAFE_FILE);
}

/* A user who may replace a folder can replace the files in it, whatever their lists. */
static void folders_above(void)
{
    core_err err = {0};
    const char *dir = testing_path("folder"), *path = testing_path("folder/file");
    CU_ASSERT_EQUAL_FATAL(core_directory_create(dir, &err), ST_OK);
    CU_ASSERT_EQUAL(core_directory_create(dir, &err), ST_IO); /* it exists */
    CU_ASSERT_EQUAL_FATAL(core_file_create(path, "x", 1, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, &err), ST_OK);
    set_list(dir, L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;WD)");
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, &err), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_UNSAFE_FILE);
    char *above = core_path_directory("C:\\ProgramData\\p11ekm\\p11ekm.conf");
    CU_ASSERT_PTR_NOT_NULL_FATAL(above);
    CU_ASSERT_STRING_EQUAL(above, "C:\\ProgramData\\p11ekm");
    core_free(above);
    CU_ASSERT_PTR_NULL(core_path_directory("C:\\p11ekm.conf"));
}

static void one_descriptor(const wchar_t *sddl, ACCESS_MASK forbidden, bool safe)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    CU_ASSERT_FATAL(ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1,
                                                                         &descriptor, NULL));
    const core_status st = core_acl_check_descriptor(descriptor, NULL, "file", forbidden, NULL);
    if ((st == ST_OK) != safe)
        printf("judged wrongly: %ls\n", sddl);
    CU_ASSERT_EQUAL(st, safe ? ST_OK : ST_UNSAFE_FILE);
    (void)LocalFree(descriptor);
}

/* The evaluation itself, on lists that the file system under test may not store. */
static void judgement(void)
{
    const ACCESS_MASK write = FILE_WRITE_DATA | WRITE_DAC | GENERIC_WRITE;
    const ACCESS_MASK both = write | FILE_READ_DATA | GENERIC_READ;
    static const wchar_t service[] =
        L"S-1-5-80-3880718306-3832830129-1677859214-2598158968-1052248003";
    wchar_t text[200];

    one_descriptor(L"O:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)", both, true);
    one_descriptor(L"O:BAD:P(A;;FA;;;SY)(A;;FR;;;BU)", write, true);
    one_descriptor(L"O:BAD:P(A;;FA;;;SY)(A;;FR;;;BU)", both, false);
    one_descriptor(L"O:BAD:P(A;;FA;;;SY)(A;;FW;;;BU)", write, false);
    one_descriptor(L"O:BAD:P(A;;FA;;;SY)(A;;WD;;;AU)", write, false); /* may change the list */
    one_descriptor(L"O:BAD:P(A;;GA;;;WD)", write | GENERIC_ALL, false);
    one_descriptor(L"O:BAD:P(A;OICIIO;FA;;;AU)(A;;FA;;;SY)", both, true); /* only for children */
    one_descriptor(L"O:BAD:P(D;;FW;;;WD)(A;;FW;;;BU)", write, false);     /* denials do not count */
    one_descriptor(L"O:WDD:P(A;;FA;;;SY)", write, false);                 /* owned by Everyone */
    one_descriptor(L"O:BUD:P(A;;FA;;;SY)", write, false);

    (void)swprintf(text, 200, L"O:BAD:P(A;;FA;;;SY)(A;;FR;;;%ls)", service);
    one_descriptor(text, both, true); /* one service may read */
    (void)swprintf(text, 200, L"O:BAD:P(A;;FA;;;SY)(A;;FA;;;%ls)", service);
    one_descriptor(text, both, false);                                       /* but not write */
    one_descriptor(L"O:BAD:P(A;;FA;;;SY)(A;;FR;;;S-1-5-80-0)", both, false); /* nor all of them */
    one_descriptor(L"O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
                   L"D:P(A;;FA;;;S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464)",
                   both, true); /* TrustedInstaller */
}

/* No list, unlike an empty one, allows everything to everybody. */
static void no_list(void)
{
    PSECURITY_DESCRIPTOR owned = NULL;
    SECURITY_DESCRIPTOR bare;
    PSID owner = NULL;
    BOOL defaulted = FALSE;
    CU_ASSERT_FATAL(ConvertStringSecurityDescriptorToSecurityDescriptorW(
        L"O:BAD:P", SDDL_REVISION_1, &owned, NULL));
    CU_ASSERT_EQUAL(core_acl_check_descriptor(owned, NULL, "file", FILE_WRITE_DATA, NULL), ST_OK);
    CU_ASSERT_FATAL(GetSecurityDescriptorOwner(owned, &owner, &defaulted));
    CU_ASSERT_FATAL(InitializeSecurityDescriptor(&bare, SECURITY_DESCRIPTOR_REVISION));
    CU_ASSERT_FATAL(SetSecurityDescriptorOwner(&bare, owner, FALSE));
    CU_ASSERT_EQUAL(core_acl_check_descriptor(&bare, NULL, "file", FILE_WRITE_DATA, NULL),
                    ST_UNSAFE_FILE);
    CU_ASSERT_FATAL(SetSecurityDescriptorDacl(&bare, TRUE, NULL, FALSE));
    CU_ASSERT_EQUAL(core_acl_check_descriptor(&bare, NULL, "file", FILE_WRITE_DATA, NULL),
                    ST_UNSAFE_FILE);
    (void)LocalFree(owned);
}

static void system_log(void)
{
    core_system_log(2, "p11ekm's tests");
    char *endless = core_calloc(5000, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(endless);
    memset(endless, 'x', 4999);
    core_system_log(0, endless); /* truncated without an overrun */
    core_free(endless);
}

static const test_case platform_cases[] = {
    {"clocks", clocks},
    {"environment", environment},
    {"paths", paths},
    {"long_paths", long_paths},
    {"files", files},
    {"sealed_files", sealed_files},
    {"appended", appended},
    {"lock_files", lock_files},
    {"folders_above", folders_above},
    {"judgement", judgement},
    {"no_list", no_list},
    {"access_lists", access_lists},
    {"system_log", system_log},
    {"sealed_to_the_user_opens_for_the_user", sealed_to_the_user_opens_for_the_user},
    {"impersonation_is_left_for_files_and_taken_up_again",
     impersonation_is_left_for_files_and_taken_up_again},
    {"path_with_account_names_the_account", path_with_account_names_the_account},
    {"sid_of_a_service_is_computed_from_its_name", sid_of_a_service_is_computed_from_its_name},
    {NULL, NULL}};
const test_suite core_platform_suite = {.name = "platform", .cases = platform_cases};

static DWORD protection(const void *address)
{
    MEMORY_BASIC_INFORMATION info;
    return VirtualQuery(address, &info, sizeof info) != 0 && info.State == MEM_COMMIT ? info.Protect
                                                                                      : 0;
}

static void guarded_pages(void)
{
    bool locked = false;
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    const size_t page = system.dwPageSize;
    CU_ASSERT_PTR_NULL(core_pages_map(0, &locked));
    CU_ASSERT_PTR_NULL(core_pages_map(SIZE_MAX, &locked));
    uint8_t *pages = core_pages_map(100, &locked);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pages);
    CU_ASSERT_TRUE(locked);
    memset(pages, 1, 100);
    uint8_t *start = (uint8_t *)((uintptr_t)pages / page * page);
    CU_ASSERT_EQUAL(protection(pages), PAGE_READWRITE);
    CU_ASSERT_EQUAL(protection(start - 1), 0);    /* reserved: access traps */
    CU_ASSERT_EQUAL(protection(start + page), 0); /* 12 bytes after the 100 */
    CU_ASSERT_TRUE(start + page - (pages + 100) < 16);
    core_pages_unmap(pages, 100);
    CU_ASSERT_EQUAL(protection(start), 0);
}

static void secrets(void)
{
    core_secret secret = {0};
    CU_ASSERT_EQUAL_FATAL(core_secret_copy(&secret, "1234", 4), ST_OK);
    CU_ASSERT_EQUAL(memcmp(secret.data, "1234", 4), 0);
    core_secret_clear(&secret);
    CU_ASSERT_EQUAL(secret.length, 0);
    CU_ASSERT_EQUAL(memcmp(secret.data, "\0\0\0\0", 4), 0);
    core_secret_close(&secret);
    CU_ASSERT_PTR_NULL(secret.data);
}

static const test_case memory_cases[] = {
    {"guarded_pages", guarded_pages}, {"secrets", secrets}, {NULL, NULL}};
const test_suite core_memory_suite = {.name = "memory", .cases = memory_cases};
