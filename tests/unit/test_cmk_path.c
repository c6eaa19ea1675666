/* SPDX-License-Identifier: Apache-2.0
 *
 * Key paths: syntax, and which paths are trusted.
 */
#include "test_cmk.h"

#include <string.h>
#include "cmk/path.h"

static void takes_paths(void)
{
    static const char *const good[] = {
        "pkcs11:token=hsm;object=cmk",
        "pkcs11:object=cmk;token=hsm",
        "pkcs11:id=%01%02",
        "pkcs11:token=Prod%20HSM;object=CMK%202026;type=private",
        "PKCS11:token=t;object=o",
        "pkcs11:token=t;serial=1;model=m;manufacturer=x;object=o;id=a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        tok_uri uri;
        core_err err = {0};
        CU_ASSERT_EQUAL(cmk_path_parse(good[i], &uri, &err), ST_OK);
        CU_ASSERT_STRING_EQUAL(err.text, "");
        tok_uri_free(&uri);
    }
}

static void refuses_paths(void)
{
    static const struct {
        const char *path, *cause;
    } bad[] = {
        {"", "it is empty"},
        {"CurrentUser/My/B3C66FFBE1DB57419792E24AA970455BFAC30757", "does not begin with"},
        {"https://vault.example/keys/cmk", "does not begin with"},
        {"pkcs11:token=hsm", "object or id is missing"},
        {"pkcs11:", "object or id is missing"},
        {"pkcs11:token=hsm;object=", "is empty"},
        {"pkcs11:token=hsm;id=", "is empty"},
        {"pkcs11:token=hsm;object=k;type=public", "type=private"},
        {"pkcs11:token=hsm;object=k;type=secret-key", "type=private"},
        {"pkcs11:slot-id=1;object=k", "slot and library"},
        {"pkcs11:library-version=1;object=k", "slot and library"},
        {"pkcs11:object=k?module-path=/tmp/evil.so", "may not name a module"},
        {"pkcs11:object=k?module-name=evil", "may not name a module"},
        {"pkcs11:object=k?pin-source=/etc/passwd", "may not name a module"},
        {"pkcs11:object=k?pin-value=1234", "pin-value"},
        {"pkcs11:object=a;object=b", "object"},
        {"pkcs11:object=%zz", "object"},
        {"pkcs11:colour=red;object=k", "colour"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tok_uri uri;
        core_err err = {0};
        CU_ASSERT_EQUAL(cmk_path_parse(bad[i].path, &uri, &err), ST_FORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].cause));
        CU_ASSERT_EQUAL(strncmp(err.text, "key path: ", 10), 0);
        CU_ASSERT_PTR_NULL(uri.object);
        CU_ASSERT_PTR_NULL(strstr(err.text, "1234"));
    }
}

static void trusts_by_pattern(void)
{
    static const struct {
        const char *patterns, *path;
        bool trusted;
    } rows[] = {
        {NULL, "anything", true},
        {"", "pkcs11:object=a", false},
        {",", "pkcs11:object=a", false},
        {" , ", "", false},
        {"*", "", true},
        {"*", "pkcs11:object=a", true},
        {"pkcs11:token=hsm;object=a", "pkcs11:token=hsm;object=a", true},
        {"pkcs11:token=hsm;object=a", "pkcs11:token=hsm;object=ab", false},
        {"pkcs11:token=hsm;object=a", "pkcs11:token=hsm;object=", false},
        {"pkcs11:token=hsm;object=a", "pkcs11:token=hsm;object=A", false},
        {"pkcs11:token=hsm;object=cmk-*", "pkcs11:token=hsm;object=cmk-", true},
        {"pkcs11:token=hsm;object=cmk-*", "pkcs11:token=hsm;object=cmk-2026", true},
        {"pkcs11:token=hsm;object=cmk-*", "pkcs11:token=other;object=cmk-2026", false},
        {"other , pkcs11:token=hsm;* ,x", "pkcs11:token=hsm;object=k", true},
        {"*object=a*b*c", "xobject=a1b2b3c", true},
        {"*object=a*b*c", "xobject=a1b2b3c4", false},
        {"a**b", "ab", true},
        {"a**b", "a", false},
        {"**", "", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CU_ASSERT_EQUAL(cmk_path_trusted(rows[i].patterns, rows[i].path), rows[i].trusted);
}

/* Matching a pattern of many asterisks with a long path that almost matches must be fast. */
static void patterns_take_no_time(void)
{
    static char path[4001];
    memset(path, 'a', sizeof path - 1);
    CU_ASSERT_FALSE(cmk_path_trusted("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
}

static bool parse_once(void *context)
{
    tok_uri uri;
    (void)context;
    const core_status st = cmk_path_parse("pkcs11:token=t;object=o;id=%01", &uri, NULL);
    tok_uri_free(&uri);
    return st == ST_OK;
}

static void survives_no_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(parse_once, NULL, 20, 0) >= 4);
}

static const test_case cases[] = {{"takes_paths", takes_paths},
                                  {"refuses_paths", refuses_paths},
                                  {"trusts_by_pattern", trusts_by_pattern},
                                  {"patterns_take_no_time", patterns_take_no_time},
                                  {"survives_no_memory", survives_no_memory},
                                  {NULL, NULL}};
const test_suite cmk_path_suite = {.name = "cmk_path", .cases = cases};
