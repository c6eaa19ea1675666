/* SPDX-License-Identifier: Apache-2.0
 *
 * The man page p11ekm-ekm(7) and the code agree: its tables are those of core/status.h and
 * core/config.h. `test_ekm --manual` prints the table of errors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "testing.h"
#include "tests/unit/ekm_fixture.h"

static void add_errors(core_str *out)
{
    core_str_add(out, "| Code | Name | Meaning | Next step |\n| --- | --- | --- | --- |\n");
    for (int st = 0; st < ST_COUNT_; st++) {
        const core_status s = (core_status)st;
        core_str_addf(out, "| %u | %s | %s | %s |\n", core_status_code(s), core_status_name(s),
                      core_status_text(s), core_status_next(s));
    }
}

void print_manual_table(void)
{
    core_str table = {.limit = 0};
    add_errors(&table);
    printf("%s", core_str_get(&table));
    core_str_free(&table);
}

static char *read_page(void)
{
    char path[1024];
    const char *source = getenv("P11EKM_SOURCE_DIR");
    if (!source)
        return NULL;
    snprintf(path, sizeof path, "%s/docs/man/p11ekm-ekm.7.md", source);
    size_t length;
    return testing_read(path, &length);
}

static void test_error_table(void)
{
    char *page = read_page();
    if (!page)
        TEST_SKIP("P11EKM_SOURCE_DIR does not name the sources");
    core_str table = {.limit = 0};
    add_errors(&table);
    CU_ASSERT_FALSE(table.failed);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, core_str_get(&table)));
    core_str_free(&table);
    free(page);
}

static void test_algorithm_table(void)
{
    char *page = read_page();
    if (!page)
        TEST_SKIP("P11EKM_SOURCE_DIR does not name the sources");
    for (int n = 0; n < CORE_ALG_COUNT; n++) {
        const core_algorithm a = (core_algorithm)n;
        char row[200];
        snprintf(row, sizeof row, "| %d | %s | %s | %u | %u | %s |\n", n + 1, core_algorithm_tag(a),
                 core_algorithm_is_rsa(a) ? "asymmetric" : "symmetric", core_algorithm_bits(a),
                 core_algorithm_iv_bits(a),
                 a == CORE_ALG_RSA_1024 ? "only when configured" : "yes");
        CU_ASSERT_PTR_NOT_NULL(strstr(page, row));
    }
    free(page);
}

void add_manual_suite(void)
{
    CU_pSuite suite = CU_add_suite("manual", NULL, NULL);
    CU_ADD_TEST(suite, test_error_table);
    CU_ADD_TEST(suite, test_algorithm_table);
}
