/* SPDX-License-Identifier: Apache-2.0
 *
 * The status table and the text of errors.
 */
#include <string.h>
#include "core/status.h"
#include "core/text.h"
#include "test_core.h"

static void rows_are_whole(void)
{
    for (unsigned a = 0; a < ST_COUNT_; a++) {
        const core_status st = (core_status)a;
        CU_ASSERT_TRUE(core_status_name(st)[0] != '\0');
        CU_ASSERT_TRUE(core_status_text(st)[0] != '\0');
        CU_ASSERT_TRUE(st == ST_OK || core_status_next(st)[0] != '\0');
        CU_ASSERT_PTR_NULL(strstr(core_status_next(st), "; ")); /* see core_err_next */
        CU_ASSERT_TRUE(core_status_code(st) <= 7 || core_status_code(st) >= 2049);
        for (unsigned b = 0; b < a; b++)
            CU_ASSERT_NOT_EQUAL(core_status_code(st), core_status_code((core_status)b));
    }
}

/* The codes are in users' documentation and monitoring: they must never change. */
static void codes_are_fixed(void)
{
    CU_ASSERT_EQUAL(core_status_code(ST_OK), 0);
    CU_ASSERT_EQUAL(core_status_code(ST_AUTH_FAILED), 5);
    CU_ASSERT_EQUAL(core_status_code(ST_CONFIG_MISSING), 2049);
    CU_ASSERT_EQUAL(core_status_code(ST_DECRYPT_FAILED), 2073);
    CU_ASSERT_EQUAL(core_status_code(ST_SIGN_FAILED), 2083);
    CU_ASSERT_STRING_EQUAL(core_status_name(ST_DEVICE_BACKOFF), "DEVICE_BACKOFF");
    CU_ASSERT_EQUAL(core_status_class(ST_SESSION_LOST), CORE_CLASS_SESSION);
    CU_ASSERT_EQUAL(core_status_class(ST_OK), CORE_CLASS_NONE);
}

static void unknown_is_failure(void)
{
    CU_ASSERT_STRING_EQUAL(core_status_name((core_status)9999), "FAILURE");
    CU_ASSERT_EQUAL(core_status_code((core_status)-1), 1);
}

static void fail_formats(void)
{
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL(core_fail(&err, ST_IO, "%s: %d", "x", 7), ST_IO);
    CU_ASSERT_EQUAL(err.status, ST_IO);
    CU_ASSERT_STRING_EQUAL(err.text, "x: 7");
    CU_ASSERT_EQUAL(core_fail(&err, ST_AUDIT, "outer: %s", err.text), ST_AUDIT);
    CU_ASSERT_STRING_EQUAL(err.text, "outer: x: 7");
    CU_ASSERT_EQUAL(core_fail(NULL, ST_POLICY, "%s", "x"), ST_POLICY);
}

static void fail_cuts_between_characters(void)
{
    static const char euro[] = "\xe2\x82\xac", grin[] = "\xf0\x9f\x98\x80";
    core_err err;
    for (size_t lead = 0; lead < 8; lead++) {
        core_str text = {.limit = 4096};
        core_str_addn(&text, "aaaaaaaa", lead);
        for (int i = 0; i < 200; i++)
            core_str_add(&text, i % 2 != 0 ? euro : grin);
        (void)core_fail(&err, ST_IO, "%s", core_str_get(&text));
        CU_ASSERT_TRUE(core_utf8_valid(err.text, strlen(err.text)));
        CU_ASSERT_TRUE(strlen(err.text) > sizeof err.text - 5);
        core_str_free(&text);
    }
}

static void fail_quotes_nothing_unprintable(void)
{
    core_err err;
    (void)core_fail(&err, ST_IO, "\"%s\": %.4s", "a\x1b[2J\nb\xff", "xyz\xe2\x82\xac");
    CU_ASSERT_STRING_EQUAL(err.text, "\"a?[2J?b?\": xyz?");
}

static void err_text_falls_back(void)
{
    core_err err = {.status = ST_OK};
    CU_ASSERT_STRING_EQUAL(core_err_text(NULL, ST_NO_MEMORY),
                           "out of memory; free memory on this machine");
    CU_ASSERT_STRING_EQUAL(core_err_text(&err, ST_OK), "success");
    (void)core_fail(&err, ST_IO, "here");
    CU_ASSERT_STRING_EQUAL(core_err_text(&err, ST_IO), "here");
    CU_ASSERT_STRING_EQUAL(core_err_next(NULL, ST_IO), core_status_next(ST_IO));
    CU_ASSERT_STRING_EQUAL(core_err_next(&err, ST_IO), core_status_next(ST_IO));
    (void)core_fail(&err, ST_IO, "key \"a; b\", uri;c: one; two; remove it");
    CU_ASSERT_STRING_EQUAL(core_err_next(&err, ST_IO), "remove it");
    (void)core_fail(&err, ST_IO, "key \"a; b\": no more");
    CU_ASSERT_STRING_EQUAL(core_err_next(&err, ST_IO), core_status_next(ST_IO));
}

static const test_case cases[] = {
    {"rows_are_whole", rows_are_whole},
    {"codes_are_fixed", codes_are_fixed},
    {"unknown_is_failure", unknown_is_failure},
    {"fail_formats", fail_formats},
    {"fail_cuts_between_characters", fail_cuts_between_characters},
    {"fail_quotes_nothing_unprintable", fail_quotes_nothing_unprintable},
    {"err_text_falls_back", err_text_falls_back},
    {NULL, NULL}};
const test_suite core_status_suite = {.name = "status", .cases = cases};
